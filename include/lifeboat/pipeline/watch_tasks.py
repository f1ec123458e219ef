"""The watch's one task. Each receiver gets one message a round, whatever has happened: a store that
is down is one message, not one for each instance."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from airflow.sdk import Variable
from airflow.sdk.observability import stats

from lifeboat.errors import LifeboatError, NotDelivered, Problem
from lifeboat.pipeline.opening import complain, say

if TYPE_CHECKING:
    from datetime import datetime

    from lifeboat.policy.alerts import AlertsFile, Receiver
    from lifeboat.report.concerns import Change, Sight
    from lifeboat.vault.vault import Vault

UNREADABLE = "lifeboat_unreadable"
"""The Airflow Variable that says who was told that a vault cannot be read: it takes no note."""

FILES = "policies and clusters"
"""Stands where an instance does for the files that say which instances there are."""


def watch() -> dict[str, int]:
    """Looks at every instance, and at the files that name them. Raises NotDelivered after all
    receivers were tried."""
    from lifeboat.clock import utc_now
    from lifeboat.pipeline.connections import AirflowConnections
    from lifeboat.pipeline.notify import deliver
    from lifeboat.policy.folder import include_folder
    from lifeboat.policy.load import load_alerts, load_include
    from lifeboat.report.metrics import samples
    from lifeboat.wiring import fleet_reader

    include, now = include_folder(), utc_now()
    limits = load_alerts(include)
    round_ = Round(limits, now, Unreadable.read())
    round_.add_files(load_include(include).problems)
    seen = 0
    for sight, vault in fleet_reader(include, AirflowConnections()).sights(read_only=False):
        seen += 1
        for sample in samples(sight, limits, now):
            emit(sample.name, sample.value, dict(sample.labels))
        round_.add(sight, vault)
    told = round_.tell(deliver)
    return {"instances": seen, "told": told}


def emit(name: str, value: float, labels: dict[str, str]) -> None:
    """A gauge of Airflow's own metrics, for StatsD or OpenTelemetry, whichever is on. The name
    carries the labels too, for a StatsD without tags (deploy/prometheus/statsd-mapping.yaml)."""
    short = name.removeprefix("lifeboat_")
    stats.gauge(f"lifeboat.{short}.{labels['policy']}.{labels['cluster']}", value)
    stats.gauge(f"lifeboat.{short}", value, tags=labels)


@dataclass
class Unreadable:
    """Who was told of which instances that their vault cannot be read."""

    told: dict[str, list[str]]

    @classmethod
    def read(cls) -> Unreadable:
        """What the last round left."""
        return cls(json.loads(Variable.get(UNREADABLE, default="{}")))

    def has(self, receiver: str, instance: str) -> bool:
        return instance in self.told.get(receiver, [])

    def record(self, receiver: str, change: Change) -> None:
        """Takes a change in; `save` writes it."""
        names = set(self.told.get(receiver, []))
        (names.add if change.state == "entered" else names.discard)(change.instance)
        self.told[receiver] = sorted(names)

    def save(self) -> None:
        Variable.set(UNREADABLE, json.dumps(self.told))


@dataclass
class Round:
    """One round: what each receiver has to be told, and where to write that it was."""

    limits: AlertsFile
    now: datetime
    unreadable: Unreadable
    _due: dict[str, list[tuple[Change, Vault | None]]] = field(default_factory=dict)

    def add(self, sight: Sight, vault: Vault | None) -> None:
        """Compares an instance with what was told of it."""
        from lifeboat.report.concerns import changes, concerns, told_by

        found = concerns(sight, self.limits, self.now)
        for concern in found:
            say(f"{sight.instance.id}: {concern.kind}: {concern.text}")
        try:
            noted = told_by(vault, sight.instance.id) if vault else {}
        except LifeboatError as error:  # the next round sees it, or that it is unreadable
            complain(f"{sight.instance.id}: who was told is not known: {error.message}")
            return
        for receiver in self.limits.receivers:
            told = set(noted.get(receiver.name, ()))
            if self.unreadable.has(receiver.name, sight.instance.id):
                told.add("unreadable")
            wants = partial(receiver.wants, sight.instance)
            for change in changes(sight.instance.id, found, told, wants):
                self._due.setdefault(receiver.name, []).append((change, vault))

    def add_files(self, problems: Sequence[Problem]) -> None:
        """Compares what is wrong with the files with what was told: whatever they would protect has
        no DAG, so nothing else of it is ever late or failing."""
        from lifeboat.report.concerns import Concern, changes

        found = []
        if problems:
            text = (
                f"{len(problems)} mistakes, and what they are about is not protected: {problems[0]}"
            )
            found.append(Concern("unreadable", text))
            say(f"{FILES}: {text}")
        for receiver in self.limits.receivers:
            told = {"unreadable"} if self.unreadable.has(receiver.name, FILES) else set[str]()
            for change in changes(FILES, found, told, receiver.hears):
                self._due.setdefault(receiver.name, []).append((change, None))

    def tell(self, deliver: Callable[[Receiver, list[Change]], None]) -> int:
        """Returns how many changes were told. A receiver that cannot be reached keeps nobody else
        from being told, and is told by the next round. Raises NotDelivered naming those."""
        failed, told = [], 0
        for receiver in self.limits.receivers:
            due = self._due.get(receiver.name, [])
            if not due:
                continue
            try:
                deliver(receiver, [change for change, _ in due])
            except LifeboatError as error:
                complain(f"{receiver.name} was not told of {len(due)} changes: {error.message}")
                failed.append(receiver.name)
                continue
            told += len(due)
            self._record(receiver.name, due)
        if failed:
            raise NotDelivered(f"not told: {', '.join(failed)}", hint="the next round tries again")
        return told

    def _record(self, receiver: str, due: list[tuple[Change, Vault | None]]) -> None:
        from lifeboat.report.concerns import record_told

        for change, vault in due:
            if change.kind == "unreadable":
                self.unreadable.record(receiver, change)
                self.unreadable.save()
            elif vault is not None:
                record_told(vault, receiver, change, self.now)
