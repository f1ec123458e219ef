"""Properties of retention that hold for any points and any rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lifeboat.policy.model import Keep, Retention
from lifeboat.policy.retention import Decision, RetentionPoint, decide
from lifeboat.policy.rules import SHORTEST, TIERS, WEEKDAYS
from lifeboat.policy.spans import Span

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@st.composite
def retention(draw: st.DrawFn) -> Retention:
    last = draw(st.integers(1, 6))
    return Retention(
        keep=Keep(last=last),
        min_good=draw(st.integers(1, last)),
        min_verified=draw(st.integers(0, 4)),
    )


ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"]
spans = st.builds(
    Span,
    months=st.sampled_from([0, 0, 0, 1, 12]),
    rest=st.integers(1, 24 * 40).map(lambda hours: timedelta(hours=hours)),
)


def spans_of(name: str) -> st.SearchStrategy[Span]:
    """No shorter than the period."""
    shortest = SHORTEST.get(name, timedelta(0))  # type: ignore[call-overload]
    return spans.map(lambda span: Span(span.months, span.rest + shortest))


@st.composite
def tiered(draw: st.DrawFn, *, durations: bool = True) -> Retention:
    """Any rules at all, or those that only count."""
    if durations and draw(st.integers(0, 4)) == 0:
        return draw(one_tagged())
    names = draw(st.sets(st.sampled_from(["last", *TIERS]), min_size=1))
    return Retention(
        keep=Keep(
            **{
                name: draw(st.integers(1, 4) | spans_of(name) if durations else st.integers(1, 4))
                for name in sorted(names)
            }
        ),
        failed_last=draw(st.integers(0, 3)),
        min_verified=draw(st.integers(0, 2)),
        select=draw(st.sampled_from(["first", "last"])),
        **draw(calendars()),
        on_demand=draw(st.none() | spans | st.just("forever")) if durations else None,
    )


@st.composite
def one_tagged(draw: st.DrawFn) -> Retention:
    names = [name for name in ("last", *TIERS) if draw(st.booleans())] or ["last"]
    keep: dict[str, Span] = {}
    for name in names:
        longest = max(keep.values(), key=lambda span: span.roughly, default=Span())
        keep[name] = max(draw(spans_of(name)), longest, key=lambda span: span.roughly)
    return Retention(keep=Keep(**keep), one_tag=True, **draw(calendars()))


@st.composite
def calendars(draw: st.DrawFn) -> dict[str, object]:
    return {
        "timezone": draw(st.sampled_from(ZONES)),
        "day_start": draw(st.sampled_from(["00:00", "02:30", "22:45"])),
        "week_start": draw(st.sampled_from(WEEKDAYS)),
        "month_start": draw(st.sampled_from([1, 15, 28])),
        "year_start": draw(st.sampled_from([1, 4])),
    }


HALF = timedelta(minutes=30)
# Points of two years, thick around a change of the clocks (Berlin's of 2025).
moments = st.one_of(
    st.integers(0, 2 * 365 * 24).map(lambda hours: NOW - timedelta(hours=hours)),
    st.integers(0, 60).map(lambda half: datetime(2025, 10, 25, 20, tzinfo=UTC) + half * HALF),
    st.integers(0, 60).map(lambda half: datetime(2025, 3, 29, 20, tzinfo=UTC) + half * HALF),
    st.integers(-48, 0).map(lambda hours: NOW - timedelta(hours=hours)),
)
RARE = st.integers(0, 9).map(lambda n: n == 0)
spread = st.lists(
    st.builds(
        RetentionPoint,
        id=st.text("abcdef", min_size=1, max_size=4),
        captured_at=moments,
        complete=st.integers(0, 4).map(lambda n: n > 0),
        verified=RARE,
        held=RARE,
        in_use=RARE,
        on_demand=RARE,
        locked_until=st.none() | moments,
    ),
    unique_by=lambda point: point.id,
    max_size=40,
)


# Few distinct times, so that equal ones and ones of the future are common.
points = st.lists(
    st.builds(
        RetentionPoint,
        id=st.text("abcdef", min_size=1, max_size=4),
        captured_at=st.integers(-3, 20).map(lambda hours: NOW - timedelta(hours=hours)),
        complete=st.booleans(),
        verified=st.booleans(),
        held=st.integers(0, 9).map(lambda n: n == 0),
        in_use=st.integers(0, 9).map(lambda n: n == 0),
    ),
    unique_by=lambda point: point.id,
    max_size=25,
)


def kept(decision: Decision) -> set[RetentionPoint]:
    return {one.point for one in decision.keep}


def age(point: RetentionPoint) -> tuple[datetime, str]:
    return point.captured_at, point.id


@given(points, retention())
def test_every_point_is_decided_once_with_a_reason(
    some: list[RetentionPoint], rules: Retention
) -> None:
    decision = decide(some, rules, NOW)
    decided = [one.point for one in (*decision.keep, *decision.remove)]
    assert sorted(decided, key=age) == sorted(some, key=age)
    assert all(one.reasons for one in (*decision.keep, *decision.remove))


@given(points, retention())
def test_pruning_twice_removes_nothing_more(some: list[RetentionPoint], rules: Retention) -> None:
    first = decide(some, rules, NOW)
    assert decide(kept(first), rules, NOW) == Decision(first.keep, ())


@given(points, retention(), st.randoms(use_true_random=False))
def test_order_does_not_matter(
    some: list[RetentionPoint], rules: Retention, random: Random
) -> None:
    shuffled = [*some]
    random.shuffle(shuffled)
    assert decide(shuffled, rules, NOW) == decide(some, rules, NOW)


@given(points, retention())
def test_promised_points_always_stay(some: list[RetentionPoint], rules: Retention) -> None:
    stay = kept(decide(some, rules, NOW))
    past = sorted((p for p in some if p.captured_at <= NOW), key=age, reverse=True)
    good = [p for p in past if p.complete]
    assert set(good[: max(rules.keep.last, rules.min_good)]) <= stay
    assert set([p for p in good if p.verified][: rules.min_verified]) <= stay
    assert {p for p in some if p.held or p.in_use} <= stay


@given(points, retention())
def test_a_newer_good_point_displaces_at_most_one_good_one(
    some: list[RetentionPoint], rules: Retention
) -> None:
    some = [p for p in some if p.captured_at <= NOW]
    newer = RetentionPoint("newer", NOW + timedelta(hours=1), complete=True, verified=False)
    before = kept(decide(some, rules, newer.captured_at))
    after = kept(decide([*some, newer], rules, newer.captured_at))
    assert newer in after
    assert len([p for p in before - after if p.complete]) <= 1


@given(points, retention())
def test_a_failed_point_changes_nothing_for_good_ones(
    some: list[RetentionPoint], rules: Retention
) -> None:
    good = {p for p in some if p.complete}
    assert kept(decide(good, rules, NOW)) == kept(decide(some, rules, NOW)) & good


@given(points, retention(), st.integers(0, 1000))
def test_waiting_alone_removes_no_good_point_of_the_past(
    some: list[RetentionPoint], rules: Retention, days: int
) -> None:
    some = [p for p in some if p.captured_at <= NOW]
    assert decide(some, rules, NOW + timedelta(days=days)) == decide(some, rules, NOW)


@given(spread, tiered())
def test_every_point_has_one_verdict_with_a_reason(
    some: list[RetentionPoint], rules: Retention
) -> None:
    decision = decide(some, rules, NOW)
    decided = [one.point for one in (*decision.keep, *decision.remove)]
    assert sorted(decided, key=age) == sorted(some, key=age)
    assert all(one.reasons for one in (*decision.keep, *decision.remove))


@given(spread, tiered())
def test_pruning_twice_is_pruning_once(some: list[RetentionPoint], rules: Retention) -> None:
    first = decide(some, rules, NOW)
    again = decide(kept(first), rules, NOW)
    assert again.remove == ()
    assert [one.point for one in again.keep] == [one.point for one in first.keep]


@given(spread, tiered(), st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(
    some: list[RetentionPoint], rules: Retention, random: Random
) -> None:
    shuffled = [*some]
    random.shuffle(shuffled)
    assert decide(shuffled, rules, NOW) == decide(some, rules, NOW)


@given(spread, tiered())
def test_what_is_promised_is_never_removed(some: list[RetentionPoint], rules: Retention) -> None:
    gone = {one.point for one in decide(some, rules, NOW).remove}
    past = sorted((p for p in some if p.captured_at <= NOW), key=age, reverse=True)
    good = [p for p in past if p.complete]
    assert not gone & set(good[:1])
    assert not gone & set([p for p in good if p.verified][: rules.min_verified])
    assert not [p for p in gone if p.held or p.in_use]
    assert not [p for p in gone if p.locked_until and p.locked_until > NOW]
    assert not [p for p in gone if p.captured_at > NOW]


@given(spread, tiered(durations=False))
def test_a_newer_good_point_displaces_at_most_one_a_tier(
    some: list[RetentionPoint], rules: Retention
) -> None:
    """A point stays unless each tier that kept it gave its place to the newer one."""
    some = [p for p in some if p.captured_at <= NOW]
    newer = RetentionPoint("newer", NOW + timedelta(hours=1), complete=True, verified=False)
    before = decide(some, rules, newer.captured_at)
    after = decide([*some, newer], rules, newer.captured_at)
    assert newer in kept(after)
    stay = kept(after)
    lost = [one for one in before.keep if one.point not in stay and one.point.complete]
    for tier in ("last", "newest good", "newest verified", *TIERS):
        assert len([one for one in lost if tier in one.rules]) <= 1


@given(spread, tiered())
def test_a_failed_point_more_or_less_changes_nothing_for_good_ones(
    some: list[RetentionPoint], rules: Retention
) -> None:
    """Each failed point alone, so that the one that matters is not hidden among others."""
    stay = kept(decide(some, rules, NOW))
    for failed in [p for p in some if not p.complete][:5]:
        without = kept(decide([p for p in some if p is not failed], rules, NOW))
        assert {p for p in without if p.complete} == {p for p in stay if p.complete}
        assert stay - {failed} <= without


@given(spread, tiered(), st.integers(0, 39))
def test_a_hold_adds_one_point_and_changes_no_other(
    some: list[RetentionPoint], rules: Retention, which: int
) -> None:
    if which < len(some):
        held = replace(some[which], held=True)
        rest = [p for p in some if p.id != held.id]
        without = {p.id for p in kept(decide(some, rules, NOW))}
        assert {p.id for p in kept(decide([*rest, held], rules, NOW))} == without | {held.id}


@given(spread, tiered(durations=False))
def test_points_of_equal_times_are_kept_by_one_tier_once(
    some: list[RetentionPoint], rules: Retention
) -> None:
    """Twins never take two places of one period."""
    twins = [replace(p, id=f"{p.id}+", held=False, in_use=False) for p in some]
    decision = decide([*some, *twins], rules, NOW)
    for tier, amount in rules.keep.tiers.items():
        assert len([one for one in decision.keep if tier in one.rules]) <= amount  # type: ignore[operator]


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(0, 4)), min_size=1, max_size=60),
    tiered(durations=False),
)
def test_pruning_after_every_run_comes_to_the_same_as_pruning_once(
    runs: list[tuple[int, int]], rules: Retention
) -> None:
    """What an early prune removes is never missed later: no tier changes its mind."""
    moment, made, left = NOW, [], set()
    for number, (wait, luck) in enumerate(runs):
        moment += timedelta(hours=wait)
        made.append(RetentionPoint(f"{number:03}", moment, complete=luck > 0, verified=False))
        left = kept(decide([*left, made[-1]], rules, moment))
    assert left == kept(decide(made, rules, moment))
