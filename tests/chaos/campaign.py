"""Keeps runs going while faults strike, and has those that failed run again, as a person would."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from local.errors import ApiError, LocalClusterError
from tests.chaos.faults import Fault
from tests.chaos.world import BLOB, SHOP, World

Report = Callable[[str], None]

COPY = "copy-"
"""What the namespaces of restores are called, with a number."""

_TRACKS: dict[str, Callable[[int], dict[str, Any]]] = {
    f"backup.{SHOP}": lambda _: {},
    f"backup.{BLOB}": lambda _: {},
    f"test_restore.{SHOP}": lambda _: {},
    f"upkeep.{SHOP}": lambda _: {"share": 100},
    "restore": lambda number: {
        "instance": SHOP,
        "namespaces": ["shop"],
        "mapping": [f"shop={COPY}{number}"],
    },
}
"""The DAGs that run all the time, with what the run of this number is asked for."""

_POLL_SECONDS = 1.0
_AGAIN = 5
_END_SECONDS = 1200.0


@dataclass(frozen=True)
class Strike:
    """A fault that was there from `began` to `ended`, while runs of these DAGs were under way."""

    fault: Fault
    began: datetime
    ended: datetime
    under_way: frozenset[str]


@dataclass
class Campaign:
    """One row of runs for each DAG. `again` counts how often runs of a DAG had to be asked for
    again, because all tries of a task had failed."""

    world: World
    report: Report
    begun: dict[str, str] = field(default_factory=dict)
    ended: dict[str, list[str]] = field(default_factory=dict)
    again: Counter[str] = field(default_factory=Counter)
    died: Counter[str] = field(default_factory=Counter)
    strikes: list[Strike] = field(default_factory=list)
    _broken: dict[str, tuple[Fault, float]] = field(default_factory=dict)
    _numbers: Counter[str] = field(default_factory=Counter)
    _tries: Counter[str] = field(default_factory=Counter)
    _open: bool = True

    def run(self, faults: list[Fault], seconds: float) -> None:
        """Strike with all faults, or until so many seconds are over; then wait for every run to
        end. Raises LocalClusterError when one does not end right."""
        for dag in _TRACKS:
            self.world.lifeboat.client.wait_for_dag(dag)
        self._first_points()
        deadline = time.monotonic() + seconds
        for fault in faults:
            if time.monotonic() > deadline:
                self.report(f"time is up after {len(self.strikes)} faults")
                break
            self._tend(fault.after)
            while fault.what in self._broken:
                self._tend(_POLL_SECONDS)
            self._strike(fault)
        while self._broken:
            self._tend(_POLL_SECONDS)
        self._open = False
        self._finish()

    def _strike(self, fault: Fault) -> None:
        now, begun = datetime.now(UTC), frozenset(self.begun)
        self.strikes.append(Strike(fault, now, now + timedelta(seconds=fault.down), begun))
        self.report(f"{len(self.strikes)}: {fault}")
        self.world.strike(fault)
        self._broken[fault.what] = fault, time.monotonic() + fault.down

    def _mend(self) -> None:
        """What was broken for long enough; and what ended by itself."""
        for what, (fault, until) in list(self._broken.items()):
            if time.monotonic() >= until:
                self.world.mend(fault)
                del self._broken[what]
        self.died.update(self.world.mend_what_died(self._broken))

    def _first_points(self) -> None:
        for instance in (SHOP, BLOB):
            self.world.lifeboat.back_up(instance)

    def _finish(self) -> None:
        deadline = time.monotonic() + _END_SECONDS
        while self.begun:
            self._tend(_POLL_SECONDS)
            if time.monotonic() > deadline:
                raise LocalClusterError(f"runs that have not ended: {self._told()}")

    def _told(self) -> str:
        client = self.world.lifeboat.client
        return "; ".join(
            f"{dag} {run}: " + ", ".join(f"{t.name} {t.state}" for t in client.run(dag, run).tasks)
            for dag, run in self.begun.items()
        )

    def _tend(self, seconds: float) -> None:
        """Look after the runs and what is broken for so long, at least once."""
        deadline = time.monotonic() + seconds
        while True:
            self.world.check(self._broken)
            for dag in _TRACKS:
                self._mend()
                try:
                    self._look(dag)
                except ApiError as error:
                    # No answer, or one of an API server whose database is away.
                    if 400 <= error.status < 500:
                        raise
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _POLL_SECONDS))

    def _look(self, dag: str) -> None:
        client = self.world.lifeboat.client
        run = self.begun.get(dag)
        if run is None:
            if self._open:
                self._begin(dag)
            return
        state = client.request("GET", f"/api/v2/dags/{quote(dag)}/dagRuns/{run}")["state"]
        if state == "success":
            self.ended.setdefault(dag, []).append(run)
            del self.begun[dag]
        elif state == "failed":
            self._retry(dag, run)

    def _begin(self, dag: str) -> None:
        number = self._numbers[dag] + 1
        run = f"chaos-{number}"
        try:
            self.world.lifeboat.client.trigger(dag, _TRACKS[dag](number), run)
        except ApiError as error:
            if error.status != 409:  # the answer of an earlier call was lost
                raise
        self._numbers[dag] = number
        self.begun[dag] = run

    def _retry(self, dag: str, run: str) -> None:
        """As a person does: clear the run, so that all of it is done again."""
        client = self.world.lifeboat.client
        self._tries[run + dag] += 1
        self.again[dag] += 1
        told = client.failure(client.run(dag, run), lines=6)
        self.report(f"  again: {told}")
        if self._tries[run + dag] > _AGAIN:
            raise LocalClusterError(f"{dag} {run} does not end right:\n{told}")
        client.clear(dag, run)
