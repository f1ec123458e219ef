"""Restores that change things on the way, on a real API server with a real driver's volumes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lifeboat.point.manifest import Manifest
from lifeboat.ports.cluster import Json
from lifeboat.restore.model import RestoreReport, RestoreRequest
from lifeboat.restore.run import restore
from lifeboat.restore.transforms.strategic import built_in, merge_key, merge_keys
from lifeboat.restore.transforms.transforms import TransformText
from local.api import wait_until
from local.cluster import LocalCluster
from tests.support.app import DEPLOYMENT, DRIVER, App
from tests.support.kinds import CLAIM, STORAGE_CLASS, VOLUME
from tests.support.manifests import manifest as made

GROWN = """
rules:
  - name: grow
    when: {kinds: [persistentvolumeclaims], matches: [{path: /spec/resources/requests/storage}]}
    mergePatch: {spec: {resources: {requests: {storage: 128Mi}}}}
  - name: fewer
    when: {kinds: [deployments]}
    strategicPatch:
      spec:
        replicas: 1
        template:
          spec:
            containers: [{name: main, env: [{name: WHERE, value: copy}]}]
"""


NO_POINT_HOLDS = ("ComponentStatus", "CSINode.storage.k8s.io", "Node")


def copied(app: App, point: Manifest, text: str, **wishes: Any) -> RestoreReport:
    """The application beside itself, transformed."""
    request = RestoreRequest(
        instance=point.instance,
        point=point.point,
        mapping={app.name: f"{app.name}-copy"},
        transforms=(TransformText("copy", text),),
        **wishes,
    )
    account = restore(app.context(), request, "restore-1", lambda _: None)
    assert account.ok, account.failed
    return account


def volume_of(app: App) -> Json:
    cluster = app.context().cluster
    claim = cluster.get(CLAIM, f"{app.name}-copy", "data")
    return cluster.get(VOLUME, None, claim["spec"]["volumeName"])


def test_a_claim_grows_and_its_volume_keeps_what_was_to_become_of_it(app: App) -> None:
    cluster = app.context().cluster
    own = cluster.get(CLAIM, app.name, "data")["spec"]["volumeName"]
    policy = "persistentVolumeReclaimPolicy"
    cluster.patch(VOLUME, None, own, {"spec": {policy: "Retain"}})
    account = copied(app, app.backup(), GROWN)
    cluster.patch(VOLUME, None, own, {"spec": {policy: "Delete"}})
    volume = volume_of(app)
    assert volume["spec"][policy] == "Retain"
    cluster.patch(VOLUME, None, volume["metadata"]["name"], {"spec": {policy: "Delete"}})
    claim = cluster.get(CLAIM, f"{app.name}-copy", "data")
    assert claim["spec"]["resources"]["requests"]["storage"] == "128Mi"
    assert claim["status"]["capacity"]["storage"] == "128Mi"
    (restored,) = account.volumes
    assert restored.content_digest == restored.captured_digest != ""
    web = cluster.get(DEPLOYMENT, f"{app.name}-copy", "web")
    assert web["spec"]["replicas"] == 1
    (container,) = web["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["env"]) == (
        "example.invalid/app:1",
        [{"name": "WHERE", "value": "copy"}],
    )
    told = "\n".join(account.changes)
    assert 'copy/data: transform copy, grow: spec.resources.requests.storage: "64Mi"' in told
    assert "reclaim policy Retain kept, the class says Delete" in told


def test_a_claim_of_a_class_that_waits_for_its_pod_comes_with_it(app: App) -> None:
    cluster = app.context().cluster
    late = f"{app.name}-late"
    spec = {"provisioner": DRIVER, "volumeBindingMode": "WaitForFirstConsumer"}
    cluster.create(STORAGE_CLASS, None, made(STORAGE_CLASS, late, **spec))
    own = cluster.get(CLAIM, app.name, "data")["spec"]["storageClassName"]
    point = app.backup()
    account = copied(app, point, f"maps: {{storageClasses: {{{own}: {late}}}}}")
    volume = volume_of(app)
    assert volume["spec"]["storageClassName"] == late
    folder = app.cluster.claim_path(f"{app.name}-copy", "data")
    assert (folder / "ledger").read_bytes() == (app.data / "ledger").read_bytes()
    assert [one.error for one in account.volumes] == [""]
    wait_until("no helper is left", lambda: not _helpers(app), 60)
    cluster.delete(STORAGE_CLASS, None, late)


def _helpers(app: App) -> list[Json]:
    found: list[Json] = app.cluster.api.list(
        "snapshot.storage.k8s.io/v1", "VolumeSnapshot", f"{app.name}-copy"
    )
    return found


def test_the_merge_keys_are_those_that_the_api_server_tells(cluster: LocalCluster) -> None:
    """Of every kind that it serves, however it is nested; `status` is not restored."""
    definitions = cluster.api.request("GET", "/openapi/v2")["definitions"]
    seen = 0
    for definition in definitions.values():
        tags = definition.get("x-kubernetes-group-version-kind") or []
        if len(tags) != 1 or "metadata" not in definition.get("properties", {}):
            continue
        kind = ".".join(filter(None, (tags[0]["kind"], tags[0]["group"])))
        told = dict(_keys(definitions, definition, (), ()))
        if tags[0]["kind"].endswith("List") or not built_in(kind) or kind in NO_POINT_HOLDS:
            continue
        keys = merge_keys(kind)
        assert {path: merge_key(keys, path) for path in told} == told, kind
        assert keys.keys() <= told.keys(), kind
        seen += 1
    assert seen > 50


def _keys(
    definitions: Json, schema: Json, path: tuple[str, ...], inside: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Path and merge key of each list that is merged, `inside` these definitions."""
    reference = schema.get("$ref", "").removeprefix("#/definitions/")
    if reference in inside or path == ("status",):
        return
    if reference:
        yield from _keys(definitions, definitions[reference], path, (*inside, reference))
    for name, field in (schema.get("properties") or {}).items():
        yield from _keys(definitions, field, (*path, name), inside)
    if schema.get("type") == "array" and "merge" in schema.get("x-kubernetes-patch-strategy", ""):
        yield path, schema.get("x-kubernetes-patch-merge-key", "")
        yield from _keys(definitions, schema["items"], path, inside)
