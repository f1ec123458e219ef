"""Images and owners on real parts: an API server, a registry, a test restore."""

from __future__ import annotations

from lifeboat.point.context import IMAGES, ImageStates, noted
from lifeboat.point.images import read_images
from lifeboat.point.manifest import open_contents
from lifeboat.proof.run import prove
from lifeboat.report.owners import read_owners
from tests.support.app import App, wait_ready
from tests.support.registry import Registry

TRACKED = {"argocd.argoproj.io/tracking-id": "gitops_web:apps/Deployment:shop/web"}
ARGO = "Argo CD application gitops/web"


def quiet(_: str) -> None: ...


def test_images_are_asked_for_and_owners_told(app: App, registry: Registry) -> None:
    registry.push("shop/web", "1.0", "one")
    image = f"{registry.host}/shop/web:1.0"
    api = app.cluster.api
    path = api.path("apps/v1", "Deployment", app.name, "web")
    containers = [{"name": "main", "image": image}]
    patch = {"template": {"spec": {"containers": containers}}}
    api.request("PATCH", path, {"metadata": {"annotations": TRACKED}, "spec": patch})
    wait_ready(app.cluster, app.name)
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
    assert shop.made >= 3  # a ReplicaSet and two pods

    registry.delete("shop/web", "1.0")
    verdict = prove(app.context(), made.point, "test-1", quiet)
    assert verdict.proven
    assert f"{image}: gone, {registry.host} has no such image" in verdict.images_lost

    app.policy["select"]["managedBy"] = {"argocd": "leave"}
    left = app.backup()
    kinds = open_contents(vault, left).kinds()
    assert not {"Deployment.apps", "ReplicaSet.apps", "Pod"} & set(kinds)
    assert {"PersistentVolumeClaim", "Secret", "Service", "ConfigMap"} <= set(kinds)
    assert [snapshot.volume.title for snapshot in left.volumes] == [f"{app.name}/data"]
    (told,) = [one for one in left.left_out if one.what == f"Deployment.apps of {ARGO}"]
    assert told.severity == "note"
    assert left.complete
