"""Time honestly (P7), through Airflow's scheduler and the API behind the dialog "Backfill": what
was missed is a gap, at most one point is captured, now; upkeep works on the points of then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifeboat.clock import parse_rfc3339
from lifeboat.pipeline.backup_tasks import RUN_KEY
from lifeboat.point import catalog
from lifeboat.point.facts import read_gaps
from lifeboat.point.manifest import Run, read_manifest
from lifeboat.policy.fires import Fires, offset_of
from lifeboat.steps.backup import backup
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.gaps import FAILED_RUN, NO_RUN
from local.api import wait_until
from tests.support.airflow import Lifeboat

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

OUTAGE = "outage.local"
DAG = f"backup.{OUTAGE}"
OLD = "old.local"
DEAD = "dead.local"


@pytest.fixture
def connected(lifeboat: Lifeboat) -> Iterator[Lifeboat]:
    """With the connection of Airflow's own API."""
    client = lifeboat.client
    body = {
        "connection_id": "time_airflow",
        "conn_type": "http",
        "host": client.url,
        "login": client._user,
        "password": client._password,
    }
    client.request("POST", "/api/v2/connections", body)
    yield lifeboat
    client.request("DELETE", "/api/v2/connections/time_airflow")


def backfilled(lifeboat: Lifeboat, dag: str, since: datetime, until: datetime, **how: Any) -> None:
    """What the dialog does; returns when all runs are over."""
    made = lifeboat.client.backfill(dag, since.isoformat(), until.isoformat(), **how)
    path = f"/api/v2/backfills/{made['id']}"
    wait_until(
        "the backfill is done",
        lambda: bool(lifeboat.client.request("GET", path)["completed_at"]),
        300,
    )


def kinds(lifeboat: Lifeboat, runs: list[dict[str, Any]]) -> list[str]:
    """What each run's page says it was."""
    told = (
        lifeboat.client.xcom(run["dag_id"], run["dag_run_id"], "enumerate", RUN_KEY) for run in runs
    )
    return sorted(one["run"] for one in told)


def of_type(lifeboat: Lifeboat, dag: str, kind: str) -> list[dict[str, Any]]:
    return [run for run in lifeboat.client.runs(dag) if run["run_type"] == kind]


def test_an_outage_backfilled_in_every_way_is_gaps_and_one_point(lifeboat: Lifeboat) -> None:
    """One after the other on what the one before left: none backwards, completed, failed."""
    client, context = lifeboat.client, lifeboat.context(OUTAGE)
    client.wait_for_dag(DAG)
    rhythm = context.instance.policy.rhythm
    assert rhythm is not None
    fires = Fires(rhythm, offset_of(OUTAGE, rhythm.jitter))
    until = datetime.now(UTC)
    ticks = sorted(tick for tick, _ in zip(fires.backwards(until), range(3), strict=False))
    since = ticks[0] - timedelta(hours=1)
    assert of_type(lifeboat, DAG, "scheduled") == [], "a new DAG waits for its next tick"

    backfilled(lifeboat, DAG, since, until, reprocess_behavior="none", run_backwards=True)
    runs = of_type(lifeboat, DAG, "backfill")
    assert [parse_rfc3339(run["logical_date"]) for run in runs] == ticks[::-1]
    assert {run["state"] for run in runs} == {"success"}
    was = kinds(lifeboat, runs)
    assert was.count("catch-up") == 1
    assert set(was) <= {"catch-up", "gap", "covered", "captured then"}
    (point,) = catalog.point_ids(context.vault, OUTAGE)
    manifest = read_manifest(context.vault, OUTAGE, point)
    assert parse_rfc3339(manifest.captured_from) > datetime.now(UTC) - timedelta(hours=1)
    gaps = read_gaps(context.vault, OUTAGE)
    assert sorted(parse_rfc3339(gap.tick) for gap in gaps) == ticks[:-1], "the last is not over"
    assert {gap.cause for gap in gaps} == {NO_RUN}
    assert all(gap.seconds > 31 * 86400 for gap in gaps)

    backfilled(lifeboat, DAG, since, until, reprocess_behavior="completed")
    runs = of_type(lifeboat, DAG, "backfill")
    assert [run["state"] for run in runs] == ["success"] * 3
    assert catalog.point_ids(context.vault, OUTAGE) == [point]
    assert read_gaps(context.vault, OUTAGE) == gaps, "the first account stays"

    failed = f"/api/v2/dags/{DAG}/dagRuns/{runs[0]['dag_run_id']}"
    client.request("PATCH", failed, {"state": "failed"})
    backfilled(lifeboat, DAG, since, until, reprocess_behavior="failed")
    assert client.request("GET", failed)["state"] == "success"
    assert catalog.point_ids(context.vault, OUTAGE) == [point]

    client.request("DELETE", f"/api/v2/dags/{DAG}")
    client.wait_for_dag(DAG)
    assert client.runs(DAG) == [], "deleted and made again, it knows no run and makes none up"
    again = read_manifest(context.vault, OUTAGE, lifeboat.back_up(OUTAGE))
    assert again.previous == point
    assert read_gaps(context.vault, OUTAGE) == gaps


def test_a_run_that_failed_is_backfilled_as_a_gap_with_its_cause(lifeboat: Lifeboat) -> None:
    """Claimed by the run of then, which died: as the scheduler would have made it."""
    client, context = lifeboat.client, lifeboat.context(DEAD)
    dag, tick = f"backup.{DEAD}", datetime(2026, 3, 1, tzinfo=UTC)
    client.wait_for_dag(dag)

    run = Run(f"backfill__{tick.isoformat()}", "scheduled", "2026-03-01T00:00:00Z", dag)
    dead = enumerate_scope(context, run).point
    backfilled(lifeboat, dag, tick, tick + timedelta(days=1))
    (gap,) = [gap for gap in read_gaps(context.vault, DEAD) if gap.tick[5:7] == "03"]
    assert gap.cause == FAILED_RUN
    assert dead not in catalog.point_ids(context.vault, DEAD)


def test_a_backfill_of_upkeep_works_on_the_point_of_then(lifeboat: Lifeboat) -> None:
    dag, captured = f"upkeep.{OLD}", datetime(2026, 6, 16, tzinfo=UTC)
    context = replace(lifeboat.context(OLD), clock=lambda: captured)
    manifest = backup(context, Run("long-ago", "manual"), lambda _: None)
    assert manifest is not None
    lifeboat.client.wait_for_dag(dag)
    sunday = datetime(2026, 6, 14, 3, tzinfo=UTC)
    backfilled(lifeboat, dag, sunday, sunday + timedelta(days=8), run_backwards=True)
    after, before = of_type(lifeboat, dag, "backfill")
    found = [
        lifeboat.client.xcom(dag, run["dag_run_id"], "reconcile")["point"]
        for run in (after, before)
    ]
    assert found == [manifest.point, ""]
    read = lifeboat.client.xcom(dag, after["dag_run_id"], "scrub")
    assert (read["point"], read["bytes"] > 0) == (manifest.point, True)
    states = [
        {t.task: t.state for t in lifeboat.client.task_instances(dag, run["dag_run_id"])}
        for run in (after, before)
    ]
    assert states == [
        {"reconcile": "success", "scrub": "success", "prune": "skipped"},
        {"reconcile": "success", "scrub": "skipped", "prune": "skipped"},
    ]


def test_a_point_follows_the_success_of_another_dag(connected: Lifeboat) -> None:
    client, dag = connected.client, "backup.follower.local"
    client.wait_for_dag(dag)
    wait_until("the watcher looks", lambda: bool(watching(connected)), 120)
    leader = connected.run(f"backup.{OLD}")
    wait_until("it follows", lambda: bool(of_type(connected, dag, "asset_triggered")), 180)
    (run,) = of_type(connected, dag, "asset_triggered")
    done = connected.finish(dag, run["dag_run_id"])
    assert done.state == "success", client.failure(done)
    point = client.xcom(dag, done.run_id, "commit")["point"]
    vault = connected.context("follower.local").vault
    assert read_manifest(vault, "follower.local", point).run.trigger == "asset"
    events = client.request("GET", "/api/v2/assets/events")["asset_events"]
    told = [event["extra"] for event in events if "payload" in str(event["extra"])]
    assert leader.run_id in str(told)


def watching(lifeboat: Lifeboat) -> str:
    """How far the watcher of the leader has looked, from Airflow's store of the asset."""
    return lifeboat.database("SELECT count(*) FROM asset_state_store").strip("0")


def test_other_dags_run_again_from_a_restored_point_on(connected: Lifeboat) -> None:
    dag, client = "backup.again.local", connected.client
    client.wait_for_dag(dag)
    context = connected.context(OLD)
    captured = datetime.now(UTC) - timedelta(days=70)
    long_ago = replace(context, clock=lambda: captured)
    manifest = backup(long_ago, Run("before-the-loss", "manual"), lambda _: None)
    assert manifest is not None
    run = connected.run(
        "replay", instance=OLD, point=manifest.point, dags=[dag], connection="time_airflow"
    )
    first, last = client.xcom("replay", run.run_id, "replay")[dag]
    assert parse_rfc3339(first) <= captured.replace(microsecond=0)
    assert parse_rfc3339(last) > captured + timedelta(days=69)
    found = client.request("GET", "/api/v2/backfills", dag_id=dag)["backfills"]
    (asked,) = [one for one in found if one["reprocess_behavior"] == "completed"]
    assert asked["max_active_runs"] == 1
    path = f"/api/v2/backfills/{asked['id']}"
    wait_until("it is done", lambda: bool(client.request("GET", path)["completed_at"]), 300)
    again = connected.finish(
        "replay",
        connected.start(
            "replay", instance=OLD, dags=["backup.old.local"], connection="time_airflow"
        ),
    )
    assert again.state == "failed", "a DAG without a schedule cannot be backfilled"
    assert "1 of 1 DAGs do not run again" in connected.log(again, "replay")
