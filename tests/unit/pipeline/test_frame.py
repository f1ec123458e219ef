"""Retries by the kind of error, runs by what started them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk.definitions.retry_policy import RetryAction

from lifeboat.errors import Forbidden, PointIncomplete, StoreUnavailable, Throttled
from lifeboat.pipeline.frame import EngineRetries, run_limit
from lifeboat.pipeline.opening import run_of


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


def test_a_task_may_take_as_long_as_its_objective_and_never_less_than_an_hour() -> None:
    assert run_limit(timedelta(hours=5)) == timedelta(hours=5)
    assert run_limit(timedelta(minutes=5)) == timedelta(hours=1)
