"""How many points a policy keeps once it has run for long: what `decide` says of its own schedule.

Nothing here knows a rule of retention. It lists the fires of the schedule that could matter at a
moment (a week's worth of runs, but only the first and last of each day, week, month and year that
a tier reaches back to), takes each for a good point, and counts what the decision keeps. The answer
is of the policy alone: no clock, no vault.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count

from lifeboat.policy.fires import Fires
from lifeboat.policy.model import Policy, Schedule
from lifeboat.policy.periods import Calendar
from lifeboat.policy.retention import Decision, RetentionPoint, decide
from lifeboat.policy.rules import Retention, Tier
from lifeboat.policy.spans import Span

SNAPSHOT_LIMIT = 500
"""Incremental snapshots of one managed disk that Azure allows at a time."""
SNAPSHOT_GUARD = 450
"""What Azure's own backup product stops at: room for runs under way and points on demand."""

_MOMENTS = (
    datetime(2027, 12, 30, 20, tzinfo=UTC),
    datetime(2027, 6, 17, 17, tzinfo=UTC),
    datetime(2027, 9, 29, 23, 59, tzinfo=UTC),
)
"""Late in their days, weeks, months or year, where tiers overlap least."""
_MOST = 10_000
_BEGINNING = datetime(2024, 1, 1, tzinfo=UTC)
_CENTURY = timedelta(days=36_525)


@dataclass(frozen=True)
class Steady:
    """The most points there are at a time.

    `tiers`: how many each key of `keep` keeps then, shortest period first; a point that several
    keep is in several. `others` are kept by none of them: proven, locked, or of minGood.
    `capped`: there are more, nobody counted them.
    """

    points: int
    tiers: tuple[tuple[str, int], ...]
    others: int
    capped: bool = False


def steady_state(policy: Policy) -> Steady | None:
    """None without a schedule: nobody knows how often a person will ask for a point."""
    if policy.rhythm is None:
        return None
    proofs = policy.test_restore.schedule if policy.test_restore else None
    return _steady(policy.rhythm, policy.retention, proofs)


def time_until(policy: Policy, points: int) -> timedelta | None:
    """How long after the first point there are more than so many; to the hour. None for never."""
    if policy.rhythm is None:
        return None
    simulation = Simulation(policy.rhythm, policy.retention)
    first = simulation.fires.at_or_after(_BEGINNING)

    def over(hours: int) -> bool:
        now = first + timedelta(hours=hours)
        return len(simulation.decide(now, since=first).keep) > points

    high = 24
    while not over(high):
        high *= 2
        if timedelta(hours=high) > _CENTURY:
            return None
    low = high // 2 if high > 24 else 0
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if over(middle) else (middle + 1, high)
    return timedelta(hours=high)


def first_beyond(
    policy: Policy, existing: Iterable[RetentionPoint], limit: int, now: datetime
) -> datetime | None:
    """The day from which there are more than `limit` points, when every run from now on succeeds
    and holds stay as they are. None when that does not happen within three years."""
    if policy.rhythm is None:
        return None
    simulation, there = Simulation(policy.rhythm, policy.retention), list(existing)

    def over(days: int) -> bool:
        at = now + timedelta(days=days)
        return len(simulation.decide(at, since=now, existing=there).keep) > limit

    beyond = next((days for days in range(0, 1096, 30) if over(days)), None)
    if beyond is None:
        return None
    first = next(days for days in range(max(0, beyond - 29), beyond + 1) if over(days))
    return now + timedelta(days=first)


@lru_cache(maxsize=256)
def _steady(schedule: Schedule, rules: Retention, proofs: Schedule | None) -> Steady:
    simulation = Simulation(schedule, rules, proofs)
    fullest: Decision | None = None
    for moment in _MOMENTS:  # beyond the limit one of them tells enough
        decision = simulation.decide(moment)
        if fullest is None or len(decision.keep) > len(fullest.keep):
            fullest = decision
        if len(decision.keep) > SNAPSHOT_LIMIT or not (rules.keep.tiers or proofs):
            break
    assert fullest is not None
    counted = [rule for kept in fullest.keep for rule in kept.rules]
    names = rules.keep.amounts
    return Steady(
        points=len(fullest.keep),
        tiers=tuple((name, counted.count(name)) for name in names),
        others=sum(1 for kept in fullest.keep if not names.keys() & set(kept.rules)),
        capped=len(fullest.keep) >= _MOST,
    )


class Simulation:
    """A schedule whose every run succeeds, under one policy's rules.

    `proofs` is the schedule of the test restores: each proves the newest point of its moment.
    """

    def __init__(
        self, schedule: Schedule, rules: Retention, proofs: Schedule | None = None
    ) -> None:
        self.fires = Fires(schedule)
        self._proofs = Fires(proofs) if proofs else None
        self._rules = rules
        self._calendar = Calendar(rules)

    def decide(
        self,
        now: datetime,
        since: datetime | None = None,
        existing: Iterable[RetentionPoint] = (),
    ) -> Decision:
        """What stays at `now` of all runs since then (None: always), and of `existing` points."""
        moments = self._recent(now, since)
        for tier, amount in self._rules.keep.tiers.items():
            moments |= self._of_periods(tier, amount, now, since)
        proven = self._proven(now, since)
        points = [
            RetentionPoint(moment.isoformat(), moment, complete=True, verified=moment in proven)
            for moment in moments | proven
        ]
        return decide([*points, *existing], self._rules, now)

    def _recent(self, now: datetime, since: datetime | None) -> set[datetime]:
        """Runs that no period matters for: the newest ones, and the locked ones."""
        last = self._rules.keep.last
        number = max(last if isinstance(last, int) else 0, self._rules.min_good)
        spans = [span for span in (last, self._rules.lock) if isinstance(span, Span)]
        found: set[datetime] = set()
        for moment in self.fires.backwards(now):
            wanted = len(found) < number or any(span.after(moment) > now for span in spans)
            if not wanted or len(found) >= _MOST or (since and moment < since):
                break
            found.add(moment)
        return found

    def _of_periods(
        self, tier: Tier, amount: int | Span, now: datetime, since: datetime | None
    ) -> set[datetime]:
        """The first and last run of each period that the tier reaches, and of one beyond."""
        found: set[datetime] = set()
        last = next(self.fires.backwards(now))
        for number in count():
            if (since and last < since) or len(found) >= _MOST:
                break
            begin = self._calendar.start(tier, last)
            first = self.fires.at_or_after(max(begin, since) if since else begin)
            found |= {first, last}
            beyond = number >= amount if isinstance(amount, int) else amount.after(last) <= now
            if beyond:
                break
            last = self.fires.before(begin)
        return found

    def _proven(self, now: datetime, since: datetime | None) -> set[datetime]:
        found: set[datetime] = set()
        moment = now
        for _ in range(self._rules.min_verified if self._proofs else 0):
            assert self._proofs
            moment = self._proofs.before(moment)
            found.add(self.fires.before(moment))
        return {moment for moment in found if since is None or moment >= since}
