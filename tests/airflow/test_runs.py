"""Runs of every DAG through Airflow's API, on a real cluster: what they do, what they promise."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lifeboat.clock import rfc3339, utc_now
from lifeboat.point import catalog
from lifeboat.point.context import EXPOSURE, noted
from lifeboat.point.exposure import Exposure
from lifeboat.point.facts import Verdict, read_gaps, read_verdicts, record_verdict
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import Freeze, open_contents, read_manifest
from lifeboat.proof.scratch import TEST_LABEL
from lifeboat.steps.commit import ensure_complete
from lifeboat.steps.reconcile import reconcile
from lifeboat.vault.packs import pack_key
from local import sample_app
from local.airflow_client import Run
from local.api import wait_until
from local.fingerprint import differences, fingerprint
from tests.support.airflow import Lifeboat
from tests.support.planted import assert_no_secret

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

SHOP = "shop.local"
QUIET = "quiet.local"
PASSWORD = "marmalade-on-the-quarterdeck"
ADDRESS = "services/T0/B0/ginger-in-the-crows-nest"
KILLED = ("enumerate", "dump", "snapshot", "settle", "commit", "prune")


def test_a_backup_ends_in_a_whole_point_and_the_next_one_stores_next_to_nothing(
    lifeboat: Lifeboat,
) -> None:
    run = lifeboat.run(f"backup.{SHOP}")
    labels = {task.name for task in run.tasks}
    assert "snapshot [shop/data-db-0, shop-data/uploads]" in labels
    assert any(name.startswith("dump [part 1 of 1") for name in labels)
    committed = lifeboat.client.xcom(run.dag_id, run.run_id, "commit")
    vault = lifeboat.context(SHOP).vault
    manifest = read_manifest(vault, SHOP, committed["point"])
    ensure_complete(manifest)
    held = open_contents(lifeboat.context(SHOP).vault, manifest)
    assert held.namespaces() == ("shop", "shop-data")
    assert sorted(s.volume.title for s in manifest.volumes) == [
        "shop-data/uploads",
        "shop/data-db-0",
    ]
    assert (manifest.run.run_id, manifest.run.trigger) == (run.run_id, "manual")
    assert (manifest.run.scheduled_for, manifest.run.dag) == ("", f"backup.{SHOP}")
    ran = {task.task for task in run.tasks if task.try_number and task.state != "skipped"}
    assert "find_hooks" in ran, "pods may ask for hooks"
    assert len(ran) <= 9, sorted(ran)
    told = noted(vault, SHOP, EXPOSURE, manifest.point, Exposure)
    assert told is not None, "what no policy protects stands beside the point"
    assert "shop" in told[1].policies
    assert "default" in [space.namespace for space in told[1].namespaces]
    again = read_manifest(vault, SHOP, lifeboat.back_up(SHOP))
    assert again.previous == manifest.point
    assert again.new_objects <= 3  # what controllers touch meanwhile


def test_what_was_lost_is_restored_from_the_form(lifeboat: Lifeboat) -> None:
    api, csi = lifeboat.cluster.api, lifeboat.cluster.csi_root
    before = fingerprint(api, csi, "shop")
    point = lifeboat.back_up(SHOP)
    dry = lifeboat.run("restore", instance=SHOP, point=point, dry_run=True)
    assert {t.state for t in dry.tasks if t.task not in ("plan", "report")} == {"skipped"}
    assert "dry run, nothing was changed" in lifeboat.log(dry, "report")
    api.delete("v1", "Namespace", "", "shop")
    wait_until("shop is gone", lambda: api.gone("v1", "Namespace", "", "shop"), 180)
    lifeboat.run("restore", instance=SHOP, namespaces=["shop"])
    sample_app.wait_ready(api, ("shop",))
    assert differences(before, fingerprint(api, csi, "shop")) == []


def test_a_test_restore_proves_the_point_and_leaves_nothing(lifeboat: Lifeboat) -> None:
    point = lifeboat.back_up(SHOP)
    run = lifeboat.run(f"test_restore.{SHOP}", point=point)
    verdicts = read_verdicts(lifeboat.context(SHOP).vault, SHOP, point)
    assert [verdict.proven for verdict in verdicts] == [True]
    assert 0 < verdicts[0].rto_seconds < 300
    assert {check.outcome for check in verdicts[0].checks} == {"passed"}
    assert f"point {point} is proven" in lifeboat.log(run, "verdict")
    assert scratch_namespaces(lifeboat) == []


def test_every_second_point_starts_a_test_restore_and_old_ticks_test_what_stood_then(
    lifeboat: Lifeboat,
) -> None:
    instance, dag = "tested.local", "test_restore.tested.local"
    vault = lifeboat.context(instance).vault
    lifeboat.client.wait_for_dag(dag)
    lifeboat.back_up(instance)
    second = lifeboat.back_up(instance)
    wait_until(
        "the second point is proven",
        lambda: [v.point for v in read_verdicts(vault, instance) if v.proven] == [second],
        240,
    )
    runs = backfilled(lifeboat, dag)
    told = lifeboat.client.run(dag, runs[0]["dag_run_id"])
    assert "nothing was tested: no point stood at" in lifeboat.log(told, "report")
    states = {task.task: task.state for task in told.tasks}
    assert (states["scratch"], states["tear_down"]) == ("skipped", "skipped")
    # After the first backfill of a DAG, Airflow also makes a run for its latest missed tick, which
    # tests the newest point again.
    ended = ["success"]
    wait_until("that run is over", lambda: states_of(lifeboat, dag, "scheduled") == ended, 240)
    assert [v.point for v in read_verdicts(vault, instance)] == [second, second]


def test_a_test_restore_that_breaks_is_a_verdict_too(lifeboat: Lifeboat) -> None:
    instance = "quiet.local"
    point = lifeboat.back_up(instance)
    vault = lifeboat.context(instance).vault
    for pack in needed_by(vault, [read_manifest(vault, instance, point)]).packs:
        vault.store.delete(pack_key(pack))
    dag = f"test_restore.{instance}"
    run = lifeboat.finish(dag, lifeboat.start(dag, point=point))
    assert run.state == "failed"
    assert "the point is not proven" in lifeboat.log(run, "report")
    verdict = read_verdicts(vault, instance, point)[-1]
    assert not verdict.proven
    assert "scratch" in verdict.error
    states = {task.task: task.state for task in run.tasks}
    assert states["tear_down"] == "success"
    assert scratch_namespaces(lifeboat) == []


def test_what_cannot_be_restored_as_asked_fails_at_once_and_says_why(lifeboat: Lifeboat) -> None:
    point = lifeboat.back_up(SHOP)
    run = lifeboat.finish(
        "restore", lifeboat.start("restore", instance=SHOP, point=point, namespaces=["shopp"])
    )
    assert run.state == "failed"
    plan = next(task for task in run.tasks if task.task == "plan")
    assert plan.try_number == 1
    assert "holds no namespace shopp" in lifeboat.log(run, "plan")
    assert "it holds shop, shop-data" in lifeboat.log(run, "plan")


def test_hooks_still_the_workload_only_while_snapshots_are_taken(lifeboat: Lifeboat) -> None:
    run = lifeboat.run("backup.hooked.local")
    assert {task.state for task in run.tasks} == {"success"}
    assert "statefulset/db in shop" in lifeboat.log(run, "quiesce")
    assert "in time" in lifeboat.log(run, "freeze_limit")
    sample_app.wait_ready(lifeboat.cluster.api, ("shop",))
    live = lifeboat.cluster.api.get("apps/v1", "StatefulSet", "shop", "db")
    assert live["spec"]["replicas"] >= 1
    assert {"hooked-frozen", "hooked-thawed"} <= ran_here(lifeboat)
    freeze = freeze_of(lifeboat, "hooked.local", run)
    assert {hook.trouble for hook in freeze.hooks} == {""}
    first, *_ = [hook.what for hook in freeze.hooks]
    assert (freeze.hooks[-1].phase, freeze.hooks[-1].what) == ("post", "statefulset/db in shop")
    assert first.startswith("pod shop/web-")
    assert (freeze.uncut, freeze.early) == ((), "")
    assert freeze.began <= freeze.ended


def test_a_freeze_that_fails_half_way_thaws_and_makes_no_point(lifeboat: Lifeboat) -> None:
    dag = "backup.stuck.local"
    run = lifeboat.finish(dag, lifeboat.start(dag))
    assert run.state == "failed"
    states = {task.task: task.state for task in run.tasks}
    assert (states["quiesce"], states["unquiesce"]) == ("failed", "success")
    assert states["commit"] == "upstream_failed"
    assert "stuck-thawed" in ran_here(lifeboat)
    assert "hook: pre of pod shop/web-" in lifeboat.log(run, "report")
    assert catalog.point_ids(lifeboat.context("stuck.local").vault, "stuck.local") == []


def test_a_freeze_ends_at_its_limit_and_the_point_names_what_was_not_cut(
    lifeboat: Lifeboat,
) -> None:
    dag = "backup.slow.local"
    with stopped(lifeboat, "csi-snapshotter"):
        run_id = lifeboat.start(dag)
        wait_until(
            "it thaws",
            lambda: any(
                task.task == "unquiesce" and task.state == "success"
                for task in lifeboat.client.task_instances(dag, run_id)
            ),
            240,
        )
        assert "slow-thawed" in ran_here(lifeboat)
    run = lifeboat.finish(dag, run_id)
    assert run.state == "success", lifeboat.client.failure(run)
    assert freeze_of(lifeboat, "slow.local", run).uncut == ("shop-data/uploads",)
    assert "shop-data/uploads was not cut when the freeze ended" in lifeboat.log(run, "report")


def backfilled(lifeboat: Lifeboat, dag: str) -> list[dict[str, Any]]:
    """The runs of three months, of a DAG with a monthly schedule."""
    made = lifeboat.client.backfill(dag, "2026-05-15T00:00:00Z", "2026-08-15T00:00:00Z")
    path = f"/api/v2/backfills/{made['id']}"
    wait_until(
        "the backfill is done",
        lambda: bool(lifeboat.client.request("GET", path)["completed_at"]),
        240,
    )
    runs = [r for r in lifeboat.client.runs(dag) if r["run_type"] == "backfill"]
    assert [run["state"] for run in runs] == ["success"] * 3
    return runs


def states_of(lifeboat: Lifeboat, dag: str, run_type: str) -> list[str]:
    return [r["state"] for r in lifeboat.client.runs(dag) if r["run_type"] == run_type]


def ran_here(lifeboat: Lifeboat) -> set[str]:
    """What commands in pods have touched: kwok runs them on this machine."""
    return {path.name for path in (lifeboat.cluster.root / "exec").iterdir()}


def freeze_of(lifeboat: Lifeboat, instance: str, run: Run) -> Freeze:
    """How the freeze of a run's point went."""
    point = lifeboat.client.xcom(run.dag_id, run.run_id, "commit")["point"]
    freeze = read_manifest(lifeboat.context(instance).vault, instance, point).freeze
    assert isinstance(freeze, Freeze)
    return freeze


def test_a_long_wait_is_deferred_also_with_a_connection_of_airflows(lifeboat: Lifeboat) -> None:
    lifeboat.client.request(
        "POST",
        "/api/v2/connections",
        {
            "connection_id": "kube_linked",
            "conn_type": "kubernetes",
            "extra": json.dumps({"kube_config_path": str(lifeboat.cluster.kubeconfig)}),
        },
    )
    dag = "backup.linked.linked"
    with stopped(lifeboat, "csi-snapshotter"):
        run_id = lifeboat.start(dag)
        wait_until(
            "settle is deferred",
            lambda: any(
                task.task == "settle" and task.state == "deferred"
                for task in lifeboat.client.task_instances(dag, run_id)
            ),
            180,
        )
    run = lifeboat.finish(dag, run_id)
    assert run.state == "success", lifeboat.client.failure(run)
    told = lifeboat.client.xcom(dag, run_id, "commit")
    assert (told["complete"], told["volumes"]) == (True, 1)


def test_a_backfill_records_gaps_and_captures_at_most_one_point(lifeboat: Lifeboat) -> None:
    instance, dag = "monthly.local", "backup.monthly.local"
    lifeboat.client.wait_for_dag(dag)
    points = set(catalog.point_ids(lifeboat.context(instance).vault, instance))
    backfilled(lifeboat, dag)
    context = lifeboat.context(instance)
    ticks = sorted(gap.tick for gap in read_gaps(context.vault, instance))
    assert ticks == [f"2026-0{month}-01T00:00:00Z" for month in (6, 7, 8)]
    # Airflow may add a scheduled run for the newest tick: the first one that this DAG ever had.
    new = set(catalog.point_ids(context.vault, instance)) - points
    made_by = [read_manifest(context.vault, instance, point) for point in new]
    captured = [manifest for manifest in made_by if manifest.run.trigger == "backfill"]
    assert len(captured) <= 1
    assert new, "neither the backfill nor the newest tick was captured"
    for manifest in captured:
        assert datetime.fromisoformat(manifest.captured_from).year == datetime.now(UTC).year
        assert manifest.captured_from > "2026-08-15"


def test_killed_in_every_step_the_run_converges_on_one_whole_point(lifeboat: Lifeboat) -> None:
    context = lifeboat.context(SHOP)
    points = set(catalog.point_ids(context.vault, SHOP))
    dag = f"backup.{SHOP}"
    run_id = lifeboat.start(dag)
    for task in KILLED:
        kill_task(lifeboat, dag, run_id, task)
    run = lifeboat.finish(dag, run_id)
    assert run.state == "success", lifeboat.client.failure(run)
    tried = {task.task: task.try_number for task in run.tasks if task.map_index <= 0}
    assert {task: tried[task] for task in KILLED} == dict.fromkeys(KILLED, 2)
    (point,) = set(catalog.point_ids(context.vault, SHOP)) - points
    manifest = read_manifest(context.vault, SHOP, point)
    ensure_complete(manifest)
    assert manifest.run.run_id == run_id
    taken = [s for s in context.disks.list_marked(SHOP) if s.point == point]
    assert sorted(s.volume.title for s in taken) == ["shop-data/uploads", "shop/data-db-0"]
    found = reconcile(context)
    assert point not in str(found), "a killed attempt left an orphan"


def test_secrets_reach_neither_logs_nor_the_database_nor_the_vault_in_clear(
    lifeboat: Lifeboat,
) -> None:
    """After a backup, a restore, a test restore and a message that nobody took; the address of an
    incoming webhook is a secret, too."""
    point = lifeboat.back_up(SHOP)
    lifeboat.run("restore", instance=SHOP, mapping=["shop=shop-copy"], namespaces=["shop"])
    lifeboat.cluster.api.delete("v1", "Namespace", "", "shop-copy")
    lifeboat.run(f"test_restore.{SHOP}", point=point)
    quiet, now = lifeboat.back_up(QUIET), rfc3339(utc_now())
    verdict = Verdict("planted", QUIET, quiet, now, now, False, 1.0, (), (), "on purpose")
    record_verdict(lifeboat.context(QUIET).vault, verdict)
    address = f"http://127.0.0.1:9/{ADDRESS}"
    for ident, secret in (("planted", PASSWORD), ("planted_slack", address)):
        body = {"connection_id": ident, "conn_type": "http", "password": secret}
        lifeboat.client.request("POST", "/api/v2/connections", body)
    alerts = Path(lifeboat.env["LIFEBOAT_INCLUDE"]) / "alerts.yaml"
    alerts.write_text("receivers: [{name: ops, slack: 'connection:planted_slack'}]\n")
    try:
        watched = lifeboat.finish("watch", lifeboat.start("watch"))
    finally:
        alerts.unlink()
    assert watched.state == "failed"
    assert "ops was not told of" in lifeboat.log(watched, "watch")
    more = {"a connection's password": PASSWORD, "an address": ADDRESS}
    assert_no_secret(lifeboat, {name: value.encode() for name, value in more.items()})


def scratch_namespaces(lifeboat: Lifeboat) -> list[str]:
    """Namespaces that a test restore made and that are still there."""
    return [
        item["metadata"]["name"]
        for item in lifeboat.cluster.api.list("v1", "Namespace")
        if TEST_LABEL in item["metadata"].get("labels", {})
    ]


@contextmanager
def stopped(lifeboat: Lifeboat, part: str) -> Iterator[None]:
    """One part of the control plane stands still."""
    identity = lifeboat.cluster.part(part).identity
    assert identity is not None
    identity.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        identity.signal(signal.SIGCONT)


def kill_task(lifeboat: Lifeboat, dag: str, run: str, task: str, seconds: float = 120.0) -> None:
    """SIGKILL the process of a task as soon as it runs its first try."""
    path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances"
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for item in lifeboat.client.request("GET", path, task_id=task)["task_instances"]:
            if item["task_id"] != task or item["try_number"] != 1 or item["map_index"] > 0:
                continue
            if item["state"] == "running" and item["pid"]:
                with suppress(ProcessLookupError):
                    os.kill(item["pid"], signal.SIGKILL)
                return
        time.sleep(0.02)
    raise AssertionError(f"{task} never ran")
