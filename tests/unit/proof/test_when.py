"""Which points are proven when: what stood at a tick, the newest of each month, drills."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lifeboat.clock import parse_rfc3339
from lifeboat.errors import UsageError
from lifeboat.proof.when import (
    Drill,
    drill_of,
    due_today,
    is_proven,
    newest_of_each,
    points_since_test,
    stood_at,
)
from lifeboat.report.coverage import by_cluster, covered
from tests.support.proof_world import ProofWorld

SHOP = "shop.local"
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def test_a_tick_of_the_past_means_the_point_that_stood_then() -> None:
    world = ProofWorld()
    vault = world.context().vault
    assert stood_at(vault, SHOP, world.now) == ""
    first = world.back_up("a").point
    between = world.now
    world.tick(hours=1)
    second = world.back_up("b").point
    assert stood_at(vault, SHOP, between) == first
    assert stood_at(vault, SHOP, world.now) == second
    assert stood_at(vault, SHOP, between - timedelta(days=1)) == ""


def test_points_are_counted_from_the_newest_that_was_tried() -> None:
    world = ProofWorld()
    vault = world.context().vault
    points = []
    for number in range(3):
        points.append(world.back_up(f"run-{number}").point)
        world.tick(hours=1)
    assert points_since_test(vault, SHOP) == 3
    world.prove(points[1])
    assert points_since_test(vault, SHOP) == 1
    world.prove(points[0], "test-2")
    assert points_since_test(vault, SHOP) == 1, "an older point is no step back"
    assert [is_proven(vault, SHOP, point) for point in points] == [True, True, False]


def test_the_newest_point_of_each_month_in_the_policys_zone() -> None:
    world = ProofWorld()
    world.now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    points = {}
    for moment in ("2026-01-31T12", "2026-02-01T12", "2026-02-27T12", "2026-03-05T12"):
        world.now = parse_rfc3339(f"{moment}:00:00Z")
        points[moment] = world.back_up(moment).point
    context = world.context()

    def each(since: str, until: str) -> list[str]:
        return newest_of_each(
            context.vault, context.instance, "monthly", parse_rfc3339(since), parse_rfc3339(until)
        )

    _, _, february, march = points.values()
    assert each("2026-02-01T00:00:00Z", "2027-01-01T00:00:00Z") == [february, march]
    assert each("2026-01-01T00:00:00Z", "2026-02-20T00:00:00Z") == list(points.values())[:2]
    assert each("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z") == []
    with pytest.raises(UsageError, match="unknown period 'fortnightly'"):
        newest_of_each(context.vault, context.instance, "fortnightly", NOW, NOW)


def fleet(size: int, within: int) -> dict[str, Drill]:
    names = [f"app-{number}.east" for number in range(size)]
    return {name: Drill(name, timedelta(days=within), None) for name in names}


@pytest.mark.parametrize(("size", "within", "at_most"), [(60, 30, 4), (40, 14, 4), (10, 90, 1)])
def test_every_instance_is_proven_in_time_and_no_day_has_more_than_its_share(
    size: int, within: int, at_most: int
) -> None:
    drills = fleet(size, within)
    worst, most = 0.0, 0
    for day in range(200):
        now = NOW + timedelta(days=day)
        chosen = due_today(drills.values(), now, at_most)
        most = max(most, len(chosen))
        for name in chosen:
            drills[name] = Drill(name, drills[name].within, now)
        if day > size / at_most:  # by then each has had its first turn
            ages = [(now - one.proven) / one.within for one in drills.values() if one.proven]
            assert len(ages) == size
            worst = max(worst, *ages)
    assert most <= at_most
    assert worst <= 1.0


def test_a_fleet_that_was_proven_in_one_day_spreads_over_the_calendar() -> None:
    drills = {name: Drill(name, one.within, NOW) for name, one in fleet(60, 30).items()}
    a_day = []
    for day in range(1, 31):
        now = NOW + timedelta(days=day)
        chosen = due_today(drills.values(), now, 60)
        a_day.append(len(chosen))
        for name in chosen:
            drills[name] = Drill(name, drills[name].within, now)
    assert sum(a_day) >= 60
    assert max(a_day) <= 60 / 4


def test_who_used_up_most_of_its_time_comes_first() -> None:
    day = timedelta(days=1)
    drills = [
        Drill("fresh.a", 30 * day, NOW - day),
        Drill("late.a", 30 * day, NOW - 40 * day),
        Drill("later.a", 7 * day, NOW - 20 * day),
        Drill("never.a", 90 * day, None),
    ]
    assert due_today(drills, NOW, 9)[:3] == ["never.a", "later.a", "late.a"]
    assert "fresh.a" not in due_today(drills, NOW, 9)
    assert due_today(drills, NOW, 1) == ["never.a"]


def test_coverage_tells_proven_late_never_and_untested() -> None:
    world = ProofWorld("testRestore: {timeout: 5s, checks: [objectsComplete], within: 7d}\n")
    context = world.context()
    default = timedelta(days=30)

    def standing() -> str:
        return covered(context.vault, context.instance, world.now, default).standing

    assert standing() == "never"
    drill = drill_of(context.vault, context.instance)
    assert drill is not None
    assert drill.proven is None
    world.prove(world.back_up().point)
    assert standing() == "proven"
    drill = drill_of(context.vault, context.instance)
    assert drill is not None
    assert drill.proven is not None
    world.tick(days=8)
    row = covered(context.vault, context.instance, world.now, default)
    assert (row.standing, row.within_days, int(row.days or 0)) == ("late", 7, 8)
    plain = ProofWorld("")
    untested = covered(plain.context().vault, plain.context().instance, plain.now, default)
    assert untested.standing == "untested"
    assert drill_of(plain.context().vault, plain.context().instance) is None
    shares = by_cluster([row, untested])
    assert [(one.cluster, one.instances, one.proven) for one in shares] == [
        ("local", 2, 0), ("", 2, 0),
    ]  # fmt: skip
