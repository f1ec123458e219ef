"""The roles that ship in docs/rbac, bound to a ServiceAccount on a real API server."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
import urllib3

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.http_json import Http
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig
from lifeboat.adapters.volumes_folder import FolderVolumes
from lifeboat.errors import Forbidden
from lifeboat.policy.selection import why_never
from lifeboat.ports.disks import Volume
from lifeboat.restore.leave import Meta, Seen, why_left
from local.cluster import LocalCluster
from tests.support.access import ROLES, Bind, may, shipped_role
from tests.support.disks import POINT, restored, take
from tests.support.folder_volumes import FolderWorld
from tests.support.kinds import (
    CLAIM,
    CLUSTER_ROLE,
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

_ADMIN_RULE = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


@pytest.fixture
def instance() -> str:
    return f"policy-{uuid.uuid4().hex[:8]}.cluster"


def world_of(cluster: LocalCluster, endpoint: Endpoint) -> FolderWorld:
    api = ClusterApi(endpoint)
    reader = FolderVolumes("folder.csi.lifeboat.dev", cluster.csi_root)
    return FolderWorld(cluster, api, DisksCsi(api), reader)


@pytest.fixture
def volume(cluster: LocalCluster, namespace: str) -> Volume:
    admin = world_of(cluster, from_kubeconfig(cluster.kubeconfig))
    return admin.make_volume(namespace, "data", {"a": b"one"})


def test_the_reader_can_back_up(
    cluster: LocalCluster, bind: Bind, volume: Volume, instance: str
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
    cluster: LocalCluster, bind: Bind, volume: Volume, instance: str
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


def test_the_reader_changes_nothing_else(bind: Bind, namespace: str, volume: Volume) -> None:
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


NOBODY_NEEDS = [
    ("impersonate", "users"),
    ("impersonate", "groups"),
    ("impersonate", "serviceaccounts"),
    ("create", "serviceaccounts/token"),
    ("get", "pods/exec"),
    ("create", "pods/exec"),
    ("create", "pods/attach"),
    ("create", "pods/portforward"),
    ("create", "pods/ephemeralcontainers"),
    ("patch", "pods/ephemeralcontainers"),
    ("get", "pods/proxy"),
    ("get", "services/proxy"),
    ("get", "nodes/proxy"),
    ("create", "nodes/proxy"),
    ("create", "certificatesigningrequests.certificates.k8s.io"),
    ("deletecollection", "configmaps"),
    ("delete", "persistentvolumeclaims"),
    ("delete", "persistentvolumes"),
    ("delete", "deployments.apps"),
    ("update", "deployments.apps/scale"),
]


@pytest.mark.parametrize(
    "roles",
    [
        ("lifeboat-reader", "lifeboat-quiesce", "lifeboat-job"),
        ("lifeboat-writer", "lifeboat-writer-merge", "lifeboat-test-restore"),
        ("lifeboat-writer", "lifeboat-writer-files"),
        ("lifeboat-writer", "lifeboat-planner"),
    ],
)
def test_doors_that_no_role_opens(bind: Bind, roles: tuple[str, ...]) -> None:
    endpoint = bind(*roles)
    assert may(endpoint, "list", "configmaps")
    assert [f"{verb} {what}" for verb, what in NOBODY_NEEDS if may(endpoint, verb, what)] == []


def test_the_reader_can_be_nobody_else(bind: Bind) -> None:
    endpoint = bind("lifeboat-reader")
    assert endpoint.token is not None
    pool = urllib3.PoolManager(ca_cert_data=endpoint.ca.decode())
    headers = {"Authorization": f"Bearer {endpoint.token()}", "Impersonate-User": "lifeboat"}
    answer = pool.request("GET", f"{endpoint.server}/api/v1/namespaces", headers=headers)
    pool.clear()
    assert answer.status == 403
    assert "cannot impersonate" in answer.json()["message"]


def test_quiesce_adds_scaling_and_no_more(
    cluster: LocalCluster, bind: Bind, namespace: str
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


@pytest.mark.parametrize(
    ("role", "rights", "others"),
    [
        (
            "lifeboat-exec",
            ["get pods/exec", "create pods/exec"],
            ["get pods", "create pods", "create pods/attach", "create pods/portforward"],
        ),
        (
            "lifeboat-job",
            ["get jobs.batch", "create jobs.batch", "delete jobs.batch"],
            ["patch jobs.batch", "create cronjobs.batch", "create pods", "get secrets"],
        ),
    ],
)
def test_commands_and_jobs_are_rights_of_their_own(
    bind: Bind, role: str, rights: list[str], others: list[str]
) -> None:
    endpoint = bind("lifeboat-reader")
    asked = [*rights, *others]
    allowed = [right for right in asked if may(endpoint, *right.split(" "))]
    assert allowed == [], "the reader has none of them"
    bind(role)
    assert [right for right in asked if may(endpoint, *right.split(" "))] == rights


def test_filling_claims_from_files_is_a_right_of_its_own(bind: Bind) -> None:
    rights = ["delete pods", "delete secrets", "get pods/log", "patch persistentvolumeclaims"]
    others = ["get secrets", "list secrets", "patch pods", "delete persistentvolumeclaims"]
    asked = [*rights, *others, "create pods/exec", "delete namespaces"]
    endpoint = bind("lifeboat-writer")
    assert [right for right in asked if may(endpoint, *right.split(" "))] == []
    bind("lifeboat-writer-files")
    assert [right for right in asked if may(endpoint, *right.split(" "))] == rights


def test_the_writer_can_restore(
    cluster: LocalCluster, bind: Bind, volume: Volume, instance: str, namespace: str
) -> None:
    admin = world_of(cluster, from_kubeconfig(cluster.kubeconfig))
    world = world_of(cluster, bind("lifeboat-writer"))
    api, target = world.cluster, f"{namespace}-target"
    snapshot = take(admin.disks, volume, instance)
    then = admin.reader.digest_volume(volume.handle)
    api.create(NAMESPACE, None, manifest(NAMESPACE, target))
    try:
        handle = restored(world, snapshot, target, "data", "r-1")
        assert world.reader.digest_volume(handle) == then
        api.create(CONFIG_MAP, target, manifest(CONFIG_MAP, "x", data={"k": "v"}))
        api.create(SECRET, target, manifest(SECRET, "x", stringData={"k": "v"}))
        rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}
        api.create(ROLE, target, manifest(ROLE, "modest", rules=[rule]))
        subject = {"kind": "ServiceAccount", "name": "default", "namespace": target}
        reference = {"apiGroup": ROLE.group, "kind": "Role", "name": "modest"}
        binding = manifest(ROLE_BINDING, "modest", roleRef=reference, subjects=[subject])
        api.create(ROLE_BINDING, target, binding)
    finally:
        admin.cluster.delete(NAMESPACE, None, target)
        admin.disks.delete_snapshot(snapshot)


def test_the_writer_reads_no_secret_and_changes_nothing_that_was_there(bind: Bind) -> None:
    endpoint = bind("lifeboat-writer")
    refused = [
        *((verb, "secrets") for verb in ("get", "list", "watch", "patch", "update", "delete")),
        *((verb, "configmaps") for verb in ("patch", "update", "delete")),
        *((verb, "deployments.apps") for verb in ("patch", "update")),
        *((verb, "namespaces") for verb in ("patch", "update", "delete")),
        *((verb, "persistentvolumeclaims") for verb in ("patch", "update")),
        *((verb, "roles.rbac.authorization.k8s.io") for verb in ("escalate", "bind", "patch")),
        ("create", "clusterroles.rbac.authorization.k8s.io"),
        ("create", "clusterrolebindings.rbac.authorization.k8s.io"),
        ("create", "validatingwebhookconfigurations.admissionregistration.k8s.io"),
        ("create", "persistentvolumes"),
    ]
    assert [f"{verb} {what}" for verb, what in refused if may(endpoint, verb, what)] == []


def test_replacing_and_swapping_are_rights_of_their_own(bind: Bind) -> None:
    replacing = [
        f"{verb} {kind}"
        for kind in ("configmaps", "secrets", "deployments.apps", "roles.rbac.authorization.k8s.io")
        for verb in ("update", "delete")
    ]
    swapping = ["delete persistentvolumeclaims", "patch deployments.apps"]
    never = ["delete namespaces", "delete serviceaccounts", "delete persistentvolumes"]
    asked = [*replacing, *swapping, *never]

    def allowed() -> list[str]:
        return [right for right in asked if may(endpoint, *right.split(" "))]

    endpoint = bind("lifeboat-writer")
    assert allowed() == []
    bind("lifeboat-writer-replace")
    assert allowed() == replacing
    bind("lifeboat-writer-swap")
    assert allowed() == [*replacing, *swapping]


def test_roles_mightier_than_the_writer_need_a_second_role(bind: Bind, namespace: str) -> None:
    """Kubernetes itself sees to it: nobody hands out rights they lack."""
    mighty = manifest(ROLE, "mighty", rules=[_ADMIN_RULE])
    reference = {"apiGroup": ROLE.group, "kind": "ClusterRole", "name": "cluster-admin"}
    user = {"apiGroup": ROLE.group, "kind": "User", "name": "somebody"}
    admins = manifest(ROLE_BINDING, "admins", roleRef=reference, subjects=[user])
    api = ClusterApi(bind("lifeboat-writer"))
    for kind, body in ((ROLE, mighty), (ROLE_BINDING, admins)):
        with pytest.raises(Forbidden, match="attempting to grant RBAC permissions"):
            api.create(kind, namespace, body)
    bind("lifeboat-writer-cluster")
    api.create(ROLE, namespace, mighty)
    api.create(ROLE_BINDING, namespace, admins)


def test_every_kind_that_a_point_may_hold_is_in_a_writer_s_role(cluster: LocalCluster) -> None:
    """A kind that a new Kubernetes brings must not be forgotten here."""
    may_create = {
        f"{plural}.{group}".rstrip(".")
        for role in ("lifeboat-writer", "lifeboat-writer-cluster")
        for rule in shipped_role(role)["rules"]
        if "create" in rule["verbs"]
        for group in rule["apiGroups"]
        for plural in rule["resources"]
    }
    found = ClusterApi(from_kubeconfig(cluster.kubeconfig)).discover().kinds
    restorable = {
        kind.resource
        for kind in found
        if ("." not in kind.group or kind.group.endswith(".k8s.io"))
        and not why_never(kind)
        and not why_left(kind, Seen(Meta("x")), lambda _: False, scratch=False)
    }
    assert len(restorable) > 40
    assert sorted(restorable - may_create) == []
    assert not any("*" in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
                   for name in ROLES.glob("*.yaml") if name.stem != "lifeboat-reader"
                   for rule in shipped_role(name.stem)["rules"])  # fmt: skip
