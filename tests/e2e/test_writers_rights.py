"""No role for restores lacks or hoards a right: the zoo, with an object of every kind, is restored
under docs/rbac in every mode, and the API server's audit log says what was used and refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.adapters.snapshot_api import PROVISIONER_FINALIZER
from lifeboat.errors import RestoreIncomplete
from lifeboat.point import layout
from lifeboat.point.manifest import Manifest
from lifeboat.policy.proof import TestRestore
from lifeboat.ports.cluster import Json
from lifeboat.proof.run import clean_up, scratch_plan
from lifeboat.restore.choice import Choice
from lifeboat.restore.model import RestorePlan, RestoreReport, RestoreRequest
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.run import apply_plan, prepare, resources
from lifeboat.steps.context import Context
from local.api import wait_until
from local.cluster import temporary_cluster
from tests.support.access import bind_roles, service_account, shipped_role
from tests.support.kinds import CLAIM, CLUSTER_ROLE, DEPLOYMENT, SNAPSHOT
from tests.support.manifests import claim, manifest
from tests.support.poll import until
from tests.support.rights import OF_FILES, Asked, Right, asked_by, idle, rights_of
from tests.support.zoo import Zoo

CUSTOM_GROUPS = ["gateway.networking.k8s.io", "zoo.example.com"]
"""Whoever restores custom resources adds their groups (docs/rbac/README.md)."""


@dataclass
class Scene:
    """The zoo, lost, with a point of it."""

    zoo: Zoo
    point: Manifest

    def account(self, name: str, *roles: str, verbs: tuple[str, ...] = ()) -> Endpoint:
        """A ServiceAccount with these roles and what custom resources need."""
        cluster, space = self.zoo.cluster, f"restorer-{name}"
        cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}})
        endpoint = service_account(cluster, space, "lifeboat")
        rule = {
            "apiGroups": CUSTOM_GROUPS,
            "resources": ["*"],
            "verbs": ["get", "list", "create", *verbs],
        }
        custom = manifest(CLUSTER_ROLE, f"custom-{name}", rules=[rule])
        bind_roles(cluster, endpoint, space, (*roles, custom))
        return endpoint

    def opened(self, endpoint: Endpoint) -> Context:
        cluster = ClusterApi(endpoint)
        return replace(self.zoo.context(), cluster=cluster, disks=DisksCsi(cluster))

    def plan(self, context: Context, name: str, **wishes: Any) -> RestorePlan:
        request = RestoreRequest(instance=self.point.instance, point=self.point.point, **wishes)
        return plan_restore(context, request, f"r-{name}")

    def restore(self, endpoint: Endpoint, name: str, **wishes: Any) -> RestoreReport:
        context = self.opened(endpoint)
        plan = self.plan(context, name, **wishes)
        return apply_plan(context, plan, quiet, plan.created)

    def forget(self, plan: RestorePlan) -> None:
        """What its parts did, as a restore does that is killed before it could say so."""
        for part in plan.parts:
            key = layout.restore_result(plan.request.instance, plan.restore, part.digest)
            (self.zoo.folder / "vault" / key).unlink(missing_ok=True)


def quiet(_: str) -> None: ...


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with temporary_cluster(audit=True) as cluster:
        zoo = Zoo(cluster, tmp_path_factory.mktemp("zoo"))
        zoo.load()
        furnish(zoo)
        yield Scene(zoo, zoo.backup())


def furnish(zoo: Zoo) -> None:
    """What only some rights are for: an account that is merged, a volume that is kept, a zone."""
    change(zoo, "v1", "ServiceAccount", "zoo-shop", "default", {"metadata": {"labels": {"a": "b"}}})
    keep = {"spec": {"persistentVolumeReclaimPolicy": "Retain"}}
    for live in zoo.api.list("v1", "PersistentVolume"):
        if "csi" in live["spec"]:
            change(zoo, "v1", "PersistentVolume", "", live["metadata"]["name"], keep)
    zone = {"topology.kubernetes.io/zone": "westeurope-1"}
    container = {"name": "main", "image": "example.invalid/zoned:1"}
    labels = {"app": "zoned"}
    template = {
        "metadata": {"labels": labels},
        "spec": {"nodeSelector": zone, "containers": [container]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    body = manifest(DEPLOYMENT, "zoned", spec=spec)
    body["metadata"]["namespace"] = "zoo-shop"
    zoo.api.apply(body)
    touch_everything(zoo, "no")


def change(zoo: Zoo, api_version: str, kind: str, space: str, name: str, patch: Json) -> None:
    path = zoo.api.path(api_version, kind, space, name)
    zoo.api.request("PATCH", path, patch, "application/merge-patch+json")


def touch_everything(zoo: Zoo, touched: str) -> list[str]:
    """A label on every named object of the zoo. Returns the cluster-scoped kinds among them, as
    `--mode-of` takes them."""
    label = {"metadata": {"labels": {"touched": touched}}}
    kinds = set()
    for made in zoo.manifests():
        meta = made["metadata"]
        if "name" not in meta or made["kind"] in _LEFT_ALONE:
            continue
        where = (made["apiVersion"], made["kind"], meta.get("namespace", ""), meta["name"])
        if zoo.api.gone(*where):
            continue  # a token Secret: left to its maker
        change(zoo, *where, label)
        if "namespace" not in meta:
            group = made["apiVersion"].rpartition("/")[0]
            kinds.add(f"{made['kind']}.{group}".rstrip("."))
    return sorted(kinds)


_LEFT_ALONE = ("Namespace", "ServiceCIDR", "ControllerRevision")
"""Never changed by a restore into a cluster that has them; the last one by nobody: the API server
takes every patch of it for a change of its data, which is immutable."""


def idle_rights(asked: Asked, *roles: str, but: str = "") -> dict[str, list[Right]]:
    """By role; rights of the verb `but` are for another test."""
    found: dict[str, list[Right]] = {}
    for role in roles:
        elsewhere = OF_FILES if role == "lifeboat-writer" else frozenset()
        rights = [r for r in idle(shipped_role(role), asked) if r.verb != but]
        if left := [right for right in rights if right not in elsewhere]:
            found[role] = left
    return found


def test_all_that_was_lost_comes_back(scene: Scene) -> None:
    """Twice, as a restore does that is killed when it had made everything and not yet said so."""
    zoo = scene.zoo
    zoo.lose()
    roles = ("lifeboat-writer", "lifeboat-writer-cluster")
    further = ("lifeboat-writer-merge", "lifeboat-planner")
    endpoint = scene.account("new", *roles, *further, verbs=("patch",))
    context = scene.opened(endpoint)
    plan = scene.plan(context, "new")
    assert apply_plan(context, plan, quiet, plan.created).failed == ()
    scene.forget(plan)
    prepare(context, plan, quiet)
    resources(context, plan, quiet)
    a_forgotten_finalizer(scene, context)
    asked = asked_by(endpoint, zoo.cluster.audit_log)
    wait_until("the zoo is awake again", zoo.is_awake, 120)
    assert not asked.refused, sorted(asked.refused)
    assert idle_rights(asked, "lifeboat-writer") == {}
    assert idle_rights(asked, "lifeboat-writer-cluster", but="patch") == {}


def a_forgotten_finalizer(scene: Scene, context: Context) -> None:
    """What the writer's patch is for: adapters/snapshot_delete.py, delete_helper."""
    snapshot, admin = scene.point.volumes[0], scene.zoo.context().cluster
    ticket = context.disks.start_restore(
        snapshot, namespace="zoo-shop", claim="again", restore_id="r-1", claim_body=claim("again")
    )
    until("it is bound", lambda: context.disks.poll_restore(ticket).bound)
    forgotten = {"metadata": {"finalizers": [PROVISIONER_FINALIZER]}}
    admin.patch(SNAPSHOT, "zoo-shop", ticket.snapshot_name, forgotten)
    context.disks.finish_restore(ticket)
    admin.delete(CLAIM, "zoo-shop", "again")


def test_all_that_differs_is_merged(scene: Scene) -> None:
    zoo = scene.zoo
    roles = ("lifeboat-writer", "lifeboat-writer-merge", "lifeboat-writer-cluster")
    endpoint = scene.account("merge", *roles, "lifeboat-planner", verbs=("patch",))
    outside = dict.fromkeys(touch_everything(zoo, "yes"), "merge")
    zoo.api.delete("apps/v1", "Deployment", "zoo-shop", "zoned")  # planning it looks for its zone
    account = scene.restore(endpoint, "merge", mode="merge", mode_of=outside)
    assert account.failed == ()
    asked = asked_by(endpoint, zoo.cluster.audit_log)
    assert not asked.refused, sorted(asked.refused)
    assert idle_rights(asked, "lifeboat-writer-merge", "lifeboat-planner") == {}
    of_cluster = idle_rights(asked, "lifeboat-writer-cluster").get("lifeboat-writer-cluster", [])
    assert [right for right in of_cluster if right.verb == "patch"] == []


def test_all_that_differs_is_replaced_or_made_anew(scene: Scene) -> None:
    zoo = scene.zoo
    roles = ("lifeboat-writer-replace", "lifeboat-writer-swap")
    verbs = ("patch", "update", "delete")
    # Owners are named again by a patch, a kept volume is told so, and the plan looks around.
    further = ("lifeboat-writer-merge", "lifeboat-writer-cluster", "lifeboat-planner")
    endpoint = scene.account("replace", "lifeboat-writer", *further, *roles, verbs=verbs)
    touch_everything(zoo, "yes")
    kinds = sorted(_resources(*roles))
    replaced = scene.restore(endpoint, "replace", mode="replace", kinds=kinds, scale_down=True)
    assert replaced.failed == ()
    choice = Choice(claims=tuple(volume.volume.claim for volume in scene.point.volumes))
    with pytest.raises(RestoreIncomplete) as told:
        scene.restore(endpoint, "anew", mode="recreate", kinds=kinds, choice=choice)
    failed = told.value.message.splitlines()[1:]
    assert len(failed) == 1, failed
    assert "Pod zoo-limits/limited: exists; deleted, it could not be made anew" in failed[0]
    assert "exceeded quota" in failed[0], "it is full as long as the pod is there"
    asked = asked_by(endpoint, zoo.cluster.audit_log)
    assert not asked.refused, sorted(asked.refused)
    assert idle_rights(asked, *roles) == {}


def test_what_a_test_restore_makes_outside_it_takes_away(scene: Scene) -> None:
    """The last of this module: the zoo is not loaded again."""
    zoo = scene.zoo
    zoo.lose()
    roles = ("lifeboat-writer", "lifeboat-writer-cluster", "lifeboat-writer-merge")
    further = ("lifeboat-planner", "lifeboat-test-restore", "lifeboat-test-restore-cluster")
    endpoint = scene.account("prove", *roles, *further, verbs=("patch", "delete"))
    opened, before = scene.opened(endpoint), outside(zoo)
    wanted = TestRestore.model_validate({"clusterScoped": ["*"]})
    policy = opened.instance.policy.model_copy(update={"test_restore": wanted})
    context = replace(opened, instance=replace(opened.instance, policy=policy))
    plan = scratch_plan(context, scene.point.point, "rzoo00000001")
    prepare(context, plan, quiet)
    resources(context, plan, quiet)
    made = outside(zoo) - before
    assert {"Keeper.zoo.example.com", *DELETED} <= {kind for kind, _, _ in made}
    for space in plan.request.mapping.values():
        retire_operator(zoo, space)
    removed = clean_up(context, plan.restore)
    assert len(removed) > len(DELETED)
    assert not made & outside(zoo)
    assert before <= outside(zoo), "what was there is as it was"
    asked = asked_by(endpoint, zoo.cluster.audit_log)
    assert not asked.refused, sorted(asked.refused)
    assert idle_rights(asked, "lifeboat-test-restore-cluster") == {}


def outside(zoo: Zoo) -> set[tuple[str, str, str]]:
    """Everything outside namespaces that somebody keeps: kind, name and uid."""
    cluster = zoo.context().cluster
    found = set()
    for kind in cluster.discover().kinds:
        if kind.namespaced or "list" not in kind.verbs or kind.group_kind in _PASSING:
            continue
        for page in cluster.list_pages(kind):
            for metadata in (msgspec.json.decode(raw)["metadata"] for raw in page.items):
                found.add((kind.group_kind, metadata["name"], metadata.get("uid", "")))
    return found


DELETED = (
    "ClusterRole.rbac.authorization.k8s.io", "PriorityClass.scheduling.k8s.io",
    "CustomResourceDefinition.apiextensions.k8s.io", "StorageClass.storage.k8s.io",
)  # fmt: skip
_PASSING = (
    "Namespace", "PersistentVolume", "VolumeSnapshotContent.snapshot.storage.k8s.io",
    "IPAddress.networking.k8s.io", "VolumeAttachment.storage.k8s.io",
    "APIService.apiregistration.k8s.io",  # one for each version of a defined kind
)  # fmt: skip


def retire_operator(zoo: Zoo, space: str) -> None:
    """What the zoo's operator would do when its resources go."""
    group = "zoo.example.com"
    for at, kind, where in (("v1", "Aquarium", space), ("v1alpha1", "Keeper", "")):
        for live in zoo.api.list(f"{group}/{at}", kind, where):
            name = live["metadata"]["name"]
            change(zoo, f"{group}/{at}", kind, where, name, {"metadata": {"finalizers": None}})


def _resources(*roles: str) -> set[str]:
    """Kinds that roles name, as `deployments.apps`."""
    return {right.resource for role in roles for right in rights_of(shipped_role(role))}
