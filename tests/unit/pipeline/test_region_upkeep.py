"""Upkeep catches up with copies in other regions: it waits without a worker, and starts what is due
at every look."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest
from airflow.sdk.exceptions import AirflowSkipException, TaskDeferred

from lifeboat.clock import rfc3339, utc_now
from lifeboat.errors import SnapshotFailed
from lifeboat.pipeline import opening, triggers, waiting
from lifeboat.pipeline.triggers import LookTrigger
from lifeboat.pipeline.upkeep_tasks import CatchUpOperator
from tests.contract.test_azure_engine import Engine, engine
from tests.support.task_run import run_context

__all__ = ["engine"]


@pytest.fixture
def catch_up(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> CatchUpOperator:
    """The task, opened on the stand-in for Azure, without patience."""
    for module in (waiting, triggers):
        monkeypatch.setattr(module, "open_instance", lambda *_: engine.context())
    monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(opening, "get_current_context", run_context)
    return CatchUpOperator(task_id="copy_regions", instance="shop.aks")


def test_it_waits_deferred_until_the_last_copy_is_whole(
    engine: Engine, catch_up: CatchUpOperator
) -> None:
    for number in (1, 2):
        engine.back_up(number)
    with pytest.raises(TaskDeferred) as deferred:
        catch_up.execute({})
    trigger = deferred.value.trigger
    assert isinstance(trigger, LookTrigger)
    assert trigger.look == "region_copies"
    assert len(trigger._look()) == 2
    for left in (1, 0):
        engine.azure.time.advance(1000)
        assert len(trigger._look()) == left  # a look starts the copy whose turn it is
    began = (deferred.value.kwargs or {})["began"]
    assert catch_up.resume({}, None, began=began) == {"ready": 2, "waiting": 0, "removed": 0}


def test_what_is_late_is_left_to_the_next_run(engine: Engine, catch_up: CatchUpOperator) -> None:
    for number in (1, 2):
        engine.back_up(number)
    told = catch_up.resume({}, None, began="2026-01-01T00:00:00Z")
    assert (told["ready"], told["waiting"]) == (0, 2)


def test_a_copy_that_failed_fails_the_task(engine: Engine, catch_up: CatchUpOperator) -> None:
    made = engine.back_up(1)
    del engine.azure.arm.estate.snapshots[made.volumes[0].handle.lower()]
    with pytest.raises(SnapshotFailed, match="copies that failed"):
        catch_up.resume({}, None, began=rfc3339(utc_now()))


def test_a_backfilled_run_leaves_it_to_the_runs_of_today(
    engine: Engine, catch_up: CatchUpOperator, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.back_up(1)
    past = partial(run_context, "backfill", datetime(2026, 5, 1, tzinfo=UTC))
    monkeypatch.setattr(opening, "get_current_context", past)
    with pytest.raises(AirflowSkipException, match="of now"):
        catch_up.execute({})
