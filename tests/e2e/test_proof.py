"""Test restores on a real API server: fenced, checked by the user's own means, torn down."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifeboat.errors import NotProven
from lifeboat.point.facts import Verdict, read_verdicts
from lifeboat.proof.run import Place, clean_up, prove, scratch_plan
from lifeboat.proof.scratch import TEST_LABEL
from lifeboat.restore.run import bring_volumes, prepare
from lifeboat.steps.left_tests import left_tests
from lifeboat.steps.reconcile import reconcile
from local.cluster import LocalCluster
from tests.support.app import App, wait_ready


@pytest.fixture
def checked(app: App, tmp_path: Path) -> App:
    """The application, with checks of every kind that this control plane can run: kwok ends Jobs
    at once, and `exec` runs on this machine."""
    (app.cluster.root / "exec" / f"count-{app.name}").write_text("3\n")
    (tmp_path / "sentinel").write_text("here")
    pods = {"namespace": app.name, "labels": f"app={app.name}"}
    job = {"namespace": app.name, "image": "example.invalid/tools:1"}
    app.policy["testRestore"] = {
        "timeout": "90s",
        "scale": 1,
        "quota": {"pods": "20"},
        "limits": {"cpu": "100m"},
        "checks": [
            "workloadsReady",
            "objectsComplete",
            "volumeBytesEqual",
            {"job": {**job, "args": ["verify"]}},
            {"http": {"namespace": app.name, "service": "web", "port": 80}},
            {"exec": {**pods, "command": ["true"]}},
            {"figure": {**pods, "command": ["cat", f"count-{app.name}"]}},
            {"file": {**pods, "path": str(tmp_path / "sentinel")}},
        ],
    }
    return app


def run(app: App, point: str, name: str) -> Verdict:
    return prove(app.context(), point, name, lambda _: None, Place())


def left(cluster: LocalCluster) -> list[str]:
    """Namespaces of test restores that are there."""
    spaces = cluster.api.list("v1", "Namespace")
    return [s["metadata"]["name"] for s in spaces if TEST_LABEL in s["metadata"].get("labels", {})]


def test_a_point_is_proven_by_checks_of_every_kind_and_nothing_is_left(checked: App) -> None:
    api = checked.cluster.api
    point = checked.backup().point
    contents = {c["metadata"]["name"] for c in snapshot_contents(checked)}
    verdict = run(checked, point, "first")
    told = {check.name: check.detail for check in verdict.checks}
    assert verdict.outcome == "passed", told
    assert len(told) == 8
    assert told[f"figure {checked.name} cat"] == "3, captured were 3"
    assert verdict.in_time
    assert left(checked.cluster) == []
    assert {c["metadata"]["name"] for c in snapshot_contents(checked)} == contents
    assert not [j for j in api.list("batch/v1", "Job") if checked.name in str(j)]


def test_what_changed_since_the_backup_fails_its_check_and_the_rest_still_counts(
    checked: App,
) -> None:
    point = checked.backup().point
    (checked.cluster.root / "exec" / f"count-{checked.name}").write_text("2\n")
    with pytest.raises(NotProven, match="2, captured were 3"):
        run(checked, point, "second")
    verdict = read_verdicts(checked.context().vault, checked.name + ".local", point)[-1]
    assert verdict.outcome == "partial"
    assert [c.outcome for c in verdict.checks].count("failed") == 1
    assert left(checked.cluster) == []


def test_the_fences_are_what_the_api_server_takes_and_a_killed_run_is_found(checked: App) -> None:
    api, context = checked.cluster.api, checked.context()
    plan = scratch_plan(context, checked.backup().point, "rkilled00001")
    prepare(context, plan, lambda _: None)
    bring_volumes(context, plan, lambda _: None)
    (space,) = plan.request.mapping.values()
    names = {
        p["metadata"]["name"] for p in api.list("networking.k8s.io/v1", "NetworkPolicy", space)
    }
    assert names == {"lifeboat-deny-all", "lifeboat-allowed"}
    quota = api.get("v1", "ResourceQuota", space, "lifeboat-scratch")["spec"]["hard"]
    assert quota == {"pods": "20", "services.loadbalancers": "0", "services.nodeports": "0"}
    assert api.get("v1", "LimitRange", space, "lifeboat-scratch")
    found = [one for one in reconcile(checked.context()).orphans if one.test]
    assert [one.test for one in found] == ["rkilled00001"]
    assert not found[0].ripe
    assert clean_up(checked.context(), "rkilled00001") == [space]
    assert left_tests(checked.context().cluster, f"{checked.name}.local") == []
    wait_ready(checked.cluster, checked.name)


def snapshot_contents(app: App) -> list[dict[str, dict[str, str]]]:
    return app.cluster.api.list("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent")
