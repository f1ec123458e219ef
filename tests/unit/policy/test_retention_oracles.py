"""Worked examples of how others decide what stays, each written as a policy of ours.

Where our rule differs from theirs on purpose, the test says so and shows by which rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from lifeboat.policy.model import Keep, Retention
from lifeboat.policy.retention import Decision, Kept, RetentionPoint, decide

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def name(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M}"


def good(moment: datetime) -> RetentionPoint:
    return RetentionPoint(name(moment), moment, complete=True, verified=False)


def failed(moment: datetime) -> RetentionPoint:
    return RetentionPoint(name(moment), moment, complete=False, verified=False)


def every(step: timedelta, first: str, last: str) -> Iterator[datetime]:
    moment = at(first)
    while moment <= at(last):
        yield moment
        moment += step


def kept(decision: Decision) -> list[str]:
    """Ids of the points that stay, oldest first."""
    return [one.id for one in reversed(decision.keep)]


def by(decision: Decision, *rules: str) -> list[str]:
    """Ids of the points that one of `rules` keeps, oldest first."""
    return [one.id for one in reversed(decision.keep) if set(rules) & set(one.rules)]


# Velero: one time to live


TTL = Retention(keep=Keep(last="72h"))  # type: ignore[arg-type]
PREPARED = [datetime(2026, 3, day, 3, 0, 5, tzinfo=UTC) for day in (1, 2, 3, 4)]


def test_v1_a_point_expires_its_ttl_after_it_was_begun() -> None:
    def live(now: str, made: int) -> list[int]:
        decision = decide(map(good, PREPARED[:made]), TTL, at(now))
        return sorted(one.point.captured_at.day for one in decision.keep)

    assert live("2026-03-04T02:59:59", made=3) == [1, 2, 3]
    assert live("2026-03-04T03:00:04", made=3) == [1, 2, 3]
    assert live("2026-03-04T03:00:05", made=4) == [2, 3, 4]  # due: Velero's collector at hh:30
    assert live("2026-03-04T03:30:00", made=4) == [2, 3, 4]
    # Four live points between 03:00:05 and 03:30: nothing is gone until prune runs.


def test_v2_runs_fail_and_the_ttl_alone_would_leave_nothing() -> None:
    """Here our rule differs: minGood keeps what Velero deletes (velero issue 9061)."""
    points = [good(PREPARED[0]), *map(failed, PREPARED[1:])]
    decision = decide(points, TTL, at("2026-03-04T03:30"))
    assert by(decision, "last") == []
    assert by(decision, "newest good") == ["2026-03-01T03:00"]
    assert kept(decision) == ["2026-03-01T03:00", "2026-03-04T03:00"]  # and the newest failed one


def test_v3_no_ttl_is_thirty_days_there_and_refused_here() -> None:
    """Velero reads 0 or nothing as 720h; here a policy says how long, and 0 protects nothing."""
    month = Retention(keep=Keep(last="720h"))  # type: ignore[arg-type]
    assert month == Retention(keep=Keep(last="30d"))  # type: ignore[arg-type]
    points = [good(at("2026-01-01T00:00")), good(at("2026-01-30T00:00"))]
    assert kept(decide(points, month, at("2026-01-30T23:59"))) == [
        name(p.captured_at) for p in points
    ]
    assert kept(decide(points, month, at("2026-01-31T00:00"))) == ["2026-01-30T00:00"]
    with pytest.raises(ValidationError, match="longer than 0s"):
        Keep(last="0h")  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="keeps nothing"):
        Keep()


# Kasten: newest N of each tier, promoted at a designated slot


GFS = Retention(keep=Keep(last=24, daily=7, weekly=4, monthly=12, yearly=7), week_start="sunday")
K1_MOMENTS = list(every(HOUR, "2024-01-01T00:00", "2026-03-10T12:00"))
K1_OLD = [
    *["2024-01-01T00:00", "2025-01-01T00:00"],
    *[f"2025-{month:02}-01T00:00" for month in range(4, 13)],
    *["2026-01-01T00:00", "2026-02-01T00:00", "2026-02-15T00:00", "2026-02-22T00:00"],
    "2026-03-01T00:00",
    *[f"2026-03-{day:02}T00:00" for day in range(4, 10)],
]


def test_k1_grandfather_father_son() -> None:
    decision = decide(map(good, K1_MOMENTS), GFS, K1_MOMENTS[-1])
    hourly = [name(moment) for moment in every(HOUR, "2026-03-09T13:00", "2026-03-10T12:00")]
    assert kept(decision) == sorted(K1_OLD + hourly)
    assert len(decision.keep) == 46
    assert by(decision, "last") == hourly
    assert by(decision, "daily") == [f"2026-03-{day:02}T00:00" for day in range(4, 11)]
    assert by(decision, "weekly") == [
        "2026-02-15T00:00", "2026-02-22T00:00", "2026-03-01T00:00", "2026-03-08T00:00",
    ]  # fmt: skip
    assert by(decision, "monthly") == [
        *[f"2025-{month:02}-01T00:00" for month in range(4, 13)],
        *[f"2026-{month:02}-01T00:00" for month in range(1, 4)],
    ]
    assert by(decision, "yearly") == [f"{year}-01-01T00:00" for year in (2024, 2025, 2026)]


def test_k1_what_is_retired_next() -> None:
    points = {one.point for one in decide(map(good, K1_MOMENTS), GFS, K1_MOMENTS[-1]).keep}
    retired = {}
    for moment in every(HOUR, "2026-03-10T13:00", "2026-04-01T00:00"):
        decision = decide([*points, good(moment)], GFS, moment)
        points = {one.point for one in decision.keep}
        retired[name(moment)] = sorted(one.id for one in decision.remove)
    assert retired["2026-03-10T13:00"] == ["2026-03-09T13:00"]
    assert retired["2026-03-11T00:00"] == ["2026-03-04T00:00"]
    assert retired["2026-03-15T00:00"] == ["2026-02-15T00:00"]
    assert retired["2026-04-01T00:00"] == ["2025-04-01T00:00", "2026-03-25T00:00"]
    assert len(points) == 46


def test_k1_a_failed_slot_is_filled_by_the_next_success() -> None:
    """Kasten does not say what replaces it; here the next good point of the day, week, month."""
    points = [*map(good, K1_MOMENTS[:-13]), failed(at("2026-03-10T00:00"))]
    points += map(good, K1_MOMENTS[-12:])
    decision = decide(points, GFS, K1_MOMENTS[-1])
    assert by(decision, "daily")[-1] == "2026-03-10T01:00"


def test_k2_the_slot_of_the_day_is_its_first_listed_minute() -> None:
    """Minutes [45, 15]: the run at 00:45 graduates, so a day begins at 00:45. `hourly: 24` there
    counts runs, not hours: that is `last` here, and covers twelve hours."""
    rules = Retention(keep=Keep(last=24, daily=2), day_start="00:45")
    moments = list(every(HOUR / 2, "2026-03-01T00:15", "2026-03-03T00:45"))
    decision = decide(map(good, moments), rules, moments[-1])
    assert len(decision.keep) == 25
    last = [name(moment) for moment in every(HOUR / 2, "2026-03-02T13:15", "2026-03-03T00:45")]
    assert by(decision, "last") == last
    assert by(decision, "daily") == ["2026-03-02T00:45", "2026-03-03T00:45"]


K3_MOMENTS = list(every(DAY, "2025-01-01T22:30", "2026-03-16T22:30"))


def test_k3_weeks_on_friday_months_on_the_fifteenth() -> None:
    rules = Retention(
        keep=Keep(last=14, weekly=4, monthly=6),
        day_start="22:30",
        week_start="friday",
        month_start=15,
    )
    decision = decide(map(good, K3_MOMENTS), rules, K3_MOMENTS[-1])
    assert len(decision.keep) == 21
    assert by(decision, "last") == [f"2026-03-{day:02}T22:30" for day in range(3, 17)]
    assert by(decision, "weekly") == [
        "2026-02-20T22:30", "2026-02-27T22:30", "2026-03-06T22:30", "2026-03-13T22:30",
    ]  # fmt: skip
    assert by(decision, "monthly") == [
        "2025-10-15T22:30", "2025-11-15T22:30", "2025-12-15T22:30",
        "2026-01-15T22:30", "2026-02-15T22:30", "2026-03-15T22:30",
    ]  # fmt: skip


def test_k3_exports_have_counts_of_their_own() -> None:
    """Only the runs of the 15th are exported; here that is an instance of its own."""
    rules = Retention(
        keep=Keep(monthly=12, yearly=5), day_start="22:30", week_start="friday", month_start=15
    )
    exported = [good(moment) for moment in K3_MOMENTS if moment.day == 15]
    decision = decide(exported, rules, K3_MOMENTS[-1])
    assert len(decision.keep) == 13
    assert by(decision, "monthly") == [
        *[f"2025-{month:02}-15T22:30" for month in range(4, 13)],
        *[f"2026-{month:02}-15T22:30" for month in range(1, 4)],
    ]
    assert by(decision, "yearly") == ["2025-01-15T22:30", "2026-01-15T22:30"]


def test_k3_a_first_period_that_began_before_us_counts_too() -> None:
    """Here our rule differs: the first good point of a period stands for it, even when the period
    began before the first backup; Kasten promotes none until its slot comes round."""
    rules = Retention(keep=Keep(yearly=5), day_start="22:30", month_start=15)
    decision = decide(map(good, K3_MOMENTS), rules, K3_MOMENTS[-1])
    assert by(decision, "yearly") == ["2025-01-01T22:30", "2025-01-15T22:30", "2026-01-15T22:30"]


def test_k4_a_tier_that_is_not_written_does_not_exist() -> None:
    rules = Retention(keep=Keep(last=24, daily=7, weekly=4, monthly=12), week_start="sunday")
    decision = decide(map(good, K1_MOMENTS), rules, K1_MOMENTS[-1])
    assert by(decision, "yearly") == []
    assert len(decision.keep) == 44  # 2024-01-01 and 2025-01-01 were yearly only
    with pytest.raises(ValidationError, match="1 or more; leave the key out"):
        Keep(last=24, yearly=0)


def test_k4_two_policies_let_go_one_by_one() -> None:
    """A point made for two policies stays until both let go. Here a point belongs to one instance
    and is decided by its rules alone, so two policies never take a point from each other."""
    daily, monthly = Retention(keep=Keep(last=7)), Retention(keep=Keep(monthly=2))
    points = [good(moment) for moment in every(DAY, "2026-01-01T00:00", "2026-03-10T00:00")]
    now = at("2026-03-10T00:00")
    one, other = kept(decide(points, daily, now)), kept(decide(points, monthly, now))
    assert "2026-02-01T00:00" not in one
    assert "2026-02-01T00:00" in other
    assert len(set(one) | set(other)) == 7 + 2


# Azure Backup for AKS: one tag a point, each with a duration


TAGS = Retention(
    keep=Keep(last="P7D", daily="P30D", weekly="P12W", monthly="P12M", yearly="P3Y"),  # type: ignore[arg-type]
    one_tag=True,
    week_start="sunday",
)
Z1_FAILED = {"2026-01-02T02:00", *(f"2026-02-01T{hour:02}:00" for hour in range(2, 24, 4))}
Z1_NOW = at("2026-02-08T06:00")


def z1_points(until: datetime) -> list[RetentionPoint]:
    moments = every(4 * HOUR, "2025-11-01T02:00", name(until))
    return [(failed if name(m) in Z1_FAILED else good)(m) for m in moments]


def tag(points: Iterable[RetentionPoint], point: str) -> Kept:
    """How a point is kept while it is the newest of all."""
    until = at(point)
    decision = decide([p for p in points if p.captured_at <= until], TAGS, until)
    [found] = [one for one in decision.keep if one.id == point]
    return found


def test_z1_the_longest_tag_wins() -> None:
    points = z1_points(Z1_NOW)

    made = [point.id for point in points if point.complete and point.id >= "2025-12-31"]
    tags = {point: tag(points, point).rules[0] for point in made}

    def tagged(rule: str) -> list[str]:
        return [point for point in made if tags[point] == rule]

    assert tagged("yearly") == ["2026-01-01T02:00"]
    assert tagged("monthly") == ["2026-02-02T02:00"]  # none in January: its first is the year's
    assert tagged("weekly") == [  # none in the week of 1 February: its first is the month's
        "2026-01-04T02:00", "2026-01-11T02:00", "2026-01-18T02:00", "2026-01-25T02:00",
        "2026-02-08T02:00",
    ]  # fmt: skip
    daily = tagged("daily")
    assert daily[:3] == ["2025-12-31T02:00", "2026-01-02T06:00", "2026-01-03T02:00"]
    assert not [point for point in daily if point.startswith("2026-02-01")]
    first = {"2026-01-02T06:00"}
    assert all(point in first or point.endswith("T02:00") for point in daily)
    assert len(daily) == 1 + 31 - 1 - 4 + 5  # December's, January's less five, 3 to 7 February
    assert len(tagged("last")) == len(made) - (1 + 1 + 5 + len(daily))


Z2 = {
    "2026-01-01T02:00": ("yearly", "2029-01-01T02:00:00Z"),
    "2026-01-04T02:00": ("weekly", "2026-03-29T02:00:00Z"),
    "2026-02-02T02:00": ("monthly", "2027-02-02T02:00:00Z"),
    "2026-01-02T06:00": ("daily", "2026-02-01T06:00:00Z"),
    "2026-01-02T10:00": ("last", "2026-01-09T10:00:00Z"),
}


@pytest.mark.parametrize("point", Z2)
def test_z2_each_tag_has_its_duration(point: str) -> None:
    rule, end = Z2[point]
    points = z1_points(Z1_NOW)
    assert tag(points, point).reasons[0] == f"tag {rule}, until {end}"
    expiry = datetime.fromisoformat(end)
    newer = good(expiry - HOUR)  # so that it is not the newest good one
    stays = decide([*points, newer], TAGS, expiry - timedelta(seconds=1))
    assert point in kept(stays)
    assert point not in kept(decide([*points, newer], TAGS, expiry))


def test_z3_expired_points_go_while_the_cluster_is_stopped() -> None:
    """Azure needs the cluster to prune. Here the decision knows no cluster; the newest good point
    stays, as Azure's newest of a stopped instance. tests/unit/test_holds.py prunes without one."""
    points = z1_points(at("2026-02-10T00:00"))
    decision = decide(points, TAGS, at("2027-02-10T00:00"))
    assert kept(decision) == ["2025-11-01T02:00", "2026-01-01T02:00", "2026-02-09T22:00"]
    assert by(decision, "yearly") == ["2025-11-01T02:00", "2026-01-01T02:00"]  # firsts of theirs
    assert by(decision, "newest good") == ["2026-02-09T22:00"]


# restic and borg: the last of each period, newest N periods that have one


def test_r1_last_of_each_period() -> None:
    rules = Retention(keep=Keep(last=3, daily=7, weekly=4, monthly=12), select="last")
    moments = list(every(4 * HOUR, "2026-01-01T02:00", "2026-03-10T10:00"))
    decision = decide(map(good, moments), rules, moments[-1])
    tiers = {"last", "daily", "weekly", "monthly"}
    assert {one.id: sorted(tiers & set(one.rules)) for one in reversed(decision.keep)} == {
        "2026-01-31T22:00": ["monthly"],
        "2026-02-22T22:00": ["weekly"],
        "2026-02-28T22:00": ["monthly"],
        "2026-03-01T22:00": ["weekly"],
        **{f"2026-03-{day:02}T22:00": ["daily"] for day in (4, 5, 6, 7)},
        "2026-03-08T22:00": ["daily", "weekly"],
        "2026-03-09T22:00": ["daily"],
        "2026-03-10T02:00": ["last"],
        "2026-03-10T06:00": ["last"],
        "2026-03-10T10:00": ["daily", "last", "monthly", "weekly"],
    }
