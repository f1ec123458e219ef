"""Conflict modes, warnings and swapped volumes against a real API server."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.errors import RestoreIncomplete
from lifeboat.ports.cluster import Json
from lifeboat.restore.model import PlanItem, RestorePlan, RestoreReport
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.request import Written
from lifeboat.restore.run import apply_plan
from lifeboat.steps.context import Context
from tests.support.access import Bind
from tests.support.app import App, wait_ready
from tests.support.kinds import CONFIG_MAP, RESOURCE_QUOTA
from tests.support.manifests import manifest
from tests.support.poll import until


def quiet(_: str) -> None: ...


def planned(context: Context, point: str, run: str, **wishes: Any) -> RestorePlan:
    request = Written(**wishes).request(context.instance.id, point)
    return plan_restore(context, request, run)


def items(context: Context, plan: RestorePlan) -> dict[str, PlanItem]:
    return {item.title: item for item in items_of(context.vault, plan)}


def applied(context: Context, plan: RestorePlan) -> RestoreReport:
    return apply_plan(context, plan, quiet, plan.created)


def put(app: App, body: Json) -> None:
    body["metadata"]["namespace"] = app.name
    app.cluster.api.apply(body)


def config(app: App, name: str) -> Any:
    return app.cluster.api.get("v1", "ConfigMap", app.name, name)


def edit(app: App, name: str, body: Json) -> None:
    path = app.cluster.api.path("v1", "ConfigMap", app.name, name)
    app.cluster.api.request("PATCH", path, body, "application/merge-patch+json")


@pytest.fixture
def point(app: App) -> str:
    put(app, manifest(CONFIG_MAP, "plain", data={"colour": "blue"}))
    put(app, manifest(CONFIG_MAP, "fixed", data={"colour": "blue"}, immutable=True))
    return app.backup().point


def remake_fixed(app: App) -> None:
    app.cluster.api.delete("v1", "ConfigMap", app.name, "fixed")
    put(app, manifest(CONFIG_MAP, "fixed", data={"colour": "red"}, immutable=True))


def test_an_untouched_application_is_equal_to_its_point(app: App, point: str) -> None:
    """Replacing everything changes nothing: what the server set is said again or ignored."""
    context = app.context()
    for mode in ("merge", "replace", "fail"):
        plan = planned(context, point, f"same-{mode}", mode=mode)
        found = {t: (i.action, i.reason, i.fields) for t, i in items(context, plan).items()}
        changing = {t: told for t, told in found.items() if told[0] not in ("skip", "leave")}
        assert changing == {}


def test_each_mode_does_what_its_plan_says(app: App, point: str) -> None:
    context, plain = app.context(), f"ConfigMap {app.name}/plain"
    wanted = {
        "skip": {"colour": "red", "extra": "1"},
        "merge": {"colour": "blue", "extra": "1"},
        "replace": {"colour": "blue"},
        "recreate": {"colour": "blue"},
    }
    for mode, data in wanted.items():
        edit(app, "plain", {"data": {"colour": "red", "extra": "1"}})
        uid = config(app, "plain")["metadata"]["uid"]
        plan = planned(context, point, mode, mode=mode, kinds=["configmaps"], compare_all=True)
        item = items(context, plan)[plain]
        assert item.action == mode
        if mode != "recreate":
            assert 'data.colour: "red" → "blue"' in item.fields
        assert applied(context, plan).ok
        assert config(app, "plain")["data"] == data
        assert (config(app, "plain")["metadata"]["uid"] == uid) == (mode != "recreate")
    edit(app, "plain", {"data": {"colour": "red"}})
    plan = planned(context, point, "fail", mode="fail", kinds=["configmaps"])
    with pytest.raises(RestoreIncomplete, match="nothing was changed"):
        applied(context, plan)
    assert config(app, "plain")["data"] == {"colour": "red"}


def test_an_immutable_object_is_made_anew_or_a_conflict(app: App, point: str) -> None:
    remake_fixed(app)
    context, fixed = app.context(), f"ConfigMap {app.name}/fixed"
    merged = items(context, planned(context, point, "m", mode="merge", kinds=["configmaps"]))[fixed]
    assert merged.action == "conflict"
    assert "immutable" in merged.reason
    plan = planned(context, point, "r", mode="replace", kinds=["configmaps"])
    assert items(context, plan)[fixed].action == "recreate"
    assert applied(context, plan).ok
    assert config(app, "fixed")["data"] == {"colour": "blue"}


def test_a_quota_in_the_way_is_named(app: App, point: str) -> None:
    app.cluster.api.delete("apps/v1", "Deployment", app.name, "web")
    put(app, manifest(RESOURCE_QUOTA, "tight", spec={"hard": {"count/deployments.apps": "0"}}))

    def counted() -> bool:
        live = app.cluster.api.get("v1", "ResourceQuota", app.name, "tight")
        return bool((live.get("status") or {}).get("used"))

    until("the quota counts", counted)
    context = app.context()
    told = planned(context, point, "q").warnings
    assert (
        f"quota {app.name}/tight: count/deployments.apps would be 1 of 0 (0 used, 1 restored)"
        in told
    )


def test_rights_that_are_missing_are_named_and_the_shipped_roles_are_enough(
    app: App, point: str, bind: Bind
) -> None:
    edit(app, "plain", {"data": {"colour": "red", "extra": "1"}})
    cluster = ClusterApi(bind("lifeboat-writer", "lifeboat-planner", "lifeboat-writer-merge"))
    context = replace(app.context(), cluster=cluster, disks=DisksCsi(cluster))
    plan = planned(context, point, "w", mode="recreate", kinds=["configmaps"])
    told = "\n".join(plan.warnings)
    assert f"this credential may not delete configmaps in {app.name}" in told
    assert "not checked" not in told
    bind("lifeboat-writer-replace")
    plan = planned(context, point, "x", mode="replace", prune=True, kinds=["configmaps"])
    assert "may not" not in "\n".join(plan.warnings)
    assert applied(context, plan).ok
    assert config(app, "plain")["data"] == {"colour": "blue"}


def test_data_is_swapped_under_a_running_application(app: App, point: str) -> None:
    before = (app.data / "ledger").read_bytes()
    (app.data / "ledger").write_bytes(b"scrambled")
    uid = app.cluster.api.get("v1", "PersistentVolumeClaim", app.name, "data")["metadata"]["uid"]
    context = app.context()
    plan = planned(context, point, "swap", part="data", claims=["data"])
    assert items(context, plan)[f"PersistentVolumeClaim {app.name}/data"].action == "recreate"
    assert applied(context, plan).ok
    claim = app.cluster.api.get("v1", "PersistentVolumeClaim", app.name, "data")
    assert claim["metadata"]["uid"] != uid
    assert (app.data / "ledger").read_bytes() == before
    web = app.cluster.api.get("apps/v1", "Deployment", app.name, "web")
    assert web["spec"]["replicas"] == 2
    wait_ready(app.cluster, app.name)
