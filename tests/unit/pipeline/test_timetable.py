"""What a tick is: as Airflow's scheduler and its backfills ask the timetable, after a round trip
through the form in which the database keeps it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pendulum
import pytest
import time_machine
from airflow import plugins_manager
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable

from bench.instances import instance_of
from lifeboat.pipeline.frame import timetable
from lifeboat.pipeline.timetable import PolicyTimetable
from lifeboat.policy.fires import offset_of
from lifeboat.policy.schedule import Schedule

POLICY = """\
clusters: [local]
objectives: {{rpo: 7d}}
schedule: {schedule}
retention: {{keep: {{last: 3}}}}
"""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the plugin registers it."""
    name = f"{PolicyTimetable.__module__}.{PolicyTimetable.__name__}"
    monkeypatch.setattr(plugins_manager, "get_timetables_plugins", lambda: {name: PolicyTimetable})


def scheduled(schedule: str) -> Any:
    """The scheduler's timetable of a policy's schedule."""
    instance = instance_of(POLICY.format(schedule=schedule))
    return decode_timetable(encode_timetable(timetable(instance.policy.schedule, instance.id)))


def following(timetable: Any, last: str = "", *, earliest: str = "", catchup: bool = False) -> str:
    interval = DataInterval.exact(pendulum.instance(at(last))) if last else None
    restriction = TimeRestriction(
        pendulum.instance(at(earliest)) if earliest else None, None, catchup
    )
    info = timetable.next_dagrun_info(
        last_automated_data_interval=interval, restriction=restriction
    )
    assert info.data_interval == DataInterval.exact(info.run_after)
    return info.run_after.strftime("%Y-%m-%dT%H:%M")


SCHEDULES = ['{cron: "0 */4 * * *", jitter: 1s}', "{every: 4h}", '{cron: "0 */4 * * *"}']
"""The same ticks in three ways; the last is Airflow's own timetable, which the others follow."""


@pytest.fixture(params=SCHEDULES)
def four_hourly(request: pytest.FixtureRequest, registered: None) -> Any:
    return scheduled(request.param)


@time_machine.travel(at("2026-05-01T08:05"), tick=False)
def test_a_new_policy_waits_for_its_next_tick(four_hourly: Any) -> None:
    assert following(four_hourly) == "2026-05-01T12:00"


@time_machine.travel(at("2026-05-03T09:30"), tick=False)
def test_a_scheduler_that_was_down_or_a_dag_that_was_paused_for_days_makes_one_run(
    four_hourly: Any,
) -> None:
    assert following(four_hourly, "2026-05-01T08:00") == "2026-05-03T08:00"
    assert following(four_hourly, "2026-05-03T08:00") == "2026-05-03T12:00"


@time_machine.travel(at("2026-05-03T08:00:10"), tick=False)
def test_after_the_newest_tick_comes_the_next(four_hourly: Any) -> None:
    assert following(four_hourly, "2026-05-03T08:00") == "2026-05-03T12:00"


@time_machine.travel(at("2026-05-03T05:00"), tick=False)
def test_a_clock_that_was_set_back_makes_no_run_twice(four_hourly: Any) -> None:
    """The run of 08:00 was made before somebody turned the clock back by four hours."""
    assert following(four_hourly, "2026-05-03T08:00") == "2026-05-03T12:00"


@time_machine.travel(at("2026-05-03T23:00"), tick=False)
def test_a_clock_that_leapt_ahead_makes_one_run_for_the_newest_tick(four_hourly: Any) -> None:
    assert following(four_hourly, "2026-05-03T08:00") == "2026-05-03T20:00"


@time_machine.travel(at("2026-05-10T00:00"), tick=False)
def test_a_backfill_has_every_tick_of_its_range(four_hourly: Any) -> None:
    found, last = [], ""
    while not found or found[-1] < "2026-05-02T08:00":
        last = following(four_hourly, last, earliest="2026-05-01T13:00", catchup=True)
        found.append(last)
    assert found == [
        "2026-05-01T16:00",
        "2026-05-01T20:00",
        "2026-05-02T00:00",
        "2026-05-02T04:00",
        "2026-05-02T08:00",
    ]


def test_after_the_last_moment_there_is_no_run(registered: None) -> None:
    made = scheduled("{every: 4h}")
    restriction = TimeRestriction(None, pendulum.datetime(2026, 5, 1), catchup=False)
    assert made.next_dagrun_info(last_automated_data_interval=None, restriction=restriction) is None


@time_machine.travel(at("2026-10-24T23:30"), tick=False)
def test_over_the_hour_that_the_clock_shows_twice(registered: None) -> None:
    """02:30 in Berlin is shown at 00:30 and 01:30 UTC on 25 October 2026; it fires once, then."""
    for schedule in (
        '{cron: "30 2 * * *", timezone: Europe/Berlin}',
        '{cron: "30 2 * * *", timezone: Europe/Berlin, jitter: 1s}',
    ):
        made = scheduled(schedule)
        assert following(made, "2026-10-24T00:30") == "2026-10-25T01:30"
        with time_machine.travel(at("2026-10-25T01:40"), tick=False):
            assert following(made, "2026-10-25T01:30") == "2026-10-26T01:30"


def test_over_the_hour_that_the_clock_skips(registered: None) -> None:
    for schedule in (
        '{cron: "30 2 * * *", timezone: Europe/Berlin}',
        '{cron: "30 2 * * *", timezone: Europe/Berlin, jitter: 1s}',
    ):
        with time_machine.travel(at("2026-03-28T12:00"), tick=False):
            assert following(scheduled(schedule), "2026-03-28T01:30") == "2026-03-29T01:30"


@time_machine.travel(at("2026-05-01T08:05"), tick=False)
def test_an_edit_of_the_schedule_goes_on_from_the_last_run(registered: None) -> None:
    assert following(scheduled("{every: 6h}"), "2026-05-01T08:00") == "2026-05-01T12:00"


@time_machine.travel(at("2026-05-06T05:00"), tick=False)
def test_the_scheduler_keeps_out_of_windows_and_to_the_instances_share(registered: None) -> None:
    made = scheduled(
        "{noPointOlderThan: 4h, timezone: Europe/Berlin, jitter: 20m,"
        ' except: [{days: [wed], from: "08:00", to: "18:00"}]}'
    )
    offset = offset_of("bench.local", timedelta(minutes=20))
    assert following(made, "2026-05-06T05:00") == "2026-05-06T05:30"
    end = (at("2026-05-06T16:00") + offset).strftime("%Y-%m-%dT%H:%M")
    assert following(made, "2026-05-06T05:30") == end
    assert made.serialize()["offset"] == offset.total_seconds()
    assert "noPointOlderThan 4h" in made.summary
    assert made.periodic


def test_a_manual_run_stands_for_its_moment(registered: None) -> None:
    moment = pendulum.datetime(2026, 5, 1, 8, 5)
    made = scheduled("{every: 4h}")
    assert made.infer_manual_data_interval(run_after=moment) == DataInterval.exact(moment)


def test_a_form_that_was_not_serialized_by_this_version_is_refused(registered: None) -> None:
    with pytest.raises(ValueError, match="one of cron"):
        PolicyTimetable.deserialize({"schedule": {}, "offset": 0})
    assert PolicyTimetable(Schedule(every=timedelta(hours=1))).summary == "every 1h"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Sydney"])
@pytest.mark.parametrize(
    "cron", ["0 * * * *", "30 2 * * *", "*/20 1-3 * * *", "15 */2 * * *", "0 1,2,3 * * SUN"]
)
def test_ticks_are_those_of_airflows_own_timetable(cron: str, zone: str) -> None:
    """Over both changes of the clocks of a year, a backfill's way from tick to tick."""
    schedule = Schedule(cron=cron, timezone=zone)
    theirs = CronTriggerTimetable(cron, timezone=zone)
    ours = PolicyTimetable(schedule)
    for begin in (
        "2026-03-06",
        "2026-03-27",
        "2026-04-03",
        "2026-10-02",
        "2026-10-23",
        "2026-10-30",
    ):
        restriction = TimeRestriction(pendulum.instance(at(begin)), None, catchup=True)
        last, until = None, at(begin) + timedelta(days=4)
        while last is None or last.end < until:
            asked = {"last_automated_data_interval": last, "restriction": restriction}
            expected = theirs.next_dagrun_info(**asked)
            found = ours.next_dagrun_info(**asked)
            assert expected is not None
            assert found is not None
            assert found.run_after == expected.run_after, (begin, last)
            last = expected.data_interval
