"""Volumes of a point: who is snapshotted, by which rule, and who is named as left out."""

from __future__ import annotations

from typing import Any

from lifeboat.point.manifest import LeftOut, Manifest, Run
from lifeboat.steps.backup import backup
from lifeboat.steps.claims import list_claims
from lifeboat.steps.enumerate import enumerate_scope
from tests.support.kinds import CLAIM, NAMESPACE, POD, SNAPSHOT, SNAPSHOT_CLASS, VOLUME
from tests.support.manifests import manifest
from tests.support.world import DRIVER, POLICY, World


def volume(world: World, name: str, space: str = "shop", **source: Any) -> None:
    """A bound claim `name` on a volume `pv-<name>`."""
    spec = {"capacity": {"storage": "1Gi"}, **source}
    world.cluster.create(VOLUME, None, manifest(VOLUME, f"pv-{name}", spec=spec))
    body = manifest(CLAIM, name, spec={"volumeName": f"pv-{name}"})
    body["metadata"]["namespace"] = space
    world.cluster.put(CLAIM, {**body, "status": {"phase": "Bound"}})


def csi(handle: str) -> dict[str, Any]:
    return {"csi": {"driver": DRIVER, "volumeHandle": handle}}


def point_of(world: World) -> Manifest:
    made = backup(world.context(), Run("run", "manual"), lambda _: None)
    assert made is not None
    return made


def told(made: Manifest) -> dict[str, tuple[str, str]]:
    return {entry.what: (entry.reason, entry.severity) for entry in made.left_out}


def test_a_skipped_volume_is_named_with_its_rule() -> None:
    rules = (
        "volumes: {rules: [{when: {nfs: {server: store}}, action: skip},"
        " {when: {pvcLabels: {tier: cache}}, action: skip}]}\n"
    )
    world = World(policy=POLICY + rules)
    volume(world, "shared", nfs={"server": "store", "path": "/"})
    volume(world, "cache", **csi("disk-2"))
    world.cluster.patch(CLAIM, "shop", "cache", {"metadata": {"labels": {"tier": "cache"}}})
    made = point_of(world)
    assert [one.volume.title for one in made.volumes] == ["shop/data"]
    assert told(made) == {
        "volume shop/shared": ("volumes.rules[0] skips it", "note"),
        "volume shop/cache": ("volumes.rules[1] skips it", "note"),
    }
    assert made.complete


def test_a_rule_may_name_a_snapshot_class() -> None:
    rules = (
        "volumes: {rules: [{when: {storageClass: [fast]}, action: snapshot, snapshotClass: slow}]}"
    )
    world = World(policy=POLICY + rules + "\n")
    world.cluster.create(SNAPSHOT_CLASS, None, manifest(SNAPSHOT_CLASS, "slow", driver=DRIVER))
    volume(world, "plain", **csi("disk-2"))
    annotation = {"snapshot.storage.kubernetes.io/is-default-class": "true"}
    world.cluster.patch(SNAPSHOT_CLASS, None, "fast", {"metadata": {"annotations": annotation}})
    made = point_of(world)
    assert {one.volume.title for one in made.volumes} == {"shop/data", "shop/plain"}
    snapshots = world.cluster.objects(SNAPSHOT).values()
    classes = {
        one["spec"]["source"]["persistentVolumeClaimName"]: one["spec"]["volumeSnapshotClassName"]
        for one in snapshots
    }
    assert classes == {"data": "slow", "plain": "fast"}


def test_a_claim_may_name_a_snapshot_class_where_no_rule_does() -> None:
    rules = (
        "volumes: {rules: [{when: {pvcLabels: {tier: slow}}, action: snapshot,"
        " snapshotClass: slow}]}\n"
    )
    world = World(policy=POLICY + rules)
    for name in ("slow", "own"):
        world.cluster.create(SNAPSHOT_CLASS, None, manifest(SNAPSHOT_CLASS, name, driver=DRIVER))
    asks = {"annotations": {"velero.io/csi-volumesnapshot-class": "own"}}
    world.cluster.patch(CLAIM, "shop", "data", {"metadata": asks})
    volume(world, "ruled", **csi("disk-2"))
    world.cluster.patch(CLAIM, "shop", "ruled", {"metadata": {**asks, "labels": {"tier": "slow"}}})
    scope = enumerate_scope(world.context(), Run("run", "manual"))
    assert scope.snapshot_classes == {"shop/data": "own", "shop/ruled": "slow"}


def test_a_claim_without_a_volume_is_a_note_and_one_that_lost_it_a_loss() -> None:
    world = World()
    for name, phase, lost in (("new", "Pending", ""), ("gone", "Lost", "pv-gone")):
        body = manifest(CLAIM, name, spec={"volumeName": lost} if lost else {})
        body["metadata"]["namespace"] = "shop"
        world.cluster.put(CLAIM, {**body, "status": {"phase": phase}})
    made = point_of(world)
    assert [one.volume.title for one in made.volumes] == ["shop/data"]
    assert told(made) == {
        "volume shop/new": ("the claim is Pending: it has no volume yet", "note"),
        "volume shop/gone": ("the claim is Lost: its volume pv-gone is gone", "loss"),
    }
    assert not made.complete


def test_a_volume_without_a_csi_driver_is_told_by_its_type() -> None:
    world = World()
    volume(world, "films", nfs={"server": "store", "path": "/"})
    volume(world, "odd", another={"id": "1"})
    made = point_of(world)
    assert told(made) == {
        "volume shop/films": (
            "its volume pv-films is of the type nfs, not from a CSI driver",
            "loss",
        ),
        "volume shop/odd": ("its volume pv-odd is not from a CSI driver", "loss"),
    }


def test_a_claim_that_many_pods_share_is_snapshotted_once() -> None:
    world = World()
    volume(world, "shared", **csi("disk-2"))
    spec = {"accessModes": ["ReadWriteMany"]}
    world.cluster.patch(CLAIM, "shop", "shared", {"spec": spec})
    mounts = [{"name": "d", "persistentVolumeClaim": {"claimName": "shared"}}]
    for name in ("one", "two"):
        body = manifest(POD, name, spec={"containers": [], "volumes": mounts})
        body["metadata"]["namespace"] = "shop"
        world.cluster.put(POD, body)
    made = point_of(world)
    assert sorted(one.volume.title for one in made.volumes) == ["shop/data", "shop/shared"]


def test_a_class_that_is_not_there_is_a_loss() -> None:
    rules = "volumes: {rules: [{action: snapshot, snapshotClass: nowhere}]}\n"
    made = point_of(World(policy=POLICY + rules))
    reason, severity = told(made)["volume shop/data"]
    assert "class nowhere is not one of driver" in reason
    assert severity == "loss"


def test_a_claim_that_the_selection_leaves_out_is_a_note_whatever_the_rules() -> None:
    rules = "volumes: {rules: [{action: snapshot}]}\n"
    for select, reason in (
        ("labels: app=web", "select.labels leaves it out"),
        ("kinds: {exclude: [pvc, persistentvolumeclaims]}",
         "select.kinds leaves out persistentvolumeclaims"),
        ("namespaceFilters: [{namespaces: [shop], objects: [{kinds: [configmaps]}]}]",
         "select.namespaceFilters[0] does not list persistentvolumeclaims"),
    ):  # fmt: skip
        policy = POLICY.replace("{include: [shop]}}", f"{{include: [shop]}}, {select}}}") + rules
        made = point_of(World(policy=policy))
        assert made.volumes == ()
        assert LeftOut("volume shop/data", reason, severity="note") in made.left_out
        assert made.complete


def test_many_namespaces_are_one_list() -> None:
    world = World(policy=POLICY.replace("[shop]", "[shop, 'team-*']"))
    for n in range(20):
        world.cluster.create(NAMESPACE, None, manifest(NAMESPACE, f"team-{n}"))
        volume(world, f"data-{n}", f"team-{n}", **csi(f"disk-{n}"))
    world.cluster.create(NAMESPACE, None, manifest(NAMESPACE, "elsewhere"))
    volume(world, "alien", "elsewhere", **csi("alien"))
    world.cluster.calls.clear()
    scope = enumerate_scope(world.context(), Run("run", "manual"))
    assert len(scope.volumes) == 21
    assert "elsewhere/alien" not in {one.title for one in scope.volumes}
    # one for the claims, one to count them
    lists = [call for call in world.cluster.calls if call.resource == CLAIM.resource]
    assert len(lists) == 2
    kinds = {kind.resource: kind for kind in world.cluster.kinds}
    assert len(list_claims(world.cluster, kinds, scope.namespaces).claims) == 21
