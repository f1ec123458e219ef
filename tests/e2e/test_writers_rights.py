"""No role for restores lacks or hoards a right: the zoo, with an object of every kind, is restored
under docs/rbac in every mode, and the API server's audit log says what was used and refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.point import layout
from lifeboat.point.manifest import Manifest
from lifeboat.ports.cluster import Json
from lifeboat.restore.choice import Choice
from lifeboat.restore.model import RestorePlan, RestoreReport, RestoreRequest
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.run import apply_plan, prepare, resources
from lifeboat.steps.context import Context
from local.api import wait_until
from local.cluster import temporary_cluster
from tests.support.access import bind_roles, service_account, shipped_role
from tests.support.kinds import CLUSTER_ROLE
from tests.support.manifests import manifest
from tests.support.rights import Asked, asked_by, idle
from tests.support.zoo import NAMESPACES, Zoo

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
        cluster.api.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
        )
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
        yield Scene(zoo, zoo.backup())


def touch_everything(zoo: Zoo) -> None:
    """Another label on every object that the zoo's manifests made inside namespaces."""
    change = {"metadata": {"labels": {"touched": "yes"}}}
    for made in zoo.manifests():
        meta = made["metadata"]
        if "namespace" in meta:
            path = zoo.api.path(made["apiVersion"], made["kind"], meta["namespace"], meta["name"])
            zoo.api.request("PATCH", path, change, "application/merge-patch+json")


def idle_rights(asked: Asked, *roles: str) -> dict[str, list[Any]]:
    found = {role: idle(shipped_role(role), asked) for role in roles}
    return {role: rights for role, rights in found.items() if rights}


def test_all_of_it(scene: Scene) -> None:
    zoo = scene.zoo
    zoo.lose()
    roles = ("lifeboat-writer", "lifeboat-writer-cluster", "lifeboat-planner")
    endpoint = scene.account("new", *roles)
    context = scene.opened(endpoint)
    plan = scene.plan(context, "new")
    account = apply_plan(context, plan, quiet, plan.created)
    print(account.failed, account.warnings)
    scene.forget(plan)
    prepare(context, plan, quiet)
    resources(context, plan, quiet)
    asked = asked_by(endpoint, zoo.cluster.audit_log)
    print("REFUSED", sorted(asked.refused))
    print("IDLE", idle_rights(asked, *roles))
    merging = scene.account("merge", "lifeboat-writer", "lifeboat-writer-merge", verbs=("patch",))
    touch_everything(zoo)
    account = scene.restore(merging, "merge", mode="merge")
    print(account.failed, account.warnings)
    asked = asked_by(merging, zoo.cluster.audit_log)
    print("REFUSED", sorted(asked.refused))
    print("IDLE", idle_rights(asked, "lifeboat-writer-merge"))
    replacing = scene.account("replace", "lifeboat-writer", "lifeboat-writer-replace", "lifeboat-writer-swap", verbs=("update", "delete"))
    touch_everything(zoo)
    account = scene.restore(replacing, "replace", mode="replace")
    print(account.failed, account.warnings)
    account = scene.restore(replacing, "recreate", mode="recreate", scale_down=True)
    print(account.failed, account.warnings)
    asked = asked_by(replacing, zoo.cluster.audit_log)
    print("REFUSED", sorted(asked.refused))
    print("IDLE", idle_rights(asked, "lifeboat-writer-replace", "lifeboat-writer-swap"))
    assert False
