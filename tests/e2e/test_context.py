"""Images and owners on real parts: an API server, a registry, a test restore."""

from __future__ import annotations

from typing import Any

from lifeboat.point.context import IMAGES, SERVED, ImageStates, Served, noted
from lifeboat.point.images import read_images
from lifeboat.point.manifest import open_contents
from lifeboat.proof.run import prove
from lifeboat.report.owners import read_owners
from lifeboat.steps.note import note_served
from local.api import wait_until
from tests.support.app import App
from tests.support.registry import Registry

TRACKED = {"argocd.argoproj.io/tracking-id": "gitops_web:apps/Deployment:shop/web"}
ARGO = "Argo CD application gitops/web"


def quiet(_: str) -> None: ...


def ready(deployment: dict[str, Any]) -> bool:
    return bool(deployment.get("status", {}).get("readyReplicas"))


def test_images_are_asked_for_and_owners_told(app: App, registry: Registry) -> None:
    registry.push("shop/web", "1.0", "one")
    image = f"{registry.host}/shop/web:1.0"
    labels = {"app": "front"}
    pod = {"terminationGracePeriodSeconds": 1, "containers": [{"name": "main", "image": image}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    front = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "front", "namespace": app.name, "annotations": TRACKED},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
    api = app.cluster.api
    api.apply(front)
    wait_until("it runs", lambda: ready(api.get("apps/v1", "Deployment", app.name, "front")), 120)
    app.policy["imageCheck"] = {}
    made = app.backup()
    vault = app.context().vault
    contents = open_contents(vault, made)
    assert image in {use.image for use in read_images(contents)}
    _, said = noted(vault, made.instance, IMAGES, made.point, ImageStates) or ("", None)
    assert said is not None
    assert {one.state for one in said.images if one.image == image} == {"there"}
    (shop,) = [part for part in read_owners(contents) if part.namespace == app.name]
    assert shop.owners == {ARGO: 1}
    assert shop.made == 5  # two ReplicaSets, and three pods of theirs

    registry.delete("shop/web", "1.0")
    verdict = prove(app.context(), made.point, "test-1", quiet)
    assert verdict.proven
    assert f"{image}: gone, {registry.host} has no such image" in verdict.images_lost

    app.policy["select"]["managedBy"] = {"argocd": "leave"}
    left = app.backup()
    kinds = open_contents(vault, left).kinds()
    assert kinds["Deployment.apps"] == contents.kinds()["Deployment.apps"] - 1
    assert not {"ReplicaSet.apps", "Pod"} & set(kinds)
    assert {"PersistentVolumeClaim", "Secret", "Service", "ConfigMap"} <= set(kinds)
    assert [snapshot.volume.title for snapshot in left.volumes] == [f"{app.name}/data"]
    (told,) = [one for one in left.left_out if one.what == f"Deployment.apps of {ARGO}"]
    assert told.severity == "note"
    assert left.complete


def test_every_version_that_the_api_server_serves_is_noted(app: App) -> None:
    made = app.backup()
    note_served(app.context(), made, quiet)
    _, served = noted(app.context().vault, made.instance, SERVED, made.point, Served) or ("", None)
    assert served is not None
    assert served.kinds["horizontalpodautoscalers.autoscaling"] == ("v2", "v1")
    assert served.kinds["nodes"] == ("v1",)  # kinds that no point holds, too
