"""What prune keeps and removes, and the reasons it gives."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import Keep, Retention
from lifeboat.policy.retention import RetentionPoint, decide, lock_ends
from lifeboat.policy.spans import Span

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


def hourly(day: str, zone: str) -> list[RetentionPoint]:
    """A point every half hour of the local day."""
    begin = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone))
    end = (begin + timedelta(days=1)).astimezone(UTC)  # the next local midnight
    moment, made = begin.astimezone(UTC), []
    while moment < end:
        made.append(RetentionPoint(f"{moment:%dT%H:%M}", moment, complete=True, verified=False))
        moment += timedelta(minutes=30)
    return made


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)]
)
def test_a_day_has_as_many_hourly_points_as_it_has_hours(day: str, hours: int) -> None:
    points = hourly(day, "Europe/Berlin")
    now = points[-1].captured_at
    rules = Retention(keep=Keep(hourly=100, daily=100), timezone="Europe/Berlin")
    decision = decide(points, rules, now)
    assert [len([k for k in decision.keep if tier in k.rules]) for tier in ("hourly", "daily")] == [
        hours,
        1,
    ]


def test_half_hour_zones_have_hours_of_their_own() -> None:
    points = hourly("2026-03-29", "Asia/Kolkata")
    rules = Retention(keep=Keep(hourly=100), timezone="Asia/Kolkata")
    kept = decide(points, rules, points[-1].captured_at).keep
    assert len(kept) == 24 + 1  # and the newest, which is not the first of its hour
    assert kept[-1].id == "28T18:30"


def test_a_day_that_begins_in_the_repeated_hour_begins_once() -> None:
    """At 02:30 of 25 October for the first time, so 02:00 to 02:30 shown again belongs to it."""
    points = hourly("2026-10-25", "Europe/Berlin")
    rules = Retention(keep=Keep(daily=9), timezone="Europe/Berlin", day_start="02:30")
    kept = decide(points, rules, points[-1].captured_at).keep
    assert [k.id for k in kept if "daily" in k.rules] == ["25T00:30", "24T22:00"]


def test_a_day_that_begins_in_the_skipped_hour_begins_when_its_cron_fires() -> None:
    points = hourly("2026-03-29", "Europe/Berlin")
    rules = Retention(keep=Keep(daily=9), timezone="Europe/Berlin", day_start="02:30")
    kept = decide(points, rules, points[-1].captured_at).keep
    assert [k.id for k in kept if "daily" in k.rules] == ["29T01:30", "28T23:00"]


def test_years_may_begin_in_april_and_months_in_their_middle() -> None:
    points = [point(day) for day in range(1, 800)]
    rules = Retention(keep=Keep(yearly=2, monthly=1), year_start=4, month_start=6)
    kept = {k.point.captured_at.date().isoformat(): k for k in decide(points, rules, NOW).keep}
    assert [day for day, k in kept.items() if "yearly" in k.rules] == ["2025-04-06", "2024-04-06"]
    assert [day for day, k in kept.items() if "monthly" in k.rules] == ["2026-03-06"]


def test_leap_day() -> None:
    """29 February stands for its month as any day; a year on there is none, so it stays till
    March."""
    leap = datetime(2028, 2, 29, 12, tzinfo=UTC)
    points = [
        RetentionPoint(f"{day:%F}", day, complete=True, verified=False)
        for day in (leap + timedelta(days=delta) for delta in (0, 1, 365, 500))
    ]
    months = Retention(keep=Keep(monthly=9))
    assert "2028-02-29" in {k.id for k in decide(points, months, points[-1].captured_at).keep}
    a_year = Retention(keep=Keep(last="12mo"))  # type: ignore[arg-type]
    for now, there in (
        (datetime(2029, 2, 28, 23, tzinfo=UTC), True),
        (datetime(2029, 3, 1, tzinfo=UTC), False),
    ):
        assert ("2028-02-29" in {k.id for k in decide(points, a_year, now).keep}) is there


def test_points_on_demand_have_an_expiry_of_their_own_and_push_none_out() -> None:
    asked = [point(2.5, on_demand=True), point(40, on_demand=True)]
    points = [*(point(day) for day in range(1, 5)), *asked]
    assert set(reasons(points, Retention(keep=Keep(last=2)))) == {"p1", "p2"}
    own = Retention(keep=Keep(last=3), on_demand="30d")
    kept = reasons(points, own)
    assert set(kept) == {"p1", "p2", "p2.5", "p3"}
    assert kept["p2.5"] == ("on demand, until 2026-04-07T00:00:00Z",)
    gone = {one.id: one.reasons for one in decide(points, own, NOW).remove}
    assert gone["p40"] == ("on demand, and older than 30d",)
    for_ever = reasons(points, Retention(keep=Keep(last=3), on_demand="forever"))
    assert for_ever["p40"] == ("on demand, for ever",)


def test_a_lock_holds_every_point_of_its_time() -> None:
    made_with = replace(point(9, complete=False), locked_until=NOW + timedelta(days=1))
    points = [point(1), point(2), point(3), made_with]
    kept = reasons(points, Retention(keep=Keep(last=1), lock=Span(rest=timedelta(days=3))))
    assert kept["p2"] == ("locked until 2026-03-11T12:00:00Z",)
    assert "p3" not in kept  # its lock ends this moment
    assert kept["p9"] == ("locked until 2026-03-11T12:00:00Z",)


def test_a_point_keeps_the_later_of_two_locks() -> None:
    short = replace(point(5), locked_until=NOW - timedelta(days=4))
    rules = Retention(keep=Keep(last=1), lock=Span(rest=timedelta(days=7)))
    assert lock_ends(short, rules) == NOW + timedelta(days=2)
    long = replace(short, locked_until=NOW + timedelta(days=4))
    assert lock_ends(long, rules) == NOW + timedelta(days=4)
    assert lock_ends(point(5), Retention(keep=Keep(last=1))) is None


def test_failed_last() -> None:
    points = [
        point(1, complete=False),
        point(2, complete=False),
        point(3),
        point(4, complete=False),
    ]
    for count, ids in ((0, {"p3"}), (1, {"p1", "p3"}), (5, {"p1", "p2", "p3"})):
        assert set(reasons(points, Retention(keep=Keep(last=3), failed_last=count))) == ids


def test_removed_points_say_why_for_every_tier() -> None:
    points = [point(hours / 24) for hours in range(1, 24 * 40)]
    rules = Retention(keep=Keep(last=5, daily="7d", weekly=2))  # type: ignore[arg-type]
    gone = {one.id: one.reasons for one in decide(points, rules, NOW).remove}
    assert gone[f"p{30 / 24:g}"] == (
        "older than the newest 5 good points", "not the first of its day",
        "not the first of its week",
    )  # fmt: skip
    assert gone["p22.5"] == (  # Monday, 16 February
        "older than the newest 5 good points", "first of its day, but older than 7d",
        "first of its week, but older than the newest 2 weeks",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("schedule", "retention", "zone"),
    [
        ("{cron: '0 2 * * *', timezone: Europe/Berlin}", "{keep: {daily: 1}}", "Europe/Berlin"),
        ("{cron: '0 2 * * *'}", "{keep: {daily: 1}}", "UTC"),
        (
            "{cron: '0 2 * * *', timezone: Europe/Berlin}",
            "{keep: {daily: 1}, timezone: Asia/Kolkata}",
            "Asia/Kolkata",
        ),
        ("", "{keep: {daily: 1}}", "UTC"),
    ],
)
def test_periods_are_in_the_schedules_zone_unless_told(
    schedule: str, retention: str, zone: str
) -> None:
    when = f"schedule: {schedule}" if schedule else "objectives: {rpo: 1d}"
    text = f"clusters: [local]\n{when}\nretention: {retention}\n"
    assert parse_policy(text, "shop.yaml", "shop").retention.timezone == zone
