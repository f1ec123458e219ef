"""The roles that ship in docs/rbac, bound to a ServiceAccount on a real API server."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.http_json import Http
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig
from lifeboat.adapters.volumes_folder import FolderVolumes
from lifeboat.errors import Forbidden
from lifeboat.ports.disks import Volume
from local.cluster import LocalCluster
from tests.support.access import service_account
from tests.support.disks import POINT, ready, restored, stored, take
from tests.support.folder_volumes import FolderWorld
from tests.support.kinds import (
    CLAIM,
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    CONTENT,
    DEPLOYMENT,
    NAMESPACE,
    POD,
    ROLE,
    ROLE_BINDING,
    SECRET,
    SNAPSHOT,
)
from tests.support.manifests import claim, manifest
from tests.support.poll import until

_ROLES = Path(__file__).resolve().parents[2] / "docs" / "rbac"
_ADMIN_RULE = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


@pytest.fixture
def instance() -> str:
    return f"policy-{uuid.uuid4().hex[:8]}.cluster"


@pytest.fixture
def bind(cluster: LocalCluster, namespace: str) -> Iterator[Callable[..., Endpoint]]:
    """Applies roles of docs/rbac and returns an endpoint that has them and no others."""
    made: list[str] = []

    def bind(*roles: str) -> Endpoint:
        account = {"kind": "ServiceAccount", "name": "lifeboat", "namespace": namespace}
        for role in roles:
            cluster.api.apply(yaml.safe_load((_ROLES / f"{role}.yaml").read_text()))
            reference = {"apiGroup": CLUSTER_ROLE.group, "kind": "ClusterRole", "name": role}
            name = f"{namespace}-{role}"
            binding = manifest(CLUSTER_ROLE_BINDING, name, roleRef=reference, subjects=[account])
            made.append(cluster.api.apply(binding)["metadata"]["name"])
        endpoint = service_account(cluster, namespace, "lifeboat")
        until("the role counts", lambda: _may_list(endpoint))
        return endpoint

    yield bind
    for name in made:
        cluster.api.delete(CLUSTER_ROLE_BINDING.api_version, "ClusterRoleBinding", "", name)


def _may_list(endpoint: Endpoint) -> bool:
    try:
        return bool(list(ClusterApi(endpoint).list_pages(NAMESPACE)))
    except Forbidden:
        return False


def world_of(cluster: LocalCluster, endpoint: Endpoint) -> FolderWorld:
    api = ClusterApi(endpoint)
    reader = FolderVolumes("folder.csi.lifeboat.dev", cluster.csi_root)
    return FolderWorld(cluster, api, DisksCsi(api), reader)


@pytest.fixture
def volume(cluster: LocalCluster, namespace: str) -> Volume:
    admin = world_of(cluster, from_kubeconfig(cluster.kubeconfig))
    return admin.make_volume(namespace, "data", {"a": b"one"})


def test_the_reader_can_back_up(
    cluster: LocalCluster, bind: Callable[..., Endpoint], volume: Volume, instance: str
) -> None:
    world = world_of(cluster, bind("lifeboat-reader"))
    found = world.cluster.discover()
    assert found.failures == {}
    for kind in found.kinds:
        if "list" in kind.verbs:
            list(world.cluster.list_pages(kind, limit=10))
    assert list(world.cluster.list_pages(SECRET, namespace=volume.namespace))
    assert world.disks.why_not(volume) == ""
    snapshot = take(world.disks, volume, instance)
    assert [s.handle for s in world.disks.list_marked(instance)] == [snapshot.handle]
    world.disks.delete_snapshot(snapshot)
    assert not cluster.snapshot_path(snapshot.handle).exists()


def test_the_reader_can_prune_what_the_cluster_forgot(
    cluster: LocalCluster, bind: Callable[..., Endpoint], volume: Volume, instance: str
) -> None:
    world = world_of(cluster, bind("lifeboat-reader"))
    snapshot = take(world.disks, volume, instance)
    world.cluster.delete(SNAPSHOT, volume.namespace, snapshot.name)
    until("the snapshot is forgotten", lambda: not _marked_snapshots(world))
    for name in _contents(world, snapshot.handle):
        world.cluster.delete(CONTENT, None, name)
    until("its content is gone", lambda: not _contents(world, snapshot.handle))
    assert cluster.snapshot_path(snapshot.handle).exists()
    world.disks.delete_snapshot(snapshot)
    assert not cluster.snapshot_path(snapshot.handle).exists()


def _marked_snapshots(world: FolderWorld) -> list[Any]:
    mine = world.local.api.list(SNAPSHOT.api_version, SNAPSHOT.kind)
    return [s for s in mine if s["metadata"].get("labels", {}).get("lifeboat.dev/point") == POINT]


def _contents(world: FolderWorld, handle: str) -> list[str]:
    found = world.local.api.list(CONTENT.api_version, CONTENT.kind)
    return [
        c["metadata"]["name"]
        for c in found
        if (c.get("status") or {}).get("snapshotHandle") == handle
    ]


def test_the_reader_changes_nothing_else(
    bind: Callable[..., Endpoint], namespace: str, volume: Volume
) -> None:
    endpoint = bind("lifeboat-reader")
    api = ClusterApi(endpoint)
    pod = {"containers": [{"name": "m", "image": "registry.example/m:1"}]}
    labels = {"metadata": {"labels": {"x": "1"}}}
    rules = [_ADMIN_RULE]
    refused: list[Callable[[], object]] = [
        lambda: api.create(CONFIG_MAP, namespace, manifest(CONFIG_MAP, "x")),
        lambda: api.create(DEPLOYMENT, namespace, manifest(DEPLOYMENT, "x", spec={})),
        lambda: api.create(POD, namespace, manifest(POD, "x", spec=pod)),
        lambda: api.create(CLAIM, namespace, claim("x")),
        lambda: api.create(NAMESPACE, None, manifest(NAMESPACE, "x")),
        lambda: api.create(CLUSTER_ROLE, None, manifest(CLUSTER_ROLE, "x", rules=rules)),
        lambda: api.replace(CONFIG_MAP, namespace, "kube-root-ca.crt", manifest(CONFIG_MAP, "x")),
        lambda: api.patch(CLAIM, namespace, volume.claim, labels),
        lambda: api.patch(DEPLOYMENT, namespace, "x", labels),
        lambda: api.patch(SNAPSHOT, namespace, "x", labels),
        lambda: api.delete(NAMESPACE, None, namespace),
        lambda: api.delete(CLAIM, namespace, volume.claim),
        lambda: api.delete(CONFIG_MAP, namespace, "kube-root-ca.crt"),
        lambda: api.get(SECRET, namespace, "x"),
    ]
    for call in refused:
        with pytest.raises(Forbidden):
            call()
    http = Http(endpoint)
    pods = f"/api/v1/namespaces/{namespace}/pods"
    doors = [
        ("GET", f"{pods}/x/exec?command=id&stdout=1"),
        ("POST", f"{pods}/x/exec?command=id&stdout=1"),
        ("GET", f"{pods}/x/attach"),
        ("GET", f"{pods}/x/portforward"),
        ("GET", f"{pods}/x/log"),
        ("GET", f"{pods}/x/proxy/"),
        ("GET", "/api/v1/nodes/local-1/proxy/"),
        ("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/default/token"),
        ("DELETE", f"/api/v1/namespaces/{namespace}/configmaps"),
    ]
    for method, path in doors:
        with pytest.raises(Forbidden):
            http.request(method, path, body=b"{}" if method == "POST" else None)


def test_quiesce_adds_scaling_and_no_more(
    cluster: LocalCluster, bind: Callable[..., Endpoint], namespace: str
) -> None:
    labels = {"app": "x"}
    pod = {"containers": [{"name": "m", "image": "registry.example/m:1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    deployment = manifest(DEPLOYMENT, "web", spec=spec)
    deployment["metadata"]["namespace"] = namespace
    cluster.api.apply(deployment)
    api = ClusterApi(bind("lifeboat-reader", "lifeboat-quiesce"))
    assert api.get(DEPLOYMENT, namespace, "web")["spec"]["replicas"] == 1
    changed = api.patch(DEPLOYMENT, namespace, "web", {"spec": {"replicas": 0}})
    assert changed["spec"]["replicas"] == 0
    for call in (
        lambda: api.delete(DEPLOYMENT, namespace, "web"),
        lambda: api.create(DEPLOYMENT, namespace, manifest(DEPLOYMENT, "x", spec=spec)),
        lambda: api.patch(CONFIG_MAP, namespace, "kube-root-ca.crt", {"data": {}}),
    ):
        with pytest.raises(Forbidden):
            call()


def test_the_writer_can_restore(
    cluster: LocalCluster,
    bind: Callable[..., Endpoint],
    volume: Volume,
    instance: str,
    namespace: str,
) -> None:
    endpoint = bind("lifeboat-writer")
    world = world_of(cluster, endpoint)
    api, target = world.cluster, f"{namespace}-target"
    api.create(NAMESPACE, None, manifest(NAMESPACE, target))
    try:
        then = world.reader.digest_volume(volume.handle)
        ticket = world.disks.start_snapshot(POINT, instance, volume)
        snapshot = stored(ticket, ready(world.disks, ticket))
        handle = restored(world, snapshot, target, "data", "r-1")
        assert world.reader.digest_volume(handle) == then
        api.create(CONFIG_MAP, target, manifest(CONFIG_MAP, "x", data={"k": "v"}))
        api.patch(CONFIG_MAP, target, "x", {"data": {"k": "w"}})
        api.replace(CONFIG_MAP, target, "x", manifest(CONFIG_MAP, "x", data={"k": "x"}))
        rule = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]}
        api.create(ROLE, target, manifest(ROLE, "mighty", rules=[rule]))
        reference = {"apiGroup": ROLE.group, "kind": "ClusterRole", "name": "cluster-admin"}
        user = {"apiGroup": ROLE.group, "kind": "User", "name": "somebody"}
        api.create(
            ROLE_BINDING,
            target,
            manifest(ROLE_BINDING, "admins", roleRef=reference, subjects=[user]),
        )
        world.disks.delete_snapshot(snapshot)
    finally:
        api.delete(NAMESPACE, None, target)
    http = Http(endpoint)
    with pytest.raises(Forbidden):
        http.request("DELETE", f"/api/v1/namespaces/{namespace}/configmaps")
    with pytest.raises(Forbidden):
        http.request("GET", "/metrics")
