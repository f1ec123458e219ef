"""Volumes that a person made, on a real API server: bound again, copied, or named as what they are.

They are folders of the local driver under other names, as an administrator binds a disk by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lifeboat.errors import RestoreIncomplete
from lifeboat.ports.cluster import Json
from lifeboat.restore.model import PlanItem, RestorePlan, RestoreReport
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.request import Written
from lifeboat.restore.run import apply_plan, stored_report
from local.api import wait_until
from tests.support.app import DRIVER, App
from tests.support.kinds import CLAIM, DEPLOYMENT, VOLUME
from tests.support.manifests import claim, manifest

BYTES = b"of a disk that somebody bound by hand"
GIB = {"storage": "1Gi"}


def by_hand(name: str, handle: str, storage_class: str) -> Json:
    spec = {
        "capacity": GIB,
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Retain",
        "csi": {"driver": DRIVER, "volumeHandle": handle},
    }
    if storage_class:
        spec["storageClassName"] = storage_class
    return manifest(VOLUME, name, spec=spec)


@pytest.fixture(params=["", "manual"])
def furnished(app: App, request: pytest.FixtureRequest) -> Iterator[App]:
    """The application with a second claim, `ledgers`, on a volume of no class, or of one that there
    is not; and a Deployment that uses it."""
    api, name = app.cluster.api, app.name
    api.apply(_in(name, claim("disk")))
    wait_until("the disk is there", lambda: _phase(app, name, "disk") == "Bound", 60)
    volume = api.get("v1", "PersistentVolumeClaim", name, "disk")["spec"]["volumeName"]
    handle = api.get("v1", "PersistentVolume", "", volume)["spec"]["csi"]["volumeHandle"]
    path = api.path("v1", "PersistentVolume", "", volume)
    merge = "application/merge-patch+json"
    api.request("PATCH", path, {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}, merge)
    api.delete("v1", "PersistentVolumeClaim", name, "disk")
    api.delete("v1", "PersistentVolume", "", volume)
    (app.cluster.volume_path(handle) / "ledger").write_bytes(BYTES)
    api.apply(by_hand(name, handle, request.param))
    bound = claim("ledgers", volumeName=name, storageClassName=request.param)
    bound["metadata"]["labels"] = {"bound": "by-hand"}
    api.apply(_in(name, bound))
    wait_until("the claim is bound", lambda: _phase(app, name, "ledgers") == "Bound", 60)
    api.apply(_in(name, reader()))
    yield app
    api.delete("v1", "PersistentVolume", "", name)


def reader() -> Json:
    labels = {"app": "reader"}
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "ledgers"}}]
    pod = {
        "containers": [{"name": "main", "image": "example.invalid/reader:1"}],
        "volumes": volumes,
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return manifest(DEPLOYMENT, "reader", spec=spec)


def _in(namespace: str, body: Json) -> Json:
    body["metadata"]["namespace"] = namespace
    return body


def _phase(app: App, namespace: str, name: str) -> str:
    live = app.cluster.api.get(CLAIM.api_version, CLAIM.kind, namespace, name)
    return str(live.get("status", {}).get("phase", ""))


def planned(app: App, point: str, **wishes: Any) -> RestorePlan:
    context = app.context()
    request = Written(**wishes).request(context.instance.id, point)
    return plan_restore(context, request, f"r-{app.name}-{len(wishes)}")


def item_of(app: App, plan: RestorePlan) -> PlanItem:
    items = items_of(app.context().vault, plan)
    return next(i for i in items if i.kind.group_kind == CLAIM.group_kind and i.name == "ledgers")


def applied(app: App, plan: RestorePlan) -> RestoreReport:
    context = app.context()
    return apply_plan(context, plan, lambda _: None, plan.created)


def unprotected(app: App) -> None:
    """No snapshot of that claim."""
    rule = {"when": {"pvcLabels": {"bound": "by-hand"}}, "action": "skip"}
    app.policy["volumes"] = {"rules": [rule]}


def ledger(app: App, namespace: str) -> bytes:
    return (app.cluster.claim_path(namespace, "ledgers") / "ledger").read_bytes()


def lose_claim(app: App) -> None:
    api = app.cluster.api
    api.delete("apps/v1", "Deployment", app.name, "reader")
    wait_until("no pod uses it", lambda: not api.list("v1", "Pod", app.name) or _idle(app), 60)
    api.delete("v1", "PersistentVolumeClaim", app.name, "ledgers")
    gone = ("v1", "PersistentVolumeClaim", app.name, "ledgers")
    wait_until("the claim is gone", lambda: api.gone(*gone), 60)


def _idle(app: App) -> bool:
    pods = app.cluster.api.list("v1", "Pod", app.name)
    return not [pod for pod in pods if pod["metadata"]["labels"].get("app") == "reader"]


def test_a_claim_gets_its_own_volume_again(furnished: App) -> None:
    """Which was `Released` when the claim went, and would have stayed so."""
    app = furnished
    unprotected(app)
    point = app.backup()
    assert [one.volume.claim for one in point.volumes] == ["data"]
    lose_claim(app)
    plan = planned(app, point.point, names=["ledgers", "reader"])
    assert item_of(app, plan).reason == f"bound to {app.name} again"
    report = applied(app, plan)
    assert report.ok
    assert f"PersistentVolume {app.name}: bound to {app.name}/ledgers again" in report.changes
    live = app.cluster.api.get("v1", "PersistentVolumeClaim", app.name, "ledgers")
    assert live["spec"]["volumeName"] == app.name
    assert ledger(app, app.name) == BYTES
    assert applied(app, plan).ok  # a second attempt takes nothing away
    assert _phase(app, app.name, "ledgers") == "Bound"


def test_a_copy_without_data_is_named_and_nobody_waits_for_it(furnished: App) -> None:
    app = furnished
    unprotected(app)
    point = app.backup().point
    plan = planned(app, point, mapping=[f"{app.name}={app.name}-copy"])
    item = item_of(app, plan)
    assert item.action == "conflict"
    assert f"its volume {app.name} is that of {app.name}/ledgers" in item.reason
    assert "the point has no snapshot of it" in item.reason
    with pytest.raises(RestoreIncomplete, match="ledgers"):
        applied(app, plan)
    context = app.context()
    report = stored_report(context, context.instance.id, plan.restore)
    claim_line, reader_line = report.failed
    assert claim_line == f"{item.title}: {item.reason}"
    assert reader_line.startswith(
        f"Deployment.apps {app.name}-copy/reader has 0 of 1 pods available,"
    )
    assert "its claim ledgers gets no volume" in reader_line
    assert app.cluster.api.get("v1", "PersistentVolume", "", app.name)["status"]["phase"] == "Bound"


def test_a_copy_gets_the_volume_that_somebody_made_for_it(furnished: App) -> None:
    app, copy = furnished, f"{furnished.name}-copy"
    unprotected(app)
    point = app.backup().point
    api, live = app.cluster.api, app.cluster.api.get("v1", "PersistentVolume", "", app.name)
    made = by_hand(copy, "nobodys-yet", live["spec"].get("storageClassName", ""))
    api.apply(made)
    try:
        plan = planned(app, point, mapping=[f"{app.name}={copy}"], names=["ledgers"])
        assert item_of(app, plan).action == "create"
        told = [line for line in plan.warnings if f"{copy}/ledgers gets volume {copy}" in line]
        assert len(told) == 1
        assert applied(app, plan).ok
        found = api.get("v1", "PersistentVolumeClaim", copy, "ledgers")
        assert found["spec"]["volumeName"] == copy
    finally:
        api.delete("v1", "PersistentVolume", "", copy)


def test_a_copy_with_data_gets_a_volume_of_a_class_that_makes_some(furnished: App) -> None:
    """Its own class makes none: the copy would wait for ever for a volume from the snapshot."""
    app, copy = furnished, f"{furnished.name}-copy"
    point = app.backup()
    assert {one.volume.claim for one in point.volumes} == {"data", "ledgers"}
    classes = [
        one["metadata"]["name"]
        for one in app.cluster.api.list("storage.k8s.io/v1", "StorageClass")
        if one["provisioner"] == DRIVER
    ]
    plan = planned(app, point.point, mapping=[f"{app.name}={copy}"])
    (volume,) = (one for one in plan.volumes if one.claim == "ledgers")
    assert volume.storage_class in classes
    report = applied(app, plan)
    assert report.ok
    assert ledger(app, copy) == BYTES == ledger(app, app.name)
    assert [c for c in report.changes if f"became class {volume.storage_class}" in c]
