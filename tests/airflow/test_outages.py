"""What must not be lost while parts of a real Airflow stand still: the thaw, gaps, a dry run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.pipeline.backup_tasks import RUN_KEY
from lifeboat.point import catalog
from lifeboat.point.facts import read_gaps
from lifeboat.point.manifest import Run
from lifeboat.policy.fires import Fires, offset_of
from lifeboat.steps.backup import backup
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.freeze import AT_LIMIT
from lifeboat.steps.gaps import FAILED_RUN, NO_RUN
from local.api import wait_until
from tests.airflow.test_runs import freeze_of, ran_here
from tests.support.airflow import Lifeboat

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

GUARDED = "backup.guarded.local"
MISSED = "missed.local"


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


def test_weeks_without_a_scheduler_are_gaps_and_one_point(lifeboat: Lifeboat) -> None:
    """The scheduler makes the run of the tick that it had noted, and then that of the newest."""
    dag, context = f"backup.{MISSED}", lifeboat.context(MISSED)
    lifeboat.client.wait_for_dag(dag)
    rhythm = context.instance.policy.rhythm
    assert rhythm is not None
    fires = Fires(rhythm, offset_of(MISSED, rhythm.jitter))
    newest = fires.before(datetime.now(UTC))
    ticks = [newest - timedelta(weeks=weeks) for weeks in (4, 3, 2, 1, 0)]
    with paused(lifeboat, dag):
        then = replace(context, clock=lambda: ticks[0])
        before = backup(then, scheduled(ticks[0]), lambda _: None)
        assert before is not None
        enumerate_scope(replace(context, clock=lambda: ticks[1]), scheduled(ticks[1]))
        columns = ("", "_create_after", "_data_interval_start", "_data_interval_end")
        noted = ", ".join(f"next_dagrun{one} = '{ticks[2].isoformat()}'" for one in columns)
        lifeboat.database(f"UPDATE dag SET {noted} WHERE dag_id = '{dag}' RETURNING dag_id")
    wait_until(
        "the newest tick has a run", lambda: len(of_schedule(lifeboat, dag, newest)) == 1, 300
    )
    runs = [run for run in lifeboat.client.runs(dag) if run["run_type"] == "scheduled"]
    done = [lifeboat.finish(dag, run["dag_run_id"]) for run in runs]
    assert {run.state for run in done} == {"success"}
    assert len(catalog.point_ids(context.vault, MISSED)) == 2, "one before, one now"
    gaps = {parse_rfc3339(gap.tick): gap for gap in read_gaps(context.vault, MISSED)}
    assert sorted(gaps) == ticks[1:4]
    assert [gaps[tick].cause for tick in ticks[1:4]] == [FAILED_RUN, NO_RUN, NO_RUN]
    assert all(gap.seconds > 4 * 7 * 86400 for gap in gaps.values())
    told = [lifeboat.client.xcom(dag, run.run_id, "enumerate", RUN_KEY)["run"] for run in done]
    assert len([one for one in told if one in ("capture", "catch-up")]) == 1, told


def scheduled(tick: datetime) -> Run:
    """As Airflow's own run of a tick."""
    return Run(f"scheduled__{tick.isoformat()}", "scheduled", rfc3339(tick))


def of_schedule(lifeboat: Lifeboat, dag: str, tick: datetime) -> list[str]:
    return [
        run["dag_run_id"]
        for run in lifeboat.client.runs(dag)
        if run["run_type"] == "scheduled" and parse_rfc3339(run["logical_date"]) == tick
    ]
