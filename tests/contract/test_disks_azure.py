"""What only Azure can show of its disks adapter: its limits, its fast disks, its faults, zones and
skus. The stand-in keeps Azure's rules; its clock is turned by hand, so nothing here waits."""

from __future__ import annotations

import random
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from lifeboat.errors import (
    Conflict,
    DisksUnavailable,
    Forbidden,
    NotReady,
    SnapshotFailed,
    Throttled,
    Unauthorized,
    UsageError,
)
from lifeboat.ports.cluster import Json
from lifeboat.ports.disks import Volume
from local.arm import Delays, Settings
from local.arm.errors import ArmError
from tests.support.arm import (
    NODES,
    OTHER_SUBSCRIPTION,
    SNAPSHOTS,
    SUBSCRIPTION,
    ArmWorld,
    disk_id,
    snapshot_id,
    standing,
)
from tests.support.azure_disks import PLACE, AzureDisksWorld, world_of
from tests.support.disks import POINT, ready, stored, take
from tests.support.kinds import CLAIM, STORAGE_CLASS, VOLUME
from tests.support.manifests import claim, manifest
from tests.support.turned_clock import TurnedClock

INSTANCE = "shop.aks"
FAST = "PremiumV2_LRS"
T = TypeVar("T")
Tls = tuple[ssl.SSLContext, Path]


@pytest.fixture
def world(azure: ArmWorld) -> AzureDisksWorld:
    return world_of(azure)


@pytest.fixture
def slow(arm_tls: Tls) -> Iterator[AzureDisksWorld]:
    """Every operation takes 30 seconds of the stand-in's time."""
    with standing(arm_tls, Settings(delays=Delays(operation=30))) as azure:
        yield world_of(azure)


def point(number: int) -> str:
    return f"20261122T{number:06d}Z-1a2b3c4d"


def body(name: str, storage_class: str = "") -> Json:
    made = claim(name)
    if storage_class:
        made["spec"]["storageClassName"] = storage_class
    return made


def restore(world: AzureDisksWorld, snapshot: object, name: str, storage_class: str = "") -> str:
    """Restore into namespace back; returns the new disk's handle."""
    ticket = world.disks.start_restore(
        snapshot,  # type: ignore[arg-type]
        namespace="back",
        claim=name,
        restore_id="r-1",
        claim_body=body(name, storage_class),
    )
    world.disks.poll_restore(ticket)
    state = world.disks.poll_restore(ticket)
    assert state.bound, state
    return state.handle


@pytest.mark.parametrize("group", [NODES, NODES.upper(), "mc_other_cluster_north"])
def test_never_in_the_node_resource_group(group: str) -> None:
    with pytest.raises(UsageError, match="node resource group, which AKS deletes"):
        replace(PLACE, group=group)


def test_whose_disks_these_are(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {})
    assert world.disks.why_not(volume) == ""
    shouted = volume.handle.upper()
    assert world.disks.why_not(replace(volume, handle=shouted)) == ""
    other = disk_id("pvc-1", subscription=OTHER_SUBSCRIPTION)
    assert OTHER_SUBSCRIPTION in world.disks.why_not(replace(volume, handle=other))
    for handle in ("rg#account#share", volume.handle.replace("disks", "snapshots"), ""):
        assert "not the id of a managed disk" in world.disks.why_not(replace(volume, handle=handle))


def test_what_a_snapshot_carries(world: AzureDisksWorld) -> None:
    world = world_of(world.azure, tags={"cost-center": "4711"})
    volume = world.make_volume("shop", "data", {"a": b"1"}, zone="2")
    snapshot = take(world.disks, volume, INSTANCE)
    live = world.azure.arm.snapshot(snapshot.handle)
    disk = world.azure.arm.disk(volume.handle)
    assert live.tags["lifeboat-disk"] == live.disk_uid == disk.unique_id
    assert live.tags["cost-center"] == "4711"
    assert live.tags["lifeboat-sku"] == "Premium_LRS"
    assert live.tags["lifeboat-zone"] == "2"
    assert (live.incremental, live.id.group) == (True, SNAPSHOTS)
    assert live.properties["networkAccessPolicy"] == "DenyAll"
    assert live.properties["publicNetworkAccess"] == "Disabled"
    assert snapshot.maker == "azure"


def test_a_look_at_many_is_one_list_and_tells_how_far_each_is(azure: ArmWorld) -> None:
    world = world_of(azure)
    volumes = [world.make_volume("shop", f"data-{n}", {}, sku=FAST, zone="1") for n in range(5)]
    tickets = [world.disks.start_snapshot(POINT, INSTANCE, volume) for volume in volumes]
    azure.time.advance(60)
    asked = len(azure.arm.requests)
    looked = world.disks.look_at_snapshots(tickets)
    assert len(azure.arm.requests) == asked + 1
    assert {state.ready for state in looked} == {False}
    assert all(0 <= (state.percent or 0) < 100 for state in looked)
    azure.time.advance(600)
    assert {state.ready for state in world.disks.look_at_snapshots(tickets)} == {True}
    azure.client().snapshots.begin_delete(SNAPSHOTS, tickets[1].name).result()
    errors = [state.error for state in world.disks.look_at_snapshots(tickets)]
    assert errors == ["", "its snapshot was deleted", "", "", ""]


def test_a_disk_that_was_made_again_is_another(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {"a": b"1"})
    first = world.azure.arm.snapshot(take(world.disks, volume, INSTANCE, point(1)).handle)
    del world.azure.arm.estate.disks[volume.handle.lower()]
    with pytest.raises(SnapshotFailed, match=r"disk .* of shop/data is gone"):
        world.disks.start_snapshot(point(2), INSTANCE, volume)
    world.azure.arm.add_disk(volume.handle, "westeurope", "Premium_LRS", 1)
    second = world.azure.arm.snapshot(take(world.disks, volume, INSTANCE, point(2)).handle)
    assert first.tags["lifeboat-disk"] != second.tags["lifeboat-disk"]


def test_a_stranger_s_snapshot_of_our_name_is_left_alone(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {})
    snapshot = take(world.disks, volume, INSTANCE)
    world.azure.arm.snapshot(snapshot.handle).tags.clear()
    with pytest.raises(SnapshotFailed, match="not of this point and claim"):
        world.disks.start_snapshot(POINT, INSTANCE, volume)
    with pytest.raises(SnapshotFailed, match="left alone"):
        world.disks.delete_snapshot(snapshot)
    assert world.reader.digest_snapshot(snapshot.handle)


def test_seven_in_five_minutes_are_throttled(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {})
    for number in range(7):
        world.disks.start_snapshot(point(number), INSTANCE, volume)
        world.azure.time.advance(20)
    with pytest.raises(Throttled) as caught:
        world.disks.start_snapshot(point(7), INSTANCE, volume)
    assert caught.value.retry_after == 160
    world.azure.time.advance(161)
    assert ready(world.disks, world.disks.start_snapshot(point(7), INSTANCE, volume)).ready


def test_the_five_hundredth_is_the_last(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {})
    first = world.azure.arm.snapshot(take(world.disks, volume, INSTANCE, point(0)).handle)
    for number in range(1, 500):  # as the adapter makes them, without the 1,500 requests
        other = f"{first.id.name[:-6]}{number:06d}"
        key = first.id.key.replace(first.id.name, other)
        one = replace(first, id=replace(first.id, name=other), tags=dict(first.tags))
        world.azure.arm.estate.snapshots[key] = one
    with pytest.raises(SnapshotFailed, match=r"has 500 snapshots in .*, and Azure keeps 500"):
        world.disks.start_snapshot(point(500), INSTANCE, volume)
    assert len(world.disks.list_marked(INSTANCE)) == 500


def test_a_fast_disk_s_snapshot_is_ready_when_all_of_it_is_there(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {"a": b"1"}, sku=FAST, zone="1")
    tickets = [world.disks.start_snapshot(point(n), INSTANCE, volume) for n in range(3)]
    world.azure.time.advance(300)
    state = world.disks.poll_snapshot(tickets[0])
    assert (state.ready, state.percent, state.error) == (False, 50, "")
    with pytest.raises(NotReady, match="are pending"):
        world.disks.start_snapshot(point(3), INSTANCE, volume)
    world.azure.time.advance(300)
    assert all(world.disks.poll_snapshot(ticket).ready for ticket in tickets)
    world.disks.start_snapshot(point(3), INSTANCE, volume)


def test_a_resize_fails_a_fast_disk_s_snapshot(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {}, sku=FAST)
    ticket = world.disks.start_snapshot(POINT, INSTANCE, volume)
    name = volume.handle.rpartition("/")[2]
    update = {"properties": {"diskSizeGB": 9}}
    world.azure.client().disks.begin_update(NODES, name, update).result()
    world.azure.time.advance(900)
    assert "InternalError" in world.disks.poll_snapshot(ticket).error


def test_instant_access_is_no_backup_yet_but_restores(azure: ArmWorld) -> None:
    world = world_of(azure, instant_minutes=60)
    fast = world.make_volume("shop", "fast", {"a": b"1"}, sku=FAST, zone="1")
    plain = world.make_volume("shop", "plain", {"a": b"2"})
    ticket = world.disks.start_snapshot(POINT, INSTANCE, fast)
    live = world.azure.arm.snapshot(snapshot_id(ticket.name))
    assert live.access(azure.time.now()) == "InstantAccess"
    assert not world.disks.poll_snapshot(ticket).ready
    (marked,) = world.disks.list_marked(INSTANCE)
    assert world.reader.digest_volume(restore(world, marked, "early"))
    assert ready(world.disks, world.disks.start_snapshot(POINT, INSTANCE, plain)).ready
    azure.time.advance(600)
    assert world.disks.poll_snapshot(ticket).ready


def test_a_snapshot_that_azure_cannot_make(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {})
    world.azure.arm.order("fail", "PUT", "/snapshots/")
    ticket = world.disks.start_snapshot(POINT, INSTANCE, volume)
    assert "Failed" in world.disks.poll_snapshot(ticket).error


def test_operations_take_their_time(slow: AzureDisksWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    volume = slow.make_volume("shop", "data", {"a": b"1"})
    ticket = slow.disks.start_snapshot(POINT, INSTANCE, volume)
    assert slow.disks.start_snapshot(POINT, INSTANCE, volume) == ticket
    assert not slow.disks.poll_snapshot(ticket).ready
    slow.azure.time.advance(31)
    state = slow.disks.poll_snapshot(ticket)
    snapshot = stored(ticket, state)
    restoring = slow.disks.start_restore(
        snapshot, namespace="back", claim="data", restore_id="r-1", claim_body=claim("data")
    )
    assert not slow.disks.poll_restore(restoring).bound
    assert not slow.cluster.objects(VOLUME)  # no pod may wait for a disk that is not there
    slow.azure.time.advance(31)
    slow.disks.poll_restore(restoring)
    assert slow.disks.poll_restore(restoring).bound
    monkeypatch.setattr("lifeboat.clock.pause", slow.azure.time.advance)
    slow.disks.delete_snapshot(snapshot)
    assert slow.disks.list_marked(INSTANCE) == ()


def test_a_deletion_that_never_ends_is_said(
    slow: AzureDisksWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = slow.make_volume("shop", "data", {})
    ticket = slow.disks.start_snapshot(POINT, INSTANCE, volume)
    slow.azure.time.advance(31)
    snapshot = stored(ticket, slow.disks.poll_snapshot(ticket))
    clock = TurnedClock()
    monkeypatch.setattr("lifeboat.clock.pause", clock.pause)
    monkeypatch.setattr("lifeboat.clock.monotonic", lambda: clock.ahead.total_seconds())
    with pytest.raises(NotReady, match="not deleted yet"):
        slow.disks.delete_snapshot(snapshot)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "ExpiredAuthenticationToken", Unauthorized),
        (403, "AuthorizationFailed", Forbidden),
        (403, "RequestDisallowedByPolicy", Forbidden),
        (409, "AnotherOperationInProgress", NotReady),
        (409, "ScopeLocked", Conflict),
        (429, "TooManyRequests", Throttled),
        (500, "InternalServerError", DisksUnavailable),
        (503, "ServerTimeout", DisksUnavailable),
    ],
)
def test_what_azure_s_refusals_become(
    world: AzureDisksWorld, status: int, code: str, kind: type[Exception]
) -> None:
    volume = world.make_volume("shop", "data", {})
    for method, call in (
        ("PUT", lambda: world.disks.start_snapshot(POINT, INSTANCE, volume)),
        ("GET", lambda: world.disks.list_marked(INSTANCE)),
    ):
        error = ArmError(status, code, "as ordered", retry_after=17 if status == 429 else None)
        world.azure.arm.order("refuse", method, "/snapshots", error=error)
        with pytest.raises(kind, match=code) as caught:
            call()
        if status == 429:
            assert caught.value.retry_after == 17  # type: ignore[attr-defined]


def test_an_azure_that_does_not_answer(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {})
    ticket = world.disks.start_snapshot(POINT, INSTANCE, volume)
    world.azure.arm.order("lose", "GET", ticket.name)
    with pytest.raises(DisksUnavailable):
        world.disks.poll_snapshot(ticket)
    assert world.disks.poll_snapshot(ticket).ready


def test_a_lost_answer_and_a_retry_are_one_snapshot(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {"a": b"1"})
    world.azure.arm.order("lose", "PUT", "/snapshots/")
    with pytest.raises(DisksUnavailable):
        world.disks.start_snapshot(POINT, INSTANCE, volume)
    world.write(volume, "a", b"later")
    ticket = world.adapter().start_snapshot(POINT, INSTANCE, volume)
    assert len(world.azure.arm.estate.snapshots) == 1
    live = world.azure.arm.snapshot(snapshot_id(ticket.name))
    assert live.content == {"a": b"1"}


def test_the_nth_request_is_lost_and_a_retry_converges(azure: ArmWorld) -> None:
    """Whatever answer goes missing, the same call again ends with one snapshot and one disk."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    world = world_of(azure)
    for number in range(12):
        volume = world.make_volume("shop", f"data-{number}", {"a": str(number).encode()})
        azure.arm.faults._ordered.clear()
        for _ in range(chance.randrange(1, 4)):
            kind = chance.choice(["lose", "refuse"])
            method = chance.choice(["GET", "PUT", "DELETE"])
            azure.arm.order(kind, method, skip=chance.randrange(3))
        snapshot = _insist(lambda v=volume: take(world.adapter(), v, INSTANCE))
        handle = _insist(lambda s=snapshot, n=number: restore(world, s, f"data-{n}"))
        assert azure.arm.disk(handle).content == {"a": str(number).encode()}
    assert len(azure.arm.estate.snapshots) == 12
    assert len(azure.arm.estate.disks) == 24
    for snapshot in world.adapter().list_marked(INSTANCE):
        azure.arm.order("lose", "DELETE")
        _insist(lambda s=snapshot: world.adapter().delete_snapshot(s))
    assert not azure.arm.estate.snapshots


def _insist(call: Callable[[], T]) -> T:
    """Again while the failure is one that may pass, as a task is tried again."""
    for _ in range(12):
        try:
            return call()
        except (DisksUnavailable, NotReady, Throttled):
            continue
    raise AssertionError("it never succeeded")


@pytest.mark.parametrize(
    ("zones", "expected"), [((), "2"), (("1", "2"), "2"), (("3",), "3")], ids=str
)
def test_a_disk_goes_back_where_nodes_are(
    azure: ArmWorld, zones: tuple[str, ...], expected: str
) -> None:
    world = world_of(azure, zones=zones)
    volume = world.make_volume("shop", "data", {"a": b"1"}, zone="2")
    handle = restore(world, take(world.disks, volume, INSTANCE), "data")
    assert azure.arm.disk(handle).zones == (expected,)
    (made,) = world.cluster.objects(VOLUME).values()
    (term,) = made["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0]["values"] == [f"westeurope-{expected}"]


def test_a_disk_becomes_what_its_class_says_else_what_it_was(world: AzureDisksWorld) -> None:
    parameters = {"skuName": "StandardSSD_ZRS", "fsType": "xfs"}
    world.cluster.create(
        STORAGE_CLASS, None, manifest(STORAGE_CLASS, "zonal", parameters=parameters)
    )
    volume = world.make_volume("shop", "data", {"a": b"1"}, zone="2")
    snapshot = take(world.disks, volume, INSTANCE)
    for name, storage_class, sku, zones, fs_type in (
        ("one", "zonal", "StandardSSD_ZRS", (), "xfs"),
        ("two", "no-such-class", "Premium_LRS", ("2",), None),
        ("three", "", "Premium_LRS", ("2",), None),
    ):
        handle = restore(world, snapshot, name, storage_class)
        disk = world.azure.arm.disk(handle)
        assert (disk.sku, disk.zones) == (sku, zones)
        volume_name = handle.rpartition("/")[2]
        made = world.cluster.get(VOLUME, None, volume_name)
        assert made["spec"]["csi"].get("fsType") == fs_type
        assert ("nodeAffinity" in made["spec"]) == bool(zones)
        assert made["metadata"]["annotations"] == {
            "pv.kubernetes.io/provisioned-by": "disk.csi.azure.com"
        }
        assert made["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
        tags = disk.tags
        assert tags["k8s-azure-created-by"] == "kubernetes-azure-dd"
        assert tags["kubernetes.io-created-for-pvc-name"] == name
        assert disk.properties["networkAccessPolicy"] == "DenyAll"


def test_an_abandoned_restore_leaves_no_disk(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {"a": b"1"})
    snapshot = take(world.disks, volume, INSTANCE)
    ticket = world.disks.start_restore(
        snapshot, namespace="back", claim="data", restore_id="r-1", claim_body=claim("data")
    )
    world.cluster.delete(CLAIM, "back", "data")
    world.disks.finish_restore(ticket)
    world.disks.finish_restore(ticket)
    assert [str(d.id) for d in world.azure.arm.estate.disks.values()] == [volume.handle]
    assert not world.cluster.objects(VOLUME)


def test_too_many_fast_disks_at_once_come_later(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {"a": b"1"}, sku=FAST, zone="1")
    ticket = world.disks.start_snapshot(POINT, INSTANCE, volume)
    world.azure.time.advance(600)
    snapshot = stored(ticket, world.disks.poll_snapshot(ticket))
    for number in range(5):
        restore(world, snapshot, f"data-{number}")
    with pytest.raises(NotReady, match="at once"):
        restore(world, snapshot, "data-5")
    world.azure.time.advance(600)
    restore(world, snapshot, "data-5")


def test_a_locked_group_says_so(world: AzureDisksWorld) -> None:
    volume: Volume = world.make_volume("shop", "data", {})
    snapshot = take(world.disks, volume, INSTANCE)
    world.azure.arm.estate.group(SUBSCRIPTION, SNAPSHOTS).lock = "CanNotDelete"
    with pytest.raises(Conflict, match="ScopeLocked"):
        world.disks.delete_snapshot(snapshot)
    assert world.reader.digest_snapshot(snapshot.handle)


def test_snapshots_outlive_the_node_resource_group(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "data", {"a": b"1"})
    then = world.reader.digest_volume(volume.handle)
    snapshot = take(world.disks, volume, INSTANCE)
    world.azure.arm.estate.disks.clear()
    world.azure.arm.add_group(SUBSCRIPTION, "MC_new", "westeurope")
    rebuilt = world_of(world.azure, node_group="MC_new")
    assert rebuilt.reader.digest_volume(restore(rebuilt, snapshot, "data")) == then
