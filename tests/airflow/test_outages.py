"""What must not be lost while parts of a real Airflow stand still: the thaw, a dry run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lifeboat.steps.freeze import AT_LIMIT
from local.api import wait_until
from tests.airflow.test_runs import freeze_of, ran_here
from tests.support.airflow import Lifeboat

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

GUARDED = "backup.guarded.local"


@contextmanager
def paused(lifeboat: Lifeboat, dag: str) -> Iterator[None]:
    """Airflow looks at no run of it, and begins no task."""
    path = f"/api/v2/dags/{dag}"
    lifeboat.client.request("PATCH", path, {"is_paused": True})
    try:
        yield
    finally:
        lifeboat.client.request("PATCH", path, {"is_paused": False})


@contextmanager
def no_slots(lifeboat: Lifeboat) -> Iterator[None]:
    """As if every worker were busy: what runs goes on, nothing else begins."""
    path = "/api/v2/pools/default_pool"
    before = lifeboat.client.request("GET", path)["slots"]
    lifeboat.client.request("PATCH", path, {"slots": 0}, update_mask="slots")
    try:
        yield
    finally:
        lifeboat.client.request("PATCH", path, {"slots": before}, update_mask="slots")


def forget_hooks(lifeboat: Lifeboat) -> None:
    for name in ("guarded-frozen", "guarded-thawed"):
        (lifeboat.cluster.root / "exec" / name).unlink(missing_ok=True)


def frozen_run(lifeboat: Lifeboat) -> str:
    """A run in the middle of its freeze."""
    forget_hooks(lifeboat)
    run_id = lifeboat.start(GUARDED)
    wait_until("it freezes", lambda: "guarded-frozen" in ran_here(lifeboat), 300)
    return run_id


def thaws(lifeboat: Lifeboat) -> None:
    wait_until("it thaws", lambda: "guarded-thawed" in ran_here(lifeboat), 300)


def ends(lifeboat: Lifeboat, run_id: str) -> None:
    """The run makes its point, which says that the freeze had ended before."""
    run = lifeboat.finish(GUARDED, run_id, 600)
    assert run.state == "success", lifeboat.client.failure(run)
    assert freeze_of(lifeboat, "guarded.local", run).early == AT_LIMIT
    assert AT_LIMIT in lifeboat.log(run, "freeze_limit")


def test_a_backup_that_is_paused_in_its_freeze_thaws(lifeboat: Lifeboat) -> None:
    lifeboat.client.wait_for_dag(GUARDED)
    run_id = frozen_run(lifeboat)
    with paused(lifeboat, GUARDED):
        thaws(lifeboat)
        states = {t.task: t.state for t in lifeboat.client.task_instances(GUARDED, run_id)}
        assert states["unquiesce"] not in ("running", "success"), "nobody but the triggerer did"
    ends(lifeboat, run_id)


def test_a_backup_whose_workers_are_all_busy_thaws(lifeboat: Lifeboat) -> None:
    run_id = frozen_run(lifeboat)
    with no_slots(lifeboat):
        thaws(lifeboat)
        states = {t.task: t.state for t in lifeboat.client.task_instances(GUARDED, run_id)}
        assert states["unquiesce"] not in ("running", "success"), "nobody but the triggerer did"
    ends(lifeboat, run_id)


def test_a_restore_with_a_misspelt_dry_run_restores_nothing(lifeboat: Lifeboat) -> None:
    lifeboat.client.wait_for_dag("restore")
    run = lifeboat.finish(
        "restore", lifeboat.start("restore", instance="guarded.local", dryrun=True)
    )
    assert run.state == "failed"
    assert {t.state for t in run.tasks} <= {"failed", "upstream_failed"}
    assert 'did you mean "dry_run"' in lifeboat.log(run, "plan")
    plan = next(task for task in run.tasks if task.task == "plan")
    assert plan.try_number == 1, "trying again cannot help"
