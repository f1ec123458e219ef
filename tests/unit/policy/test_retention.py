"""What prune keeps and removes, and the reasons it gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lifeboat.policy.model import Keep, Retention
from lifeboat.policy.retention import RetentionPoint, decide

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


def point(days_ago: float, **flags: bool) -> RetentionPoint:
    known = {"complete": True, "verified": False, **flags}
    return RetentionPoint(f"p{days_ago:g}", NOW - timedelta(days=days_ago), **known)


def rules(last: int, min_good: int = 1, min_verified: int = 1) -> Retention:
    return Retention(keep=Keep(last=last), min_good=min_good, min_verified=min_verified)


def reasons(points: list[RetentionPoint], retention: Retention) -> dict[str, tuple[str, ...]]:
    decision = decide(points, retention, NOW)
    assert [gone.id for gone in decision.remove] == [
        p.id for p in sorted(points, key=lambda p: p.captured_at, reverse=True)
        if p.id not in {kept.id for kept in decision.keep}
    ]  # fmt: skip
    return {kept.id: kept.reasons for kept in decision.keep}


def test_the_newest_good_points_stay() -> None:
    assert reasons([point(day) for day in range(1, 6)], rules(2)) == {
        "p1": ("last 1 of 2", "newest good 1 of 1"),
        "p2": ("last 2 of 2",),
    }


def test_removed_points_say_why() -> None:
    decision = decide([point(1), point(2), point(3, complete=False)], rules(1), NOW)
    assert [(gone.id, gone.reasons) for gone in decision.remove] == [
        ("p2", ("older than the newest 1 good points",)),
        ("p3", ("incomplete, and a newer point exists",)),
    ]


def test_a_month_of_failing_backups_leaves_the_last_good_point() -> None:
    """Velero keeps none after its TTL (features: retention, V2); here age never counts."""
    failing = [point(day, complete=False) for day in range(1, 31)]
    kept = reasons([*failing, point(31), point(32)], rules(1))
    assert kept == {
        "p1": ("newest, though incomplete",),
        "p31": ("last 1 of 1", "newest good 1 of 1"),
    }


def test_incomplete_points_older_than_a_good_one_go() -> None:
    kept = reasons([point(1), point(2, complete=False)], rules(3))
    assert set(kept) == {"p1"}


def test_only_incomplete_points_leave_the_newest_of_them() -> None:
    kept = reasons([point(1, complete=False), point(2, complete=False)], rules(3))
    assert set(kept) == {"p1"}


def test_the_newest_verified_point_stays_however_old() -> None:
    points = [point(1), point(2), point(9, verified=True), point(10, verified=True)]
    assert reasons(points, rules(1))["p9"] == ("newest verified 1 of 1",)
    assert set(reasons(points, rules(1, min_verified=2))) == {"p1", "p9", "p10"}
    assert set(reasons(points, rules(1, min_verified=0))) == {"p1"}


def test_held_and_used_points_stay_even_when_incomplete() -> None:
    points = [point(1), point(5, complete=False, held=True), point(6, in_use=True)]
    kept = reasons(points, rules(1))
    assert kept["p5"] == ("held",)
    assert kept["p6"] == ("in use",)


def test_points_of_the_future_push_nobody_out() -> None:
    """A clock that ran ahead for a week must not cost the points of today."""
    points = [*(point(-day) for day in range(1, 8)), point(1), point(2), point(3)]
    kept = reasons(points, rules(2))
    assert set(kept) == {*(f"p-{day}" for day in range(1, 8)), "p1", "p2"}
    assert kept["p-1"] == ("captured in the future: clocks disagree",)


def test_equal_times_are_told_apart_by_id() -> None:
    twins = [RetentionPoint(name, NOW, complete=True, verified=False) for name in "abc"]
    for order in (twins, twins[::-1]):
        decision = decide(order, rules(2), NOW)
        assert [kept.id for kept in decision.keep] == ["c", "b"]


def test_nothing_gives_nothing() -> None:
    decision = decide([], rules(1), NOW)
    assert (decision.keep, decision.remove) == ((), ())
