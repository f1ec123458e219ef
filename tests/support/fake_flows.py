"""DAGs in memory: paused or not, with runs and the tasks that are under way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lifeboat.clock import Clock, rfc3339, utc_now
from lifeboat.errors import NotFound
from tests.support.faults import Faults


@dataclass
class FakeDag:
    """`runs` by id with when they started; `tasks` of which runs are under way;
    `ends`: how a run that is triggered ends, at once."""

    paused: bool = False
    runs: dict[str, datetime] = field(default_factory=dict)
    tasks: dict[str, str] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    confs: dict[str, dict[str, Any]] = field(default_factory=dict)
    ends: str = ""
    redone: list[datetime] = field(default_factory=list)
    ended: dict[str, datetime] = field(default_factory=dict)


@dataclass
class FakeFlows:
    """See lifeboat.ports.flows.Flows. `dags` may be changed at any time."""

    clock: Clock = utc_now
    dags: dict[str, FakeDag] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    def start(self, dag: str, run: str, task: str = "load") -> None:
        """A run whose task is under way."""
        self.dags[dag].runs[run] = self.clock()
        self.dags[dag].tasks[run] = task

    def finish(self, dag: str, run: str) -> None:
        """The task ends, and the run with it unless the DAG is paused."""
        self.dags[dag].tasks.pop(run, None)
        if not self.dags[dag].paused:
            self.dags[dag].done.add(run)
            self.dags[dag].ended[run] = self.clock()

    def is_paused(self, dag: str) -> bool:
        return self._dag("is_paused", dag).paused

    def set_paused(self, dag: str, *, paused: bool) -> None:
        self._dag("set_paused", dag).paused = paused

    def busy(self, dag: str) -> tuple[str, ...]:
        found = self._dag("busy", dag)
        if found.paused:
            return tuple(f"task {task} of {run}" for run, task in found.tasks.items())
        return tuple(f"run {run}" for run in found.runs if run not in found.done)

    def trigger(self, dag: str, run: str, conf: Mapping[str, Any]) -> None:
        found = self._dag("trigger", dag)
        found.confs.setdefault(run, dict(conf))
        found.runs.setdefault(run, self.clock())
        if found.ends:
            found.done.add(run)

    def state(self, dag: str, run: str) -> str:
        found = self._dag("state", dag)
        if run not in found.runs:
            raise NotFound(f"there is no run {run} of {dag}")
        return found.ends or "success" if run in found.done else "running"

    def began_since(self, dag: str, moment: datetime) -> tuple[str, ...]:
        runs = self._dag("began_since", dag).runs
        return tuple(run for run, started in runs.items() if started >= moment)

    def succeeded_since(self, dag: str, moment: datetime) -> dict[str, str]:
        ended = self._dag("succeeded_since", dag).ended
        return {run: rfc3339(end) for run, end in ended.items() if end >= moment}

    def redo(self, dag: str, since: datetime) -> tuple[datetime, datetime]:
        self._dag("redo", dag).redone.append(since)
        return since, self.clock()

    def _dag(self, method: str, dag: str) -> FakeDag:
        self.faults.enter(method)
        if dag not in self.dags:
            raise NotFound(f"there is no DAG {dag}")
        return self.dags[dag]
