"""What Helm, Argo CD and Flux own: told of every point, and left out where the policy says so."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lifeboat.point.manifest import LeftOut, Manifest, Run, open_contents
from lifeboat.policy.load import parse_policy
from lifeboat.policy.owners import Owner, owner_of
from lifeboat.ports.cluster import Kind
from lifeboat.report.owners import OwnedPart, read_owners
from lifeboat.steps.backup import backup
from lifeboat.steps.scope import Listing
from lifeboat.steps.sieve import Sieve
from lifeboat.steps.strip import Stripped
from tests.support.kinds import CLAIM, CONFIG_MAP, DEPLOYMENT, POD, REPLICA_SET, SECRET, SERVICE
from tests.support.manifests import manifest
from tests.support.world import POLICY, World

HELM = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"},
}
ARGO = {"annotations": {"argocd.argoproj.io/tracking-id": "gitops_web:apps/Deployment:shop/web"}}
FLUX = {
    "labels": {
        "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system",
    }
}


@pytest.mark.parametrize(
    ("marks", "owner"),
    [
        (HELM, Owner("helm", "shop/web")),
        (ARGO, Owner("argocd", "gitops/web")),
        ({"labels": {"argocd.argoproj.io/instance": "web"}}, Owner("argocd", "web")),
        (FLUX, Owner("flux", "flux-system/apps")),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "web"}}, Owner("flux", "web")),
        ({"labels": HELM["labels"] | FLUX["labels"], **ARGO}, Owner("flux", "flux-system/apps")),
        ({"labels": HELM["labels"], "annotations": HELM["annotations"] | ARGO["annotations"]},
         Owner("argocd", "gitops/web")),
        ({"labels": HELM["labels"]}, None),
        ({"annotations": HELM["annotations"]}, None),
        ({"labels": {"app.kubernetes.io/instance": "web"}}, None),
        ({"annotations": {"argocd.argoproj.io/tracking-id": ""}}, None),
    ],
)  # fmt: skip
def test_marks_as_the_tools_document_them(marks: dict[str, Any], owner: Owner | None) -> None:
    assert owner_of(marks.get("labels", {}), marks.get("annotations", {})) == owner


def put(world: World, kind: Kind, name: str, marks: dict[str, Any], **fields: Any) -> None:
    body = manifest(kind, name, **fields)
    body["metadata"] |= marks
    world.cluster.create(kind, "shop", body)


def child_of(kind: str, name: str) -> dict[str, Any]:
    return {"ownerReferences": [{"kind": kind, "name": name, "controller": True, "uid": "1"}]}


@pytest.fixture
def world() -> World:
    made = World()
    put(made, DEPLOYMENT, "web", ARGO)
    put(made, REPLICA_SET, "web-1", child_of("Deployment", "web") | ARGO)
    put(made, POD, "web-1-a", child_of("ReplicaSet", "web-1"))
    put(made, POD, "lonely", {})
    put(made, POD, "of-an-operator", child_of("Database", "db"))
    put(made, SERVICE, "web", HELM)
    put(made, CONFIG_MAP, "flux", FLUX)
    put(made, CONFIG_MAP, "prose", {}, data={"text": "see argocd.argoproj.io/tracking-id"})
    put(made, SECRET, "sh.helm.release.v1.web.v1", HELM)
    return made


def made_of(world: World, managed_by: str = "") -> tuple[Manifest, set[str]]:
    if managed_by:
        world.policy = POLICY.replace("select: {", f"select: {{managedBy: {managed_by}, ")
    context = world.context()
    made = backup(context, Run(f"run {managed_by}", "cli"), lambda _: None)
    assert made is not None
    held = {f"{entry.kind} {entry.name}" for entry in open_contents(context.vault, made)}
    return made, held


def test_without_the_option_everything_is_captured(world: World) -> None:
    made, held = made_of(world)
    assert {"Deployment web", "ReplicaSet web-1", "Pod web-1-a", "Service web"} <= held
    assert not [entry for entry in made.left_out if "managedBy" in entry.reason]


def test_what_a_tool_brings_back_is_left_out_and_counted(world: World) -> None:
    _, everything = made_of(world)
    made, held = made_of(world, "{argocd: leave}")
    assert everything - held == {"Deployment web", "ReplicaSet web-1", "Pod web-1-a"}
    why = "1 in namespace shop, which come back with {}: managedBy leaves them out"
    assert {
        LeftOut(
            "Deployment.apps of Argo CD application gitops/web",
            why.format("Argo CD application gitops/web"),
            severity="note",
        ),
        LeftOut("Pod of their workloads", why.format("their workloads"), severity="note"),
        LeftOut(
            "ReplicaSet.apps of their workloads", why.format("their workloads"), severity="note"
        ),
    } == {entry for entry in made.left_out if "managedBy" in entry.reason}
    assert made.complete


def test_data_and_secrets_stay_whoever_owns_them(world: World) -> None:
    world.cluster.patch(CLAIM, "shop", "data", {"metadata": HELM})
    made, held = made_of(world, "{argocd: leave, flux: leave, helm: leave}")
    assert {"PersistentVolumeClaim data", "Secret sh.helm.release.v1.web.v1"} <= held
    assert not {"Service web", "ConfigMap flux"} & held
    assert {"Pod lonely", "Pod of-an-operator", "ConfigMap prose", "Secret login"} <= held
    assert [snapshot.volume.title for snapshot in made.volumes] == ["shop/data"]


def test_the_report_counts_by_namespace_and_owner(world: World) -> None:
    made, _ = made_of(world)
    parts = read_owners(open_contents(world.context().vault, made))
    (shop,) = [part for part in parts if part.namespace == "shop"]
    owners = {"Argo CD application gitops/web": 1, "Flux flux-system/apps": 1}
    owners |= {"Helm release shop/web": 1}
    assert shop == OwnedPart("shop", shop.objects, owners, made=2)
    assert shop.only_here == shop.objects - 5
    assert sum(part.objects for part in parts) == made.objects


def test_a_page_that_is_listed_anew_counts_once() -> None:
    policy = parse_policy(
        POLICY.replace("select: {", "select: {managedBy: {flux: leave}, "), "", "p"
    )
    sieve = Sieve(policy.select, ["shop"])
    listing = Listing(CONFIG_MAP, "shop")
    item = Stripped("shop", "flux", FLUX["labels"], msgspec.json.encode({"metadata": FLUX}))
    takes = sieve.of(listing)
    assert [takes(item), takes(item)] == [False, False]
    sieve.void(listing)
    assert not sieve.of(listing)(item)
    assert [sum(counts.values()) for counts in sieve.owned.values()] == [1]
