"""What is wrong with an instance, worth telling somebody: states, not single failures.

`look` reads one instance's part of a vault (listings, the newest points, verdicts: no packs);
`changes` compares with what receivers were told before, so that each is told once when a state
begins and once when it ends. What was told is a note in the vault, in the key alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import BlobMissing
from lifeboat.point import catalog, layout
from lifeboat.point.facts import Verdict, recent_verdicts, removed_points
from lifeboat.point.ident import moment_of, stamp
from lifeboat.point.manifest import Manifest
from lifeboat.policy.alerts import AlertsFile, ConcernKind
from lifeboat.policy.fields import format_duration
from lifeboat.policy.instance import Instance
from lifeboat.report.fleet import read_status
from lifeboat.report.objectives import InstanceStatus
from lifeboat.report.standby import StandbyRow, standby_row
from lifeboat.vault.vault import Vault

_UNDER_WAY = timedelta(hours=1)
"""How long a run without a point counts as one that is still under way, at least."""


@dataclass(frozen=True)
class Concern:
    """One state that an instance is in; `text` says it in one line."""

    kind: ConcernKind
    text: str


@dataclass(frozen=True)
class Sight:
    """One instance as the watch sees it. `failures`: backups since the newest complete point that
    made none; `delay_seconds`: from the tick to the start of the newest, None for one by hand;
    `verdict`: the newest, whatever it says; `first`: when its first point was begun, there still or
    not, known only where the policy wants proofs and no point that is there has one."""

    instance: Instance
    status: InstanceStatus
    newest: Manifest | None = None
    verdict: Verdict | None = None
    failures: int = 0
    damaged_packs: int = 0
    delay_seconds: float | None = None
    standby: StandbyRow | None = None
    first: datetime | None = None


class _Claim(msgspec.Struct, frozen=True):
    """As much of a run's claim as is asked here; a run that was covered by another has no point."""

    point: str


class Told(msgspec.Struct, frozen=True):
    """A note: a receiver was told that a concern began or ended. `text` is what it was told."""

    receiver: str
    kind: str
    state: str
    at: str
    text: str


def look(vault: Vault, instance: Instance, now: datetime) -> Sight:
    """One instance. Raises what the vault raises, but for what makes its status unreadable."""
    status = read_status(vault, instance, now)
    if status.state == "unreadable":
        return Sight(instance, status)
    newest = catalog.newest(vault, instance.id)
    verdicts = recent_verdicts(vault, instance.id, 1)
    return Sight(
        instance=instance,
        status=status,
        newest=newest,
        verdict=verdicts[-1] if verdicts else None,
        failures=_failures(vault, instance, newest, now),
        damaged_packs=sum(1 for _ in vault.store.list(layout.damaged_packs(instance.id))),
        delay_seconds=_delay(newest),
        standby=standby_row(vault, instance, now),
        first=_first(vault, instance, status),
    )


def _first(vault: Vault, instance: Instance, status: InstanceStatus) -> datetime | None:
    if instance.policy.test_restore is None or status.proof:
        return None
    known = {*catalog.point_ids(vault, instance.id), *removed_points(vault, instance.id)}
    return moment_of(min(known)) if known else None


def _failures(vault: Vault, instance: Instance, newest: Manifest | None, now: datetime) -> int:
    since = parse_rfc3339(newest.committed) if newest else None
    there = set(catalog.point_ids(vault, instance.id))
    patience = max(_UNDER_WAY, instance.policy.objectives.rpo)
    failures = 0
    for stat in vault.store.list(layout.claims(instance.id)):
        if since and stat.created <= since:
            continue
        try:
            point = vault.get_document(stat.key, _Claim).point
        except BlobMissing:  # pruned meanwhile
            continue
        made = bool(newest) and point == newest.point if newest else False
        under_way = point not in there and now - stat.created < patience
        failures += bool(point) and not made and not under_way
    return failures


def _delay(newest: Manifest | None) -> float | None:
    """Of runs by the clock alone: those that make up for a missed tick are late by an outage."""
    if newest is None or newest.run.trigger != "scheduled" or not newest.run.scheduled_for:
        return None
    started = parse_rfc3339(newest.captured_from)
    return max(0.0, (started - parse_rfc3339(newest.run.scheduled_for)).total_seconds())


def concerns(sight: Sight, limits: AlertsFile, now: datetime) -> list[Concern]:
    """Every state that the instance is in; none is well. Of an instance whose vault cannot be read
    nothing else is known."""
    status = sight.status
    if status.state == "unreadable":
        return [Concern("unreadable", f"its vault cannot be read: {status.error}")]
    found = []
    rpo = format_duration(timedelta(seconds=status.rpo_seconds))
    if status.newest is None:
        if sight.failures:
            found.append(Concern("late", "has no complete point yet"))
    elif status.state == "late":
        age = format_duration(timedelta(seconds=status.newest.age_seconds))
        found.append(Concern("late", f"the newest complete point is {age} old, the RPO is {rpo}"))
    if sight.failures >= limits.failures:
        text = f"{sight.failures} backups in a row made no complete point"
        found.append(Concern("failing", text))
    found += _of_proofs(sight, limits, now)
    if sight.damaged_packs:
        text = f"packs of the vault on record as damaged: {sight.damaged_packs}"
        found.append(Concern("damaged", text))
    if sight.instance.policy.volumes.takes_snapshots and status.points >= limits.snapshots:
        text = f"{status.points} points with snapshots; Azure allows 500 snapshots of a disk"
        found.append(Concern("snapshots", text))
    standby = sight.standby
    if standby is not None and standby.state == "behind":
        text = f"its standby {standby.cluster} is {standby.lag} old, at most {standby.limit} is"
        found.append(Concern("behind", f"{text} wanted"))
    return found


def proof_due(sight: Sight, limits: AlertsFile) -> datetime | None:
    """When the instance is unproven unless it is proven before; None where nobody wants proofs, or
    there is nothing to prove."""
    wanted, proof = sight.instance.policy.test_restore, sight.status.proof
    since = parse_rfc3339(proof.proven_at) if proof else sight.first
    if wanted is None or since is None:
        return None
    return since + (wanted.within or limits.unproven_after)


def _of_proofs(sight: Sight, limits: AlertsFile, now: datetime) -> list[Concern]:
    verdict, due = sight.verdict, proof_due(sight, limits)
    if due is None or sight.newest is None:
        return []
    found = []
    proof = sight.status.proof
    if sight.status.last_failed_proof:
        text = f"the newest test restore did not pass: {sight.status.last_failed_proof}"
        found.append(Concern("unproven", text))
    elif now > due:
        since = f"was last proven at {proof.proven_at}" if proof else "no point was ever proven"
        found.append(Concern("unproven", f"{since}; a proof was due by {rfc3339(due)}"))
    if verdict and verdict.proven and (verdict.slower or not verdict.in_time):
        rto = format_duration(timedelta(seconds=sight.status.rto_seconds))
        text = f"the newest test restore took {verdict.rto_seconds:.0f} s, the RTO is {rto}"
        found.append(Concern("slow", f"{text} ({verdict.trend})" if verdict.trend else text))
    return found


@dataclass(frozen=True)
class Change:
    """A concern of an instance that began (`entered`) or ended (`left`)."""

    instance: str
    kind: str
    state: str
    text: str

    @property
    def line(self) -> str:
        """For people."""
        if self.state == "left":
            return f"{self.instance}: not {self.kind} any more"
        return f"{self.instance}: {self.kind}: {self.text}"


def changes(
    instance: str,
    found: Iterable[Concern],
    told: set[str],
    wants: Callable[[ConcernKind], bool],
) -> list[Change]:
    """What to tell a receiver that was told of the concerns `told`. What it does not want any more
    is not over for that."""
    now = {concern.kind: concern for concern in found}
    entered = [
        Change(instance, kind, "entered", concern.text)
        for kind, concern in now.items()
        if kind not in told and wants(kind)
    ]
    return entered + [Change(instance, kind, "left", "") for kind in sorted(told - now.keys())]


def told_by(vault: Vault, instance: str) -> dict[str, set[str]]:
    """The concerns that each receiver was told of and that did not end; one listing."""
    last: dict[tuple[str, str], str] = {}
    for stat in vault.store.list(layout.alerts(instance)):
        receiver, kind, name = stat.key.removeprefix(layout.alerts(instance)).split("/")
        last[receiver, kind] = name.rpartition("-")[2]
    found: dict[str, set[str]] = {}
    for (receiver, kind), state in last.items():
        if state == "entered":
            found.setdefault(receiver, set()).add(kind)
    return found


def record_told(vault: Vault, receiver: str, change: Change, now: datetime) -> None:
    """Write that a receiver was told; a second time changes nothing."""
    moment = f"{stamp(now)}-{now.microsecond:06d}"
    key = layout.alert(change.instance, receiver, change.kind, moment, change.state)
    told = Told(receiver, change.kind, change.state, rfc3339(now), change.text)
    vault.settle_document(key, told, Told)
