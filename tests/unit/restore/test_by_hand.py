"""Claims whose volume a person made: each case of the page, in memory."""

from __future__ import annotations

from typing import Any

import pytest

from lifeboat.errors import Forbidden
from lifeboat.point.manifest import Run
from lifeboat.ports.cluster import Json
from lifeboat.restore.model import PlanItem, RestorePlan, RestoreRequest
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.rebind import rebind
from lifeboat.restore.transforms.transforms import TransformText
from lifeboat.steps.backup import backup
from tests.support.kinds import CLAIM, STORAGE_CLASS, VOLUME
from tests.support.manifests import claim, manifest
from tests.support.world import DRIVER, World

INSTANCE = "shop.local"
COPY = {"shop": "copy"}


def quiet(_: str) -> None: ...


def volume(name: str, owner: tuple[str, str] | None = None, uid: str = "", **spec: Any) -> Json:
    made: Json = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "nfs": {"server": "nfs.example.com", "path": "/files"},
        **spec,
    }
    if owner:
        made["claimRef"] = {"namespace": owner[0], "name": owner[1]}
        if uid:
            made["claimRef"]["uid"] = uid
    body = manifest(VOLUME, name, spec=made)
    return {**body, "status": {"phase": "Bound" if owner else "Available"}}


@pytest.fixture
def world() -> World:
    """`files` is a claim on `by-hand`, whose bytes lie on a server of their own."""
    made = World()
    body = claim("files", volumeName="by-hand", storageClassName="")
    body["metadata"]["namespace"] = "shop"
    live = made.cluster.put(CLAIM, {**body, "status": {"phase": "Bound"}})
    uid = live["metadata"]["uid"]
    made.cluster.put(VOLUME, volume("by-hand", ("shop", "files"), uid))
    return made


@pytest.fixture
def point(world: World) -> str:
    captured = backup(world.context(), Run("run-1", "manual"), quiet)
    assert captured is not None
    return captured.point


def planned(world: World, point: str, **asked: Any) -> RestorePlan:
    request = RestoreRequest(instance=INSTANCE, point=point, **asked)
    return plan_restore(world.context(), request, f"r{len(world.cluster.calls)}")


def files(world: World, plan: RestorePlan) -> PlanItem:
    items = items_of(world.context().vault, plan)
    return next(one for one in items if one.kind.kind == CLAIM.kind and one.name == "files")


def lose(world: World) -> None:
    world.cluster.delete(CLAIM, "shop", "files")


def test_a_released_volume_is_bound_again(world: World, point: str) -> None:
    lose(world)
    plan = planned(world, point)
    (one,) = plan.rebinds
    assert (one.volume, one.namespace, one.claim) == ("by-hand", "shop", "files")
    assert files(world, plan).reason == "bound to by-hand again"
    assert not [line for line in plan.warnings if "files" in line]
    assert rebind(world.context(), plan) == []
    everything = world.cluster.rules
    world.cluster.rules = [{**everything[0], "verbs": ["get", "list", "create"]}]
    told = planned(world, point).warnings
    assert [line for line in told if "patch" in line and "persistentvolumes" in line]
    reference = world.cluster.get(VOLUME, None, "by-hand")["spec"]["claimRef"]
    assert (reference["namespace"], reference["name"]) == ("shop", "files")
    assert "uid" not in reference


def test_a_volume_that_has_its_claim_again_is_left_alone(world: World, point: str) -> None:
    lose(world)
    plan = planned(world, point)
    body = claim("files", volumeName="by-hand", storageClassName="")
    body["metadata"]["namespace"] = "shop"
    live = world.cluster.put(CLAIM, body)
    bound = volume("by-hand", ("shop", "files"), live["metadata"]["uid"])
    world.cluster.put(VOLUME, bound)
    assert rebind(world.context(), plan) == []
    now = world.cluster.get(VOLUME, None, "by-hand")["spec"]["claimRef"]
    assert now["uid"] == live["metadata"]["uid"]


def test_a_volume_that_went_to_another_claim_since_is_told(world: World, point: str) -> None:
    lose(world)
    plan = planned(world, point)
    world.cluster.put(VOLUME, volume("by-hand", ("other", "files"), "1"))
    (told,) = rebind(world.context(), plan)
    assert "went to other/files: plan again" in told.error
    world.cluster.delete(VOLUME, None, "by-hand")
    (told,) = rebind(world.context(), plan)
    assert "is gone since the plan was made" in told.error
    world.cluster.put(VOLUME, volume("by-hand", ("shop", "files"), "1"))
    world.cluster.fail_next("patch", Forbidden("not you"))
    (told,) = rebind(world.context(), plan)
    assert "could not be bound to it: not you" in told.error


@pytest.mark.parametrize(
    ("live", "why"),
    [
        (volume("by-hand", ("other", "c"), "1"), "is bound to other/c now"),
        (
            volume("by-hand", nfs={"server": "else", "path": "/"}, storageClassName="other"),
            "volume by-hand is another one here",
        ),
    ],
)
def test_a_volume_that_is_not_the_claims_any_more_is_no_answer(
    world: World, point: str, live: Json, why: str
) -> None:
    lose(world)
    world.cluster.put(VOLUME, live)
    plan = planned(world, point)
    item = files(world, plan)
    assert item.action == "conflict"
    assert why in item.reason
    assert plan.rebinds == ()
    assert plan.unbound == ("shop/files",)


def test_a_volume_that_is_restored_too_waits_for_its_claim(world: World, point: str) -> None:
    lose(world)
    world.cluster.delete(VOLUME, None, "by-hand")
    plan = planned(world, point)
    assert files(world, plan).action == "create"
    assert (plan.rebinds, plan.unbound) == ((), ())
    alone = planned(world, point, kinds=("persistentvolumeclaims",))
    assert "is not there, and is not restored by this plan" in files(world, alone).reason


def test_a_copy_is_named_with_the_reason(world: World, point: str) -> None:
    plan = planned(world, point, mapping=COPY)
    item = files(world, plan)
    assert item.action == "conflict"
    assert item.reason == (
        "the point has no snapshot of it; its volume by-hand is that of shop/files; no class makes"
        " no volumes, and none that somebody made is free: make one for it, or name a class by a"
        " transform"
    )


def test_a_test_restore_leaves_it_out(world: World, point: str) -> None:
    plan = planned(world, point, mapping=COPY, scratch=True)
    assert files(world, plan).action == "leave"
    assert plan.unbound == ("copy/files",)


def test_a_copy_gets_a_free_volume_that_fits_once(world: World, point: str) -> None:
    for name, fields in {
        "small": {"capacity": {"storage": "1Mi"}},
        "shared": {"accessModes": ["ReadOnlyMany"]},
        "block": {"volumeMode": "Block"},
        "classy": {"storageClassName": "fast"},
        "others": {"owner": ("copy", "data"), "storageClassName": ""},
    }.items():
        world.cluster.put(VOLUME, volume(name, **fields))
    assert files(world, planned(world, point, mapping=COPY)).action == "conflict"
    world.cluster.put(VOLUME, volume("fits"))
    plan = planned(world, point, mapping=COPY)
    assert files(world, plan).action == "create"
    told = "claim copy/files gets volume fits with whatever is in it: the point has no snapshot"
    assert [line for line in plan.warnings if line.startswith(told)]
    world.cluster.put(VOLUME, volume("meant", ("copy", "files"), capacity={"storage": "9Gi"}))
    plan = planned(world, point, mapping=COPY)
    assert [line for line in plan.warnings if "gets volume meant" in line]


def test_a_class_that_makes_volumes_makes_an_empty_one(world: World, point: str) -> None:
    lose(world)
    world.cluster.delete(VOLUME, None, "by-hand")
    world.cluster.patch(STORAGE_CLASS, None, "fast", {"provisioner": DRIVER})
    body = claim("more", volumeName="pv-9", storageClassName="fast")
    body["metadata"]["namespace"] = "shop"
    world.cluster.put(CLAIM, {**body, "status": {"phase": "Bound"}})
    captured = backup(world.context(), Run("run-2", "manual"), quiet)
    assert captured is not None
    plan = planned(world, captured.point, mapping=COPY)
    empty = "claim copy/more is made empty: the point has no snapshot of it"
    assert empty in plan.warnings
    assert plan.unbound == ()


def test_classes_that_may_not_be_listed_are_trusted(world: World, point: str) -> None:
    world.cluster.fail_next("list_pages", Forbidden("no"), times=9, resource=STORAGE_CLASS.resource)
    plan = planned(world, point, mapping=COPY)
    assert files(world, plan).action == "create"


@pytest.fixture
def filled(world: World) -> str:
    """A point that has the data of `files`: a disk that somebody bound by hand."""
    disk = volume("by-hand", ("shop", "files"), csi={"driver": DRIVER, "volumeHandle": "disk-2"})
    del disk["spec"]["nfs"]
    world.cluster.put(VOLUME, disk)
    captured = backup(world.context(), Run("run-1", "manual"), quiet)
    assert captured is not None
    assert {one.volume.claim for one in captured.volumes} == {"data", "files"}
    return captured.point


def test_data_comes_into_a_volume_of_a_class_that_makes_some(world: World, filled: str) -> None:
    plan = planned(world, filled, mapping=COPY)
    classes = {one.claim: one.storage_class for one in plan.volumes}
    assert classes == {"data": "", "files": "fast"}


def test_a_class_that_a_transform_names_is_taken(world: World, filled: str) -> None:
    """Also one that is not there: somebody said so."""
    text = """
    rules:
      - name: there
        when: {kinds: [persistentvolumeclaims], nameRegex: ^files$}
        mergePatch: {spec: {storageClassName: elsewhere}}
    """
    wanted = TransformText("there", text)
    plan = planned(world, filled, mapping=COPY, transforms=(wanted,))
    assert {one.storage_class for one in plan.volumes} == {""}


def test_a_missing_class_that_made_the_volume_is_only_warned_of(world: World) -> None:
    world.cluster.patch(CLAIM, "shop", "data", {"spec": {"storageClassName": "gone"}})
    mark = {"pv.kubernetes.io/provisioned-by": DRIVER}
    world.cluster.patch(VOLUME, None, "pv-1", {"metadata": {"annotations": mark}})
    captured = backup(world.context(), Run("run-2", "manual"), quiet)
    assert captured is not None
    plan = planned(world, captured.point, mapping=COPY)
    assert {one.claim: one.storage_class for one in plan.volumes}["data"] == ""
    assert [line for line in plan.warnings if "StorageClass gone" in line]


def test_of_several_classes_the_default_is_taken_or_none(world: World, filled: str) -> None:
    world.cluster.create(STORAGE_CLASS, None, manifest(STORAGE_CLASS, "slow", provisioner=DRIVER))
    plan = planned(world, filled, mapping=COPY)
    item = files(world, plan)
    assert item.action == "conflict"
    assert f"classes that do by {DRIVER}: fast, slow" in item.reason
    assert plan.unbound == ("copy/files",)
    mark = {"storageclass.kubernetes.io/is-default-class": "true"}
    world.cluster.patch(STORAGE_CLASS, None, "slow", {"metadata": {"annotations": mark}})
    plan = planned(world, filled, mapping=COPY)
    assert {one.claim: one.storage_class for one in plan.volumes}["files"] == "slow"


def test_a_class_that_the_restore_brings_counts(world: World, filled: str) -> None:
    world.cluster.delete(STORAGE_CLASS, None, "fast")
    plan = planned(world, filled, mapping=COPY)
    assert {one.claim: one.storage_class for one in plan.volumes}["files"] == "fast"
