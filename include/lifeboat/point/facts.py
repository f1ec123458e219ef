"""The small documents that lie beside points and are never edited: verdicts, holds and their
releases, gaps, tombstones."""

from __future__ import annotations

from contextlib import suppress
from typing import Literal

import msgspec

from lifeboat.errors import BlobExists, BlobMissing, Damaged, NewerFormat
from lifeboat.point import layout
from lifeboat.vault.vault import Vault


class CheckResult(msgspec.Struct, frozen=True):
    """One check of a test restore: passed, failed, or impossible to run; `detail` says what was
    seen, in a sentence. A check that could not run did not pass (P4). `figure`: the number that it
    measured or counted, if any."""

    name: str
    outcome: Literal["passed", "failed", "impossible"]
    detail: str
    seconds: float
    figure: float | None = None


class Evidence(msgspec.Struct, frozen=True):
    """Why something did not pass: the end of a log, a pod's state, events. `what` names it. Values
    of the point's Secrets are replaced."""

    what: str
    text: str


class Phase(msgspec.Struct, frozen=True):
    """One measured phase of a restore, in seconds."""

    name: str
    seconds: float


class Verdict(msgspec.Struct, frozen=True):
    """What a test restore found. `proven` only when every check passed (P4).

    `rto_seconds` is measured from the start of the restore to the end of the last check; `phases`
    add up to it, the checks among them as a phase of their own.
    `images_lost`: images of the point that registries do not give any more, each with the reason.
    `outcome`: passed; partial, when all was restored and some check passed, but not every one;
    failed. Empty in verdicts of 1.0. `objective_seconds` is the policy's RTO, 0 when unknown;
    `trend` compares with earlier verdicts, in words; `slower`: by so much that it is a regression.
    `cluster`: where it was restored, if not in the instance's own cluster; `api` what the target
    does not serve of what the point holds. `warnings` are those of the restore. Values of the
    point's Secrets are replaced in `error`, `warnings`, `checks` and `evidence`.
    """

    test: str
    instance: str
    point: str
    started: str
    ended: str
    proven: bool
    rto_seconds: float
    phases: tuple[Phase, ...]
    checks: tuple[CheckResult, ...]
    error: str = ""
    images_lost: tuple[str, ...] = ()
    outcome: Literal["", "passed", "partial", "failed"] = ""
    objective_seconds: float = 0.0
    trend: str = ""
    slower: bool = False
    evidence: tuple[Evidence, ...] = ()
    cluster: str = ""
    api: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def in_time(self) -> bool:
        """Whether the measured time is within the objective of then."""
        return not self.objective_seconds or self.rto_seconds <= self.objective_seconds


class Hold(msgspec.Struct, frozen=True):
    """Somebody's wish that a point stays, whatever retention says, until a release of this id."""

    id: str
    point: str
    held: str
    reason: str


class Release(msgspec.Struct, frozen=True):
    """The end of one hold; `id` is the hold's."""

    id: str
    point: str
    released: str
    reason: str = ""


class Gap(msgspec.Struct, frozen=True):
    """An interval without a point: the tick nobody captured, why, and what was done instead.

    `seconds`: how long nothing was captured around the tick, from the point before it to the one
    after it, or until this was recorded; since format 1.1, 0 where nobody reckoned it.
    """

    tick: str
    recorded: str
    cause: str
    covered_by: str = ""
    seconds: int = 0


class Tombstone(msgspec.Struct, frozen=True):
    """A point that was removed on purpose: when, by which rule, and what could not be removed."""

    point: str
    removed: str
    reasons: tuple[str, ...]
    leftovers: tuple[str, ...] = ()


def record_verdict(vault: Vault, verdict: Verdict) -> Verdict:
    """Write the verdict, or return the one this test wrote before."""
    key = layout.verdict(verdict.instance, verdict.point, verdict.test)
    return vault.settle_document(key, verdict, Verdict)


def read_verdicts(vault: Vault, instance: str, point: str = "") -> list[Verdict]:
    """All verdicts of an instance, or of one point, oldest first."""
    prefix = _verdicts_of(instance, point)
    found = [vault.get_document(stat.key, Verdict) for stat in vault.store.list(prefix)]
    return sorted(found, key=lambda verdict: verdict.ended)


def recent_verdicts(vault: Vault, instance: str, most: int) -> list[Verdict]:
    """Verdicts of the newest points, `most` in all, oldest first; damaged ones are passed over.
    Reads no more than these."""
    keys = [stat.key for stat in vault.store.list(layout.verdicts(instance))]
    return _readable(vault, keys[-most:])


def record_hold(vault: Vault, instance: str, hold: Hold) -> None:
    vault.put_document(layout.hold(instance, hold.point, hold.id), hold)


def record_release(vault: Vault, instance: str, release: Release) -> Release:
    """Write it, or return the one that ended this hold before."""
    key = layout.release(instance, release.point, release.id)
    return vault.settle_document(key, release, Release)


def read_holds(vault: Vault, instance: str, point: str = "") -> list[Hold]:
    """Holds that nobody has released, of an instance or of one point, oldest first."""
    found = [
        vault.get_document(layout.hold(instance, *place), Hold)
        for place in _open_holds(vault, instance, point)
    ]
    return sorted(found, key=lambda hold: (hold.held, hold.id))


def held_points(vault: Vault, instance: str) -> set[str]:
    """Ids of the points that somebody holds; two listings, nothing is read."""
    return {point for point, _ in _open_holds(vault, instance)}


def _open_holds(vault: Vault, instance: str, point: str = "") -> list[tuple[str, str]]:
    """Point and id of each hold without a release."""
    below = f"{point}/" if point else ""
    releases, holds = (
        [stat.key.removeprefix(prefix) for stat in vault.store.list(prefix + below)]
        for prefix in (layout.releases(instance), layout.holds(instance))
    )
    ended = set(releases)
    places = [tuple(key.split("/", 1)) for key in holds if key not in ended]
    return [(place[0], place[1]) for place in places]


def _verdicts_of(instance: str, point: str) -> str:
    return layout.verdicts(instance) + (f"{point}/" if point else "")


def readable_verdicts(vault: Vault, instance: str, point: str = "") -> list[Verdict]:
    """As `read_verdicts`, without those that cannot be read (scrub names them): a damaged verdict
    proves nothing, and hides no other."""
    return _readable(vault, [s.key for s in vault.store.list(_verdicts_of(instance, point))])


def _readable(vault: Vault, keys: list[str]) -> list[Verdict]:
    found = []
    for key in keys:
        with suppress(Damaged, NewerFormat, BlobMissing):
            found.append(vault.get_document(key, Verdict))
    return sorted(found, key=lambda verdict: verdict.ended)


def record_gap(vault: Vault, instance: str, tick: str, gap: Gap) -> Gap:
    """Write the gap, or return what was recorded for this tick before."""
    return vault.settle_document(layout.gap(instance, tick), gap, Gap)


def read_gaps(vault: Vault, instance: str) -> list[Gap]:
    return [vault.get_document(s.key, Gap) for s in vault.store.list(layout.gaps(instance))]


def record_tombstone(vault: Vault, instance: str, tombstone: Tombstone) -> None:
    """Write it; a second prune of the same point keeps the first account."""
    try:
        vault.put_document(layout.tombstone(instance, tombstone.point), tombstone)
    except BlobExists:
        return


def removed_points(vault: Vault, instance: str) -> set[str]:
    """Ids of the points that were removed on purpose."""
    return {layout.last_segment(stat.key) for stat in vault.store.list(layout.tombstones(instance))}
