"""What a policy comes to hold, and when it would hit Azure's limit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from croniter import croniter

from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import Policy
from lifeboat.policy.retention import RetentionPoint, decide
from lifeboat.policy.steady import Simulation, Steady, first_beyond, steady_state, time_until

NOW = datetime(2027, 6, 17, 17, tzinfo=UTC)


def policy(keep: str, cron: str = "0 */4 * * *", more: str = "") -> Policy:
    text = f"clusters: [local]\nschedule: {{cron: '{cron}'}}\nretention: {{{keep}}}\n{more}\n"
    return parse_policy(text, "shop.yaml", "shop")


def told(found: Steady | None) -> tuple[int, dict[str, int]]:
    assert found is not None
    return found.points, dict(found.tiers)


def test_z4_four_hours_for_ninety_days() -> None:
    too_many, enough = policy("keep: {last: 90d}"), policy("keep: {last: 75d}")
    assert told(steady_state(too_many)) == (540, {"last": 540})
    assert told(steady_state(enough)) == (450, {"last": 450})
    assert time_until(too_many, 500) == timedelta(hours=4) * 500  # with the 501st snapshot
    assert time_until(enough, 500) is None
    assert time_until(enough, 449) == timedelta(hours=4) * 449


def test_tiers_and_their_distinct_points() -> None:
    """Kasten's example: 24 + 7 + 4 + 12 + 7, less what two tiers share."""
    found = steady_state(
        policy("keep: {last: 24, daily: 7, weekly: 4, monthly: 12, yearly: 7}", "0 * * * *")
    )
    points, tiers = told(found)
    assert tiers == {"last": 24, "daily": 7, "weekly": 4, "monthly": 12, "yearly": 7}
    assert 44 <= points <= 54


def test_without_a_schedule_nobody_knows() -> None:
    text = "clusters: [local]\nobjectives: {rpo: 1d}\nretention: {keep: {last: 7}}\n"
    on_demand = parse_policy(text, "shop.yaml", "shop")
    assert steady_state(on_demand) is None
    assert time_until(on_demand, 1) is None


def test_a_proven_point_and_locked_ones_are_part_of_it() -> None:
    weekly = "testRestore: {schedule: {cron: '30 5 * * 0'}}"
    proven = steady_state(policy("keep: {last: 7}", more=weekly))
    assert proven == Steady(points=8, tiers=(("last", 7),), others=1)
    assert told(steady_state(policy("keep: {last: 7}, lock: 5d")))[0] == 30


RULES = [
    "keep: {last: 10d}",
    "keep: {last: 7}, lock: 3d",
    "keep: {last: 5, daily: 7, weekly: 4, monthly: 5}, select: last",
    "keep: {hourly: 30, daily: 20d, weekly: 3mo, monthly: 1y}, dayStart: '05:30', monthStart: 15",
    "keep: {last: 7d, daily: 30d, weekly: 12w, monthly: 12mo}, oneTag: true, weekStart: sunday",
    "keep: {daily: 9, monthly: 8}, timezone: America/New_York, minGood: 4",
]


def walked(cron: str) -> Iterator[datetime]:
    walk = croniter(cron, NOW - timedelta(days=430))
    while (moment := walk.get_next(datetime)) <= NOW:
        yield moment


@pytest.mark.parametrize("cron", ["0 */4 * * *", "15 3 * * MON-FRI", "*/30 9-17 * * *"])
@pytest.mark.parametrize("rules", RULES)
def test_the_few_runs_that_are_looked_at_decide_as_all_of_them_would(cron: str, rules: str) -> None:
    some = policy(rules, cron)
    assert some.schedule is not None
    points = [
        RetentionPoint(moment.isoformat(), moment, complete=True, verified=False)
        for moment in walked(cron)
    ]
    everything = decide(points, some.retention, NOW)
    few = Simulation(some.schedule, some.retention).decide(NOW)
    assert {(k.id, k.rules) for k in few.keep} == {(k.id, k.rules) for k in everything.keep}


def test_the_day_on_which_held_points_reach_the_limit() -> None:
    """400 held points and 10 a day from now on: the 101st new one comes after ten days."""
    some = policy("keep: {last: 20d}", "0 0,2,4,6,8,10,12,14,16,18 * * *")
    now = datetime(2026, 6, 1, 20, tzinfo=UTC)
    old = [
        RetentionPoint(str(n), now - timedelta(days=400 + n), True, False, held=True)
        for n in range(400)
    ]
    assert first_beyond(some, old, 500, now) == now + timedelta(days=11)
    assert first_beyond(some, old[:200], 500, now) is None
    assert first_beyond(some, [], 500, now) is None
