"""Schedules that are no cron: at distances, by the age of points, with windows, over a fleet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from lifeboat.policy.after import After, BackupSchedule
from lifeboat.policy.fires import Fires, offset_of
from lifeboat.policy.schedule import Schedule
from lifeboat.policy.windows import Window, inside, occurrences

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


def made(**fields: Any) -> Schedule:
    return Schedule.model_validate(fields, by_alias=True)


def ticks(schedule: Schedule, since: datetime, days: float, **more: Any) -> list[datetime]:
    fires, found = Fires(schedule, **more), []
    moment = fires.at_or_after(since)
    while moment < since + timedelta(days=days):
        found.append(moment)
        moment = fires.at_or_after(moment + timedelta(seconds=1))
    return found


ALL = [
    made(every="90m"),
    made(every="7h"),
    made(noPointOlderThan="4h"),
    made(**{
        "noPointOlderThan": "2h",
        "timezone": "Europe/Berlin",
        "except": [{"days": ["mon", "sat"], "from": "22:00", "to": "04:00"}],
    }),
]  # fmt: skip


@pytest.mark.parametrize("schedule", ALL, ids=str)
def test_forwards_and_backwards_are_the_same_ticks(schedule: Schedule) -> None:
    """Over the night on which clocks go back."""
    since = datetime(2026, 10, 23, 11, 7, tzinfo=UTC)
    forwards = ticks(schedule, since, 6)
    fires = Fires(schedule)
    back = list(islice(fires.backwards(forwards[-1]), len(forwards)))
    assert back == forwards[::-1]
    for earlier, later in pairwise(forwards):
        assert fires.before(later) == earlier
        assert fires.before(later + timedelta(seconds=1)) == later
        assert later - earlier <= schedule.gap.length


def test_an_interval_counts_from_one_moment_for_all_and_knows_no_time_zone() -> None:
    found = ticks(made(every="7h"), datetime(2024, 1, 1, tzinfo=UTC), 1)
    assert [moment.hour for moment in found] == [0, 7, 14, 21]
    around = ticks(made(every="1h"), datetime(2026, 10, 24, tzinfo=UTC), 3)
    assert {later - earlier for earlier, later in pairwise(around)} == {HOUR}


def test_points_by_age_leave_a_run_time_to_end() -> None:
    schedule = made(noPointOlderThan="4h")
    assert (schedule.step, schedule.reserve) == (3.5 * HOUR, 0.5 * HOUR)
    assert made(noPointOlderThan="1h").reserve == timedelta(minutes=7)
    assert made(noPointOlderThan="10m").reserve == timedelta(minutes=1)


def test_a_window_has_no_ticks_but_one_before_it_and_one_at_its_end() -> None:
    schedule = made(**{
        "noPointOlderThan": "4h",
        "timezone": "Europe/Berlin",
        "except": [{"days": ["wed"], "from": "08:00", "to": "18:00"}],
    })  # fmt: skip
    wednesday = datetime(2026, 5, 6, tzinfo=BERLIN)
    found = [at.astimezone(BERLIN) for at in ticks(schedule, wednesday.astimezone(UTC), 1)]
    begin, end = wednesday.replace(hour=8), wednesday.replace(hour=18)
    assert not [at for at in found if begin <= at < end]
    assert begin - schedule.reserve in found
    assert end in found
    assert schedule.gap.length == 10.5 * HOUR
    assert inside(schedule.except_, BERLIN, begin) == schedule.except_[0]
    assert inside(schedule.except_, BERLIN, end) is None


def test_a_window_over_a_change_of_the_clocks_is_as_long_as_the_clock_shows() -> None:
    night = Window.model_validate({"from": "22:00", "to": "06:00"}, by_alias=True)
    for day, hours in (("2026-03-28", 7), ("2026-10-24", 9), ("2026-06-01", 8)):
        noon = datetime.fromisoformat(f"{day}T12:00+02:00").astimezone(UTC)
        ((begin, end),) = occurrences([night], BERLIN, noon, noon + 12 * HOUR)
        assert end - begin == hours * HOUR
    schedule = made(**{
        "noPointOlderThan": "4h", "timezone": "Europe/Berlin",
        "except": [{"from": "22:00", "to": "06:00"}],
    })  # fmt: skip
    assert schedule.gap.length == 9.5 * HOUR


def test_windows_that_touch_are_one_and_slots_between_others_are_used() -> None:
    schedule = made(**{
        "noPointOlderThan": "8h",
        "except": [
            {"from": "00:00", "to": "12:00"},
            {"from": "12:00", "to": "23:00"},
            {"from": "23:05", "to": "24:00"},
        ],
    })  # fmt: skip
    found = ticks(schedule, datetime(2026, 5, 4, tzinfo=UTC), 3, offset=HOUR)
    assert [(at.hour, at.minute) for at in found] == [(23, 0)] * 3


def test_a_fleet_is_spread_evenly_and_each_instance_keeps_its_place() -> None:
    jitter = timedelta(minutes=30)
    offsets = [offset_of(f"p{number}.prod", jitter) for number in range(600)]
    assert offsets == [offset_of(f"p{number}.prod", jitter) for number in range(600)]
    assert min(offsets) >= timedelta(0)
    assert max(offsets) < jitter
    for third in range(3):
        inside_third = [
            at for at in offsets if third * 600 <= at.total_seconds() < third * 600 + 600
        ]
        assert 150 < len(inside_third) < 250
    assert offset_of("p.prod", timedelta(0)) == timedelta(0)


@pytest.mark.parametrize("schedule", [made(cron="0 */4 * * *"), *ALL], ids=str)
def test_jitter_moves_every_tick_alike_and_never_into_a_window(schedule: Schedule) -> None:
    since, offset = datetime(2026, 5, 1, 0, 30, tzinfo=UTC), timedelta(minutes=11)
    plain = ticks(schedule, since, 7)
    moved = ticks(schedule, since, 7, offset=offset)
    if not schedule.except_:
        assert {at - offset for at in moved} <= {*plain, *ticks(schedule, since - offset, 1)}
    for at in moved:
        assert inside(schedule.except_, ZoneInfo(schedule.timezone), at) is None


REFUSED = {
    "none": ({}, "one of cron, every"),
    "two": ({"cron": "0 2 * * *", "every": "1h"}, "one of cron, every"),
    "too often": ({"every": "1m"}, "from 5m to 31d"),
    "too fresh": ({"noPointOlderThan": "5m"}, "from 10m to 31d"),
    "except of a cron": (
        {"cron": "0 2 * * *", "except": [{"from": "01:00", "to": "02:00"}]},
        "no except without noPointOlderThan",
    ),
    "a whole week": (
        {"noPointOlderThan": "4h", "except": [{"from": "12:00", "to": "12:00"}]},
        "leave some time",
    ),
    "no clock": ({"every": "1h", "blackout": [{"from": "9:00", "to": "25:00"}]}, "time of day"),
    "jitter as long as the wait": ({"every": "1h", "jitter": "1h"}, "shorter than the longest"),
    "a day twice": (
        {"every": "1h", "blackout": [{"days": ["mon", "mon"], "from": "09:00", "to": "10:00"}]},
        "each item once",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_what_would_be_right(name: str) -> None:
    fields, expected = REFUSED[name]
    with pytest.raises(ValidationError, match=expected):
        made(**fields)


def test_only_a_backup_may_come_after_something_and_then_needs_no_time() -> None:
    backup = BackupSchedule(after=After(dags=("load",)))
    assert not backup.timed
    assert BackupSchedule(every=HOUR, after=After(assets=("orders",))).timed
    with pytest.raises(ValidationError, match="one of cron"):
        BackupSchedule()
    with pytest.raises(ValidationError, match="at least one of assets and dags"):
        After()


def test_a_blackout_is_known_and_moves_nothing() -> None:
    schedule = made(every="1h", blackout=[{"days": ["fri"], "from": "09:00", "to": "17:00"}])
    friday = datetime(2026, 5, 8, 12, tzinfo=UTC)
    assert str(schedule.blackout_at(friday)) == "fri 09:00-17:00"
    assert schedule.blackout_at(friday + timedelta(days=1)) is None
    assert Fires(schedule).at_or_after(friday) == friday
