"""Properties of retention that hold for any points and any rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from lifeboat.policy.model import Keep, Retention
from lifeboat.policy.retention import Decision, RetentionPoint, decide

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@st.composite
def retention(draw: st.DrawFn) -> Retention:
    last = draw(st.integers(1, 6))
    return Retention(
        keep=Keep(last=last),
        min_good=draw(st.integers(1, last)),
        min_verified=draw(st.integers(0, 4)),
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
