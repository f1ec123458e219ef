"""Retries by the kind of error, runs by what started them, schedules as a person means them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
import time_machine
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable

from lifeboat.errors import Forbidden, PointIncomplete, StoreUnavailable, Throttled
from lifeboat.pipeline.frame import EngineRetries, run_limit, timetable
from lifeboat.pipeline.opening import run_of
from lifeboat.policy.schedule import Schedule


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        (Forbidden("no"), RetryAction.FAIL, None),
        (PointIncomplete("no"), RetryAction.FAIL, None),
        (Throttled("later", retry_after=7), RetryAction.RETRY, timedelta(seconds=7)),
        (StoreUnavailable("later"), RetryAction.DEFAULT, None),
        (OSError("who knows"), RetryAction.DEFAULT, None),
    ],
)
def test_the_error_itself_says_whether_to_try_again(
    error: Exception, action: RetryAction, delay: timedelta | None
) -> None:
    decision = EngineRetries().evaluate(error, 1, 3)
    assert (decision.action, decision.retry_delay) == (action, delay)


@pytest.mark.parametrize(
    ("kind", "date", "trigger", "tick"),
    [
        ("scheduled", datetime(2026, 5, 1, tzinfo=UTC), "scheduled", "2026-05-01T00:00:00Z"),
        ("backfill", datetime(2026, 5, 1, tzinfo=UTC), "backfill", "2026-05-01T00:00:00Z"),
        ("manual", None, "manual", ""),
        ("manual", datetime(2026, 5, 1, tzinfo=UTC), "manual", ""),  # the form fills a date in
        ("asset_triggered", None, "asset", ""),
        ("operator_triggered", None, "manual", ""),
    ],
)
def test_what_started_a_run(kind: str, date: datetime | None, trigger: str, tick: str) -> None:
    dag_run = SimpleNamespace(
        run_id="r", dag_id="d", run_type=SimpleNamespace(value=kind), logical_date=date
    )
    run = run_of(dag_run)
    assert (run.run_id, run.dag, run.trigger, run.scheduled_for) == ("r", "d", trigger, tick)


def scheduled() -> CronTriggerTimetable:
    """The scheduler's side of the timetable, after a round trip as the database makes it."""
    made = timetable(Schedule(cron="0 */4 * * *"))
    assert made is not None
    return CronTriggerTimetable("0 */4 * * *", timezone="UTC", run_immediately=made.run_immediately)


def next_run(last: datetime | None) -> datetime:
    import pendulum

    moment = pendulum.instance(last) if last else None
    found = scheduled().next_dagrun_info(
        last_automated_data_interval=DataInterval.exact(moment) if moment else None,
        restriction=TimeRestriction(None, None, False),
    )
    assert found is not None
    return found.run_after


@time_machine.travel(datetime(2026, 5, 1, 8, 5, tzinfo=UTC), tick=False)
def test_a_new_policy_waits_for_its_next_tick() -> None:
    assert next_run(None) == datetime(2026, 5, 1, 12, tzinfo=UTC)


@time_machine.travel(datetime(2026, 5, 3, 9, 30, tzinfo=UTC), tick=False)
def test_after_an_outage_one_run_makes_up_for_all() -> None:
    assert next_run(datetime(2026, 5, 1, 8, tzinfo=UTC)) == datetime(2026, 5, 3, 8, tzinfo=UTC)


@time_machine.travel(datetime(2026, 5, 3, 8, 0, 10, tzinfo=UTC), tick=False)
def test_the_next_run_after_the_newest_tick_is_the_next_tick() -> None:
    assert next_run(datetime(2026, 5, 3, 8, tzinfo=UTC)) == datetime(2026, 5, 3, 12, tzinfo=UTC)


def test_a_run_may_take_as_long_as_its_objective_and_never_less_than_an_hour() -> None:
    assert run_limit(timedelta(hours=5)) == timedelta(hours=5)
    assert run_limit(timedelta(minutes=5)) == timedelta(hours=1)
