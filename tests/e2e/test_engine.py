"""The main job on real parts, without Airflow: protect, lose, restore, prove, prune."""

from __future__ import annotations

import base64
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lifeboat.cli.source import Source
from lifeboat.clock import rfc3339
from lifeboat.errors import NotProven, PointIncomplete, UsageError
from lifeboat.point import catalog
from lifeboat.point.facts import read_gaps, read_verdicts
from lifeboat.point.manifest import Manifest, Run, open_contents
from lifeboat.ports.marks import RESTORE
from lifeboat.proof.run import prove
from lifeboat.proof.scratch import TEST_LABEL
from lifeboat.restore.model import RestoreReport, RestoreRequest
from lifeboat.restore.run import restore
from lifeboat.steps.backup import backup
from lifeboat.steps.commit import ensure_complete
from lifeboat.steps.context import Context
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.freeze import freeze, still_frozen, thaw
from lifeboat.steps.hook_scale import REPLICAS_ANNOTATION
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.reconcile import Reconciliation, reconcile, remove_orphans
from lifeboat.steps.settle import wait
from lifeboat.vault.dictionaries import Dictionaries
from tests.support.app import (
    CONFIG_MAP,
    DEPLOYMENT,
    NAMESPACE,
    SECRET,
    App,
    exists,
    wait_ready,
)


def quiet(_: str) -> None: ...


def restored(
    context: Context, manifest: Manifest, run: str = "restore-1", **wishes: object
) -> RestoreReport:
    request = RestoreRequest(instance=manifest.instance, point=manifest.point, **wishes)  # type: ignore[arg-type]
    return restore(context, request, run, quiet)


def test_what_was_lost_comes_back_with_its_bytes(app: App) -> None:
    before = (app.data / "ledger").read_bytes()
    manifest = app.backup()
    ensure_complete(manifest)
    assert open_contents(app.context().vault, manifest).namespaces() == (app.name,)
    assert [v.volume.title for v in manifest.volumes] == [f"{app.name}/data"]
    app.lose()
    account = restored(app.context(), manifest)
    assert account.ok
    assert not account.failed
    wait_ready(app.cluster, app.name)
    api = app.cluster.api
    assert (app.data / "ledger").read_bytes() == before
    assert api.get("v1", "ConfigMap", app.name, "settings")["data"] == {"colour": "blue"}
    web = api.get("apps/v1", "Deployment", app.name, "web")
    assert web["spec"]["replicas"] == 2
    assert web["metadata"]["annotations"][RESTORE] == account.restore
    assert api.get("v1", "Namespace", "", app.name)["metadata"]["labels"]["team"] == "tests"


def test_a_second_point_of_an_unchanged_application_stores_next_to_nothing(app: App) -> None:
    first, second = app.backup(), app.backup()
    assert second.previous == first.point
    assert second.objects == first.objects
    assert second.new_objects == 0
    app.cluster.api.request(
        "PATCH",
        app.cluster.api.path("v1", "ConfigMap", app.name, "settings"),
        {"data": {"colour": "red"}},
        "application/merge-patch+json",
    )
    assert app.backup().new_objects == 1


def test_mapping_puts_a_copy_beside_the_live_application(app: App) -> None:
    manifest = app.backup()
    account = restored(app.context(), manifest, mapping={app.name: f"{app.name}-copy"})
    assert account.ok
    wait_ready(app.cluster, f"{app.name}-copy")
    copy = app.cluster.claim_path(f"{app.name}-copy", "data")
    assert (copy / "ledger").read_bytes() == (app.data / "ledger").read_bytes()
    assert copy != app.data


def test_skip_leaves_and_merge_updates_what_is_there(app: App) -> None:
    manifest = app.backup()
    path = app.cluster.api.path("v1", "ConfigMap", app.name, "settings")
    change = {"data": {"colour": "red", "added": "later"}}
    app.cluster.api.request("PATCH", path, change, "application/merge-patch+json")
    skipped = restored(app.context(), manifest, "skip", mode="skip")
    assert any("ConfigMap" in line for line in skipped.skipped)
    data = app.cluster.api.get("v1", "ConfigMap", app.name, "settings")["data"]
    assert data == {"colour": "red", "added": "later"}
    merged = restored(app.context(), manifest, "merge", mode="merge")
    assert merged.ok
    data = app.cluster.api.get("v1", "ConfigMap", app.name, "settings")["data"]
    assert data == {"colour": "blue", "added": "later"}


def test_part_of_a_point_and_a_dry_run(app: App) -> None:
    manifest = app.backup()
    app.lose()
    context = app.context()
    account = restored(context, manifest, "dry", dry_run=True)
    assert account.dry_run
    assert not exists(context, NAMESPACE, None, app.name)
    account = restored(context, manifest, "some", kinds=("configmaps",), volumes=False)
    assert account.ok
    assert exists(context, CONFIG_MAP, app.name, "settings")
    assert not exists(context, DEPLOYMENT, app.name, "web")


def test_wishes_that_cannot_be_met_are_refused_before_anything_changes(app: App) -> None:
    manifest = app.backup()
    context = app.context()
    with pytest.raises(UsageError, match=f"holds no namespace nowhere.*\n.*{app.name}"):
        restored(context, manifest, "a", namespaces=("nowhere",))
    with pytest.raises(UsageError, match="no recovery point"):
        catalog.find(context.vault, manifest.instance, "20000101T000000Z-00000000")


def test_a_proven_point_says_so_and_leaves_no_scratch_behind(app: App) -> None:
    manifest = app.backup()
    context = app.context()
    verdict = prove(context, manifest.point, "test-1", quiet)
    assert verdict.proven
    assert {check.name for check in verdict.checks} == {
        "workloadsReady",
        "objectsComplete",
        "volumeBytesEqual",
    }
    assert verdict.rto_seconds > 0
    assert read_verdicts(context.vault, manifest.instance) == [verdict]
    found = app.cluster.api.list("v1", "Namespace")
    assert not [ns for ns in found if TEST_LABEL in ns["metadata"].get("labels", {})]


def test_damaged_bytes_make_a_verdict_of_not_proven(app: App) -> None:
    """P4: a snapshot whose bytes changed since capture must not pass."""
    manifest = app.backup()
    handle = manifest.volumes[0].handle
    (app.cluster.snapshot_path(handle) / "ledger").write_bytes(b"tampered")
    context = app.context()
    with pytest.raises(NotProven, match="bytes differ"):
        prove(context, manifest.point, "test-1", quiet)
    (verdict,) = read_verdicts(context.vault, manifest.instance)
    assert not verdict.proven
    assert not any("verified" in why for why in plan_prune(context).keep[0].reasons)


def test_a_workload_that_never_gets_ready_is_not_proven_and_torn_down(app: App) -> None:
    manifest = app.backup()
    app.policy["testRestore"] = {"timeout": "1s", "checks": ["workloadsReady"]}
    api = app.cluster.api
    # No node takes new pods while the test restore runs.
    nodes = [node["metadata"]["name"] for node in api.list("v1", "Node")]
    try:
        for node in nodes:
            _cordon(app, node, value=True)
        with pytest.raises(NotProven, match="not ready"):
            prove(app.context(), manifest.point, "test-1", quiet)
    finally:
        for node in nodes:
            _cordon(app, node, value=False)
    found = api.list("v1", "Namespace")
    assert not [ns for ns in found if TEST_LABEL in ns["metadata"].get("labels", {})]


def _cordon(app: App, node: str, *, value: bool) -> None:
    path = app.cluster.api.path("v1", "Node", "", node)
    body = {"spec": {"unschedulable": value}}
    app.cluster.api.request("PATCH", path, body, "application/merge-patch+json")


def test_the_vault_alone_brings_the_application_back(app: App) -> None:
    """P5: no policy file, no clusters.yaml, no Airflow; the vault, its key and a kubeconfig."""
    manifest = app.backup()
    app.lose()
    source = Source(
        include=app.folder / "there-is-no-include-folder",
        vault_url=app.instance().vault.url,
        key=app.instance().vault.key or "",
        kubeconfig=app.cluster.kubeconfig,
    )
    context = source.context(manifest.instance)
    assert context.instance.policy == app.instance().policy
    account = restored(context, manifest)
    assert account.ok
    wait_ready(app.cluster, app.name)
    assert (app.data / "ledger").exists()


def test_nothing_of_a_secret_can_be_read_in_the_vault(app: App) -> None:
    """P8: neither plain nor as base64."""
    app.backup()
    stored = [p.read_bytes() for p in (app.folder / "vault").rglob("*") if p.is_file()]
    encoded = base64.b64encode(SECRET.encode())
    assert stored
    assert not any(SECRET.encode() in blob or encoded in blob for blob in stored)
    assert not any(app.name.encode() in blob for blob in stored)


def test_what_cannot_be_protected_is_named_and_the_point_incomplete(app: App) -> None:
    """P6: a volume without a snapshot class, a claim without a volume."""
    app.policy["volumes"] = {"snapshotClass": "missing"}
    manifest = app.backup()
    assert not manifest.complete
    named = {entry.what: entry.reason for entry in manifest.left_out}
    assert "missing" in named[f"volume {app.name}/data"]
    with pytest.raises(PointIncomplete, match=f"volume {app.name}/data: snapshot class missing"):
        ensure_complete(manifest)
    context = app.context()
    with pytest.raises(UsageError, match="no complete recovery point"):
        catalog.find(context.vault, manifest.instance)
    app.policy["volumes"] = {"snapshotClass": "missing", "onUnprotected": "warn"}
    assert app.backup().complete


def test_a_selection_of_nothing_is_a_point_with_a_warning(app: App) -> None:
    app.policy["select"] = {"namespaces": {"include": ["no-such-*"]}}
    manifest = app.backup()
    assert manifest.complete
    assert any("no namespace matches" in warning for warning in manifest.warnings)


def test_retries_of_one_run_converge_on_one_point_and_one_snapshot(app: App) -> None:
    """P2."""
    first, second = app.backup("run-1"), app.backup("run-1")
    assert first == second
    context = app.context()
    assert catalog.point_ids(context.vault, first.instance) == [first.point]
    assert len(context.disks.list_marked(first.instance)) == 1


def test_a_backfill_records_gaps_and_captures_once_at_most(app: App) -> None:
    """P7."""
    app.policy["schedule"] = {"cron": "0 * * * *"}
    context = app.context()
    ticks = [datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (0, 4, 8)]
    made = [
        backup(context, Run(f"backfill-{t.hour}", "backfill", rfc3339(t)), quiet) for t in ticks
    ]
    captured = [manifest for manifest in made if manifest]
    assert len(captured) == 1
    assert captured[0].run.scheduled_for == rfc3339(ticks[0])
    assert captured[0].captured_from > "2026-02"
    gaps = read_gaps(context.vault, captured[0].instance)
    assert [gap.tick for gap in gaps] == [rfc3339(t) for t in ticks]
    assert [gap.covered_by for gap in gaps] == ["", captured[0].point, captured[0].point]


def test_a_stale_point_is_caught_up_by_one_backfilled_run(app: App) -> None:
    """P7: older than the objective, so one point is captured now."""
    app.backup()
    context = app.context()
    later = replace(context, clock=lambda: datetime.now(UTC) + timedelta(hours=2))
    run = Run("backfill-late", "backfill", rfc3339(datetime(2026, 1, 1, tzinfo=UTC)))
    assert backup(later, run, quiet) is not None


def test_prune_removes_points_snapshots_and_packs_and_keeps_the_rest_whole(app: App) -> None:
    points = [app.backup() for _ in range(4)]
    context = app.context()
    folders = [app.cluster.snapshot_path(p.volumes[0].handle) for p in points]
    result = execute_prune(context, plan_prune(context))
    assert set(result.removed) == {points[0].point, points[1].point}
    assert result.leftovers == ()
    assert [folder.exists() for folder in folders] == [False, False, True, True]
    assert execute_prune(context, plan_prune(context)).removed == ()
    app.lose()
    assert restored(context, points[3]).ok
    with pytest.raises(UsageError, match="was removed since"):
        backup(context, points[0].run, quiet)


def test_reconcile_finds_what_a_dead_run_left_behind(app: App) -> None:
    """P2: a run that died after its snapshot, before its commit."""
    manifest = app.backup()
    context = app.context()
    volume = manifest.volumes[0].volume
    lost = "20260101T000000Z-deadbeef"
    ticket = context.disks.start_snapshot(lost, manifest.instance, volume)
    wait(context, [ticket], timedelta(seconds=60))
    context.disks.secure_snapshot(ticket)
    writer = context.vault.writer(Dictionaries())
    writer.add(b"{}")
    writer.close()
    found = reconcile(context, grace=timedelta(seconds=-5))
    reasons = {orphan.reason for orphan in found.orphans}
    assert reasons == {"no point needs it", "no point names it"}
    assert len(found.orphans) == 2
    assert remove_orphans(context, found) == [], "the first look only puts them on record"
    again = reconcile(context, grace=timedelta(seconds=-5))
    assert len(remove_orphans(context, again)) == 2
    assert reconcile(context, grace=timedelta(0)) == Reconciliation((), {})
    app.lose()
    assert restored(context, manifest).ok


def test_reconcile_shows_a_point_whose_data_is_gone(app: App) -> None:
    manifest = app.backup()
    shutil.rmtree(app.folder / "vault" / "packs")
    found = reconcile(app.context())
    assert set(found.damaged) == {manifest.point}


def test_a_frozen_workload_is_thawed_whatever_happened(app: App) -> None:
    app.policy["hooks"] = [{"scale": {"namespace": app.name, "workload": "deployment/web"}}]
    context = app.context()
    scope = enumerate_scope(context, Run("run-1", "manual"))
    held = [f"deployment/web in {app.name}"]
    assert freeze(context, scope) == held
    live = app.cluster.api.get("apps/v1", "Deployment", app.name, "web")
    assert live["spec"]["replicas"] == 0
    assert still_frozen(context, scope.point) == held
    assert freeze(context, scope) == held  # a retry must not take the zero for the true number
    assert thaw(context, scope) == held
    assert thaw(context, scope) == still_frozen(context, scope.point) == []
    live = app.cluster.api.get("apps/v1", "Deployment", app.name, "web")
    assert live["spec"]["replicas"] == 2
    assert REPLICAS_ANNOTATION not in live["metadata"].get("annotations", {})


def test_a_hook_never_leaks_into_the_point(app: App) -> None:
    app.policy["hooks"] = [{"scale": {"namespace": app.name, "workload": "deployment/web"}}]
    manifest = app.backup()
    wait_ready(app.cluster, app.name)
    app.lose()
    restored(app.context(), manifest)
    web = app.cluster.api.get("apps/v1", "Deployment", app.name, "web")
    assert web["spec"]["replicas"] == 2
