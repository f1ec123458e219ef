"""Which points stay and which go: one pure function that also says why.

It reads nothing and removes nothing. Never removed (P3): a held or used point, the newest good
ones, the newest verified ones, whatever their age; so failing backups
never eat the last good point.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lifeboat.policy.model import Retention


@dataclass(frozen=True)
class RetentionPoint:
    """What retention knows of a point. `captured_at` is aware.

    `complete`: nothing that the policy wants protected is missing. `verified`: a test restore
    proved it. `held`: a person keeps it. `in_use`: a restore or a running backup builds on it.
    """

    id: str
    captured_at: datetime
    complete: bool
    verified: bool
    held: bool = False
    in_use: bool = False


@dataclass(frozen=True)
class Kept:
    """A point that stays, and every rule that keeps it."""

    point: RetentionPoint
    reasons: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.point.id


@dataclass(frozen=True)
class Removed:
    """A point that no rule keeps, and why none does."""

    point: RetentionPoint
    reasons: tuple[str, ...]

    @property
    def id(self) -> str:
        return self.point.id


@dataclass(frozen=True)
class Decision:
    """Every point of the input, in one of two tuples, each newest first."""

    keep: tuple[Kept, ...]
    remove: tuple[Removed, ...]


def decide(points: Iterable[RetentionPoint], rules: Retention, now: datetime) -> Decision:
    """Keeps what a rule of `rules` or a promise keeps, removes the rest.

    A point from the future of `now` stays and counts for nothing: with clocks that disagree, it
    must not push out the points of today. Points of equal time are told apart by id, so the answer
    does not depend on the order of the input.
    """
    ordered = sorted(points, key=lambda point: (point.captured_at, point.id), reverse=True)
    reasons: dict[str, list[str]] = defaultdict(list)
    past = [point for point in ordered if point.captured_at <= now]
    good = [point for point in past if point.complete]
    _mark(reasons, good, rules.keep.last, "last")
    _mark(reasons, good, rules.min_good, "newest good")
    _mark(reasons, [p for p in good if p.verified], rules.min_verified, "newest verified")
    if past and not past[0].complete:
        reasons[past[0].id].append("newest, though incomplete")
    for point in ordered:
        if point.captured_at > now:
            reasons[point.id].append("captured in the future: clocks disagree")
        if point.held:
            reasons[point.id].append("held")
        if point.in_use:
            reasons[point.id].append("in use")
    return Decision(
        keep=tuple(Kept(p, tuple(reasons[p.id])) for p in ordered if p.id in reasons),
        remove=tuple(Removed(p, _why(p, rules)) for p in ordered if p.id not in reasons),
    )


def _mark(
    reasons: dict[str, list[str]], points: list[RetentionPoint], count: int, rule: str
) -> None:
    for rank, point in enumerate(points[:count], start=1):
        reasons[point.id].append(f"{rule} {rank} of {count}")


def _why(point: RetentionPoint, rules: Retention) -> tuple[str, ...]:
    if not point.complete:
        return ("incomplete, and a newer point exists",)
    return (f"older than the newest {rules.keep.last} good points",)
