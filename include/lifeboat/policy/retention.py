"""Which points stay and which go: one pure function that also says why.

It reads nothing and removes nothing. Never removed (P3): a held, locked or used point, the newest
good ones, the newest verified ones, whatever their age; so failing backups
never eat the last good point.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice, takewhile
from typing import cast

from lifeboat.clock import rfc3339
from lifeboat.policy.periods import Calendar
from lifeboat.policy.rules import PERIODS, Retention, Tier
from lifeboat.policy.spans import Span


@dataclass(frozen=True)
class RetentionPoint:
    """What retention knows of a point. `captured_at` is aware.

    `complete`: nothing that the policy wants protected is missing. `verified`: a test restore
    proved it. `held`: a person keeps it. `in_use`: a restore or a running backup builds on it.
    `on_demand`: a person asked for it, no schedule. `locked_until`: when the lock it was made with
    ends; None without one.
    """

    id: str
    captured_at: datetime
    complete: bool
    verified: bool
    held: bool = False
    in_use: bool = False
    on_demand: bool = False
    locked_until: datetime | None = None


@dataclass(frozen=True)
class Kept:
    """A point that stays, every rule that keeps it, and the same in words."""

    point: RetentionPoint
    reasons: tuple[str, ...]
    rules: tuple[str, ...]

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


_Reasons = dict[str, list[tuple[str, str]]]  # by point: the rule, and what it says
_Points = Sequence[RetentionPoint]


def decide(points: Iterable[RetentionPoint], rules: Retention, now: datetime) -> Decision:
    """Keeps what a rule of `rules` or a promise keeps, removes the rest.

    A point from the future of `now` stays and counts for nothing: with clocks that disagree, it
    must not push out the points of today. Points of equal time are told apart by id, so the answer
    does not depend on the order of the input. A hold changes nothing for other points.
    """
    ordered = sorted(points, key=lambda point: (point.captured_at, point.id), reverse=True)
    past = [point for point in ordered if point.captured_at <= now]
    good = [point for point in past if point.complete]
    own_expiry = rules.on_demand is not None
    members = [p for p in good if not p.on_demand] if own_expiry else good
    reasons: _Reasons = defaultdict(list)
    _Tiers(members, rules, now).mark(reasons)
    for rule, count, some in (
        ("newest good", rules.min_good, good),
        ("newest verified", rules.min_verified, [p for p in good if p.verified]),
    ):
        _mark_newest(reasons, some, count, rule)
    for rank, point in enumerate(_failing(past)[: rules.failed_last], start=1):
        count = rules.failed_last
        told = "newest, though incomplete" if rank == 1 else f"incomplete {rank} of {count}"
        reasons[point.id].append(("failed", told))
    for point in ordered:
        _mark_by_itself(reasons, point, rules, now)
    why = _Why(members, rules)
    return Decision(
        keep=tuple(_kept(p, reasons[p.id]) for p in ordered if p.id in reasons),
        remove=tuple(Removed(p, why.of(p)) for p in ordered if p.id not in reasons),
    )


def lock_ends(point: RetentionPoint, rules: Retention) -> datetime | None:
    """When the point may be removed: the later of the lock it was made with and today's rule."""
    today = rules.locked_until(point.captured_at)
    return max((end for end in (point.locked_until, today) if end), default=None)


def _kept(point: RetentionPoint, reasons: list[tuple[str, str]]) -> Kept:
    return Kept(point, tuple(told for _, told in reasons), tuple(rule for rule, _ in reasons))


def _mark_newest(reasons: _Reasons, points: _Points, count: int, rule: str) -> None:
    for rank, point in enumerate(points[:count], start=1):
        reasons[point.id].append((rule, f"{rule} {rank} of {count}"))


def _failing(past: _Points) -> list[RetentionPoint]:
    """Incomplete points since the newest good one."""
    return list(takewhile(lambda point: not point.complete, past))


def _mark_by_itself(
    reasons: _Reasons, point: RetentionPoint, rules: Retention, now: datetime
) -> None:
    """What keeps a point whatever the others are."""
    if point.captured_at > now:
        reasons[point.id].append(("future", "captured in the future: clocks disagree"))
    if point.held:
        reasons[point.id].append(("held", "held"))
    if point.in_use:
        reasons[point.id].append(("in use", "in use"))
    if point.on_demand and point.complete and rules.on_demand is not None:
        if not isinstance(rules.on_demand, Span):
            reasons[point.id].append(("onDemand", "on demand, for ever"))
        elif (end := rules.on_demand.after(point.captured_at)) > now:
            reasons[point.id].append(("onDemand", f"on demand, until {rfc3339(end)}"))
    if (locked := lock_ends(point, rules)) and locked > now:
        reasons[point.id].append(("lock", f"locked until {rfc3339(locked)}"))


class _Tiers:
    """Marks what `keep` keeps of `members`: good points of the past, newest first."""

    def __init__(self, members: _Points, rules: Retention, now: datetime) -> None:
        self._members = members
        self._rules = rules
        self._now = now
        self._calendar = Calendar(rules)

    def mark(self, reasons: _Reasons) -> None:
        if self._rules.one_tag:
            self._mark_tags(reasons)
            return
        if self._rules.keep.last is not None:
            self._mark(reasons, "last", self._rules.keep.last, iter(self._members))
        for tier, amount in self._rules.keep.tiers.items():
            self._mark(reasons, tier, amount, self._of_periods(tier))

    def _of_periods(self, tier: Tier) -> Iterator[RetentionPoint]:
        """The point that stands for each period that has one, newest first."""
        key = self._calendar.key
        for _, group in groupby(self._members, lambda point: key(tier, point.captured_at)):
            period = list(group)
            yield period[-1] if self._rules.select == "first" else period[0]

    def _mark(
        self, reasons: _Reasons, tier: str, amount: int | Span, chosen: Iterator[RetentionPoint]
    ) -> None:
        if isinstance(amount, int):
            for rank, point in enumerate(islice(chosen, amount), start=1):
                reasons[point.id].append((tier, f"{tier} {rank} of {amount}"))
            return
        for point in chosen:  # the older one never outlives the newer: stop at the first expired
            end = amount.after(point.captured_at)
            if end <= self._now:
                return
            reasons[point.id].append((tier, f"{tier}, until {rfc3339(end)}"))

    def _mark_tags(self, reasons: _Reasons) -> None:
        """Azure's way: each point has the tag of the longest period whose first point it is."""
        tags: dict[str, Tier] = {}
        for tier in self._rules.keep.tiers:  # a longer period overwrites a shorter one
            tags.update((point.id, tier) for point in self._of_periods(tier))
        amounts = self._rules.keep.amounts
        for point in self._members:
            tag = tags.get(point.id, "last")
            amount = amounts.get(tag)
            if isinstance(amount, Span) and (end := amount.after(point.captured_at)) > self._now:
                reasons[point.id].append((tag, f"tag {tag}, until {rfc3339(end)}"))


class _Why:
    """Says of a removed point why no rule keeps it. `members` as in `_Tiers`."""

    def __init__(self, members: _Points, rules: Retention) -> None:
        self._rules = rules
        self._members = members
        self._calendar = Calendar(rules)
        self._places: dict[str, int] = {}

    def of(self, point: RetentionPoint) -> tuple[str, ...]:
        if not point.complete:
            return ("incomplete, and a newer point exists",)
        if point.on_demand and self._rules.on_demand is not None:
            return (f"on demand, and older than {self._rules.on_demand}",)
        if not self._places:
            self._places = {p.id: place for place, p in enumerate(self._members)}
        place = self._places[point.id]
        return tuple(
            self._out_of(name, amount, place) for name, amount in self._rules.keep.amounts.items()
        )

    def _out_of(self, name: str, amount: int | Span, place: int) -> str:
        if name == "last":
            if isinstance(amount, Span):
                return f"older than {amount}"
            return f"older than the newest {amount} good points"
        period = PERIODS[cast("Tier", name)]
        select = self._rules.select
        neighbour = place + 1 if select == "first" else place - 1
        if 0 <= neighbour < len(self._members) and self._same(cast("Tier", name), place, neighbour):
            return f"not the {select} of its {period}"
        if isinstance(amount, Span):
            return f"{select} of its {period}, but older than {amount}"
        return f"{select} of its {period}, but older than the newest {amount} {period}s"

    def _same(self, tier: Tier, one: int, other: int) -> bool:
        a, b = self._members[one].captured_at, self._members[other].captured_at
        return self._calendar.key(tier, a) == self._calendar.key(tier, b)
