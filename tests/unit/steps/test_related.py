"""What captured objects need of the cluster comes along, and nothing else of it does."""

from __future__ import annotations

from typing import Any

import pytest

from lifeboat.errors import ClusterUnreachable, Forbidden
from lifeboat.point.manifest import LeftOut, Manifest, Run, open_contents
from lifeboat.ports.cluster import Json, Kind
from lifeboat.steps.backup import backup
from lifeboat.steps.enumerate import enumerate_scope
from tests.support.kinds import (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    CONFIG_MAP,
    CRD,
    CRON_JOB,
    DEPLOYMENT,
    INGRESS,
    INGRESS_CLASS,
    NAMESPACE,
    POD,
    PRIORITY_CLASS,
    ROLE_BINDING,
    RUNTIME_CLASS,
    SERVICE_ACCOUNT,
    SNAPSHOT,
    SNAPSHOT_CLASS,
    STATEFUL_SET,
    STORAGE_CLASS,
)
from tests.support.manifests import crd, manifest
from tests.support.world import POLICY, World

RUN = Run("run", "manual")


def select(text: str) -> str:
    return POLICY.replace("select: {namespaces: {include: [shop]}}", f"select: {text}")


def world_with(text: str = "{namespaces: {include: [shop]}}") -> World:
    world = World(policy=select(text))
    world.cluster.create(NAMESPACE, None, manifest(NAMESPACE, "other"))
    return world


def put(world: World, kind: Kind, name: str, space: str | None = None, **fields: Any) -> Json:
    return world.cluster.create(kind, space, manifest(kind, name, **fields))


def captured(world: World) -> tuple[Manifest, set[str]]:
    """The point, and `Kind name` of all in it that lies in no namespace."""
    context = world.context()
    made = backup(context, RUN, lambda _: None)
    assert made is not None
    entries = list(open_contents(context.vault, made))
    held = {f"{entry.kind} {entry.name}" for entry in entries if not entry.namespace}
    assert made.objects == len(entries)
    return made, held


ALWAYS = {"Namespace shop", "PersistentVolume pv-1", "StorageClass fast"}


def test_a_claim_brings_its_volume_and_its_class() -> None:
    world = world_with()
    put(world, STORAGE_CLASS, "unused", provisioner="x")
    made, held = captured(world)
    assert held == ALWAYS
    assert made.left_out == ()


def pod(**spec: Any) -> Json:
    return {"spec": spec}


TEMPLATE = pod(priorityClassName="high", runtimeClassName="gvisor")
EPHEMERAL = {"volumeClaimTemplate": {"spec": {"storageClassName": "scratch"}}}


@pytest.mark.parametrize(
    ("kind", "fields", "needed"),
    [
        (POD, TEMPLATE, {"PriorityClass high", "RuntimeClass gvisor"}),
        (DEPLOYMENT, pod(template=TEMPLATE), {"PriorityClass high", "RuntimeClass gvisor"}),
        (
            CRON_JOB,
            pod(jobTemplate=pod(template=TEMPLATE)),
            {"PriorityClass high", "RuntimeClass gvisor"},
        ),
        (POD, pod(volumes=[{"name": "v", "ephemeral": EPHEMERAL}]), {"StorageClass scratch"}),
        (
            STATEFUL_SET,
            pod(template=pod(), volumeClaimTemplates=[pod(storageClassName="scratch")]),
            {"StorageClass scratch"},
        ),
        (POD, pod(priorityClassName="system-node-critical"), set()),
        (INGRESS, pod(ingressClassName="nginx"), {"IngressClass nginx"}),
        (
            INGRESS,
            {"metadata": {"name": "x", "annotations": {"kubernetes.io/ingress.class": "nginx"}}},
            {"IngressClass nginx"},
        ),
        (SNAPSHOT, pod(volumeSnapshotClassName="slow"), {"VolumeSnapshotClass slow"}),
    ],
)  # fmt: skip
def test_what_workloads_and_their_like_need(
    kind: Kind, fields: dict[str, Any], needed: set[str]
) -> None:
    world = world_with()
    for name, of in (
        ("high", PRIORITY_CLASS), ("low", PRIORITY_CLASS),
        ("system-node-critical", PRIORITY_CLASS), ("gvisor", RUNTIME_CLASS),
        ("kata", RUNTIME_CLASS), ("scratch", STORAGE_CLASS), ("nginx", INGRESS_CLASS),
        ("traefik", INGRESS_CLASS),
    ):  # fmt: skip
        put(world, of, name)
    put(world, SNAPSHOT_CLASS, "slow", driver="another.example.com")
    world.cluster.create(kind, "other", {**manifest(kind, "elsewhere"), "spec": {}})
    before = captured(world)[1]
    assert before == ALWAYS
    world.tick(minutes=1)
    body = {**manifest(kind, "x"), **fields}
    world.cluster.create(kind, "shop", body)
    assert captured_again(world) == ALWAYS | needed


def captured_again(world: World) -> set[str]:
    context = world.context()
    made = backup(context, Run("again", "manual"), lambda _: None)
    assert made is not None
    return {f"{e.kind} {e.name}" for e in open_contents(context.vault, made) if not e.namespace}


def role(world: World, name: str, **fields: Any) -> None:
    put(world, CLUSTER_ROLE, name, **fields)


def binding(world: World, name: str, to: str, *subjects: dict[str, str]) -> None:
    ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": to}
    put(world, CLUSTER_ROLE_BINDING, name, roleRef=ref, subjects=list(subjects))


def account(name: str, space: str = "shop") -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": name, "namespace": space}


def test_service_accounts_bring_their_bindings_and_these_their_roles() -> None:
    world = world_with()
    put(world, SERVICE_ACCOUNT, "web", "shop")
    put(world, SERVICE_ACCOUNT, "web", "other")
    for name in ("reader", "foreign", "grouped", "all", "gone"):
        role(world, name)
    binding(world, "ours", "reader", {"kind": "User", "name": "ann"}, account("web"))
    binding(world, "theirs", "foreign", account("web", "other"))
    binding(world, "no-such-account", "gone", account("nobody"))
    group = {"kind": "Group", "name": "system:serviceaccounts:shop"}
    binding(world, "group", "grouped", group)
    binding(world, "everybody", "all", {"kind": "Group", "name": "system:serviceaccounts"})
    assert captured(world)[1] == ALWAYS | {
        "ClusterRoleBinding ours", "ClusterRole reader",
        "ClusterRoleBinding group", "ClusterRole grouped",
    }  # fmt: skip


def test_role_bindings_bring_cluster_roles_and_aggregated_ones_their_parts() -> None:
    world = world_with()
    rule = {
        "clusterRoleSelectors": [
            {"matchLabels": {"to": "sum"}},
            {"matchExpressions": [{"key": "also", "operator": "Exists"}]},
        ]
    }
    role(world, "sum", aggregationRule=rule)
    for name, labels in (("part", {"to": "sum"}), ("more", {"also": ""}), ("alien", {"to": "x"})):
        body = manifest(CLUSTER_ROLE, name)
        body["metadata"]["labels"] = labels
        world.cluster.create(CLUSTER_ROLE, None, body)
    built_in = manifest(CLUSTER_ROLE, "view")
    built_in["metadata"]["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults", "to": "sum"}
    world.cluster.create(CLUSTER_ROLE, None, built_in)
    for name, kind in (("sum", "ClusterRole"), ("view", "ClusterRole"), ("alien", "Role")):
        put(world, ROLE_BINDING, f"to-{name}", "shop", roleRef={"kind": kind, "name": name})
    assert captured(world)[1] == ALWAYS | {
        "ClusterRole sum", "ClusterRole part", "ClusterRole more",
    }  # fmt: skip


def test_custom_resources_bring_their_definitions() -> None:
    world = world_with()
    for name in ("widgets", "gadgets"):
        world.cluster.create(CRD, None, crd("example.com", name, name.title()[:-1]))
    kinds = {kind.plural: kind for kind in world.cluster.kinds}
    put(world, kinds["widgets"], "one", "shop")
    put(world, kinds["gadgets"], "one", "other")
    _, held = captured(world)
    assert held == ALWAYS | {"CustomResourceDefinition widgets.example.com"}
    lists = [call for call in world.cluster.calls if call.method == "list_pages"]
    assert not [call for call in lists if call.resource == "gadgets.example.com"
                and call.namespace not in ("", "shop")]  # fmt: skip


def test_objects_that_are_not_selected_need_nothing() -> None:
    world = world_with("{namespaces: {include: [shop]}, kinds: {include: [configmaps]}}")
    assert captured(world)[1] == {"Namespace shop"}


def test_an_excluded_kind_stays_out_although_it_is_needed() -> None:
    text = "{namespaces: {include: [shop]}, kinds: {exclude: [sc, StorageClass, namespaces]}}"
    assert captured(world_with(text))[1] == {"PersistentVolume pv-1"}


def test_a_cluster_filter_withholds_what_is_needed_and_says_so() -> None:
    filters = "clusterFilters: [{kinds: [storageclasses], names: [my-*]}]"
    text = f"{{namespaces: {{include: [shop]}}, {filters}}}"
    made, held = captured(world_with(text))
    assert held == ALWAYS - {"StorageClass fast"}
    reason = "what was captured needs it, but select.clusterFilters[0] leaves it out"
    assert made.left_out == (LeftOut("StorageClass.storage.k8s.io fast", reason, severity="note"),)
    assert made.complete


def test_labels_over_all_namespaces_bring_what_is_labelled_and_what_is_needed() -> None:
    world = world_with("{labels: app=web}")
    for name, labels in (("mine", {"app": "web"}), ("theirs", {})):
        body = manifest(PRIORITY_CLASS, name)
        body["metadata"]["labels"] = labels
        world.cluster.create(PRIORITY_CLASS, None, body)
    for name, wanted in (("a", "mine"), ("b", "theirs")):
        body = {**manifest(POD, name), **pod(priorityClassName=wanted)}
        body["metadata"]["labels"] = {"app": "web"}
        world.cluster.create(POD, "shop", body)
    _, held = captured(world)
    assert held == {
        "Namespace default", "Namespace other", "Namespace shop",
        "PriorityClass mine", "PriorityClass theirs",
    }  # fmt: skip


@pytest.mark.parametrize("scoped", ["all", "none"])
def test_all_and_none(scoped: str) -> None:
    world = world_with(f"{{namespaces: {{include: [shop]}}, clusterScoped: {scoped}}}")
    put(world, PRIORITY_CLASS, "unused")
    _, held = captured(world)
    wanted = ALWAYS | {"PriorityClass unused", "VolumeSnapshotClass fast"}
    assert held == (wanted if scoped == "all" else {"Namespace shop"})


def test_roles_that_may_not_be_listed_are_a_loss() -> None:
    world = world_with()
    put(world, SERVICE_ACCOUNT, "web", "shop")
    resource = CLUSTER_ROLE_BINDING.resource
    world.cluster.fail_next("list_pages", Forbidden("nobody may"), resource=resource)
    made, held = captured(world)
    assert held == ALWAYS
    assert not made.complete
    assert [entry.what for entry in made.left_out] == [f"needed {resource}"]


def test_a_retry_goes_on_and_asks_nothing_twice() -> None:
    world = world_with()
    put(world, CONFIG_MAP, "more", "shop")
    resource = STORAGE_CLASS.resource
    world.cluster.fail_next("list_pages", ClusterUnreachable("gone"), resource=resource)
    with pytest.raises(ClusterUnreachable):
        captured(world)
    dumped = [call.resource for call in world.cluster.calls].count(CONFIG_MAP.resource)
    assert captured(world)[1] == ALWAYS
    assert [call.resource for call in world.cluster.calls].count(CONFIG_MAP.resource) == dumped


def test_requests_do_not_grow_with_namespaces() -> None:
    world = world_with('{namespaces: {include: ["*"]}, labels: app=web}')
    for n in range(40):
        put(world, NAMESPACE, f"team-{n}")
        put(world, CONFIG_MAP, "one", f"team-{n}")
    world.cluster.calls.clear()
    scope = enumerate_scope(world.context(), RUN)
    assert len(scope.namespaces) == 43
    kinds = {listing.kind.resource for shard in scope.shards for listing in shard.listings}
    # counted once, and claims, volumes, namespaces, discovery, snapshot classes
    assert len(world.cluster.calls) <= len(kinds) + 6
