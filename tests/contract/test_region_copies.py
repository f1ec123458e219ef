"""The promises of lifeboat/ports/copies.py, kept by the Azure adapter on the stand-in for Azure."""

from __future__ import annotations

import random
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from lifeboat.errors import (
    DisksUnavailable,
    LifeboatError,
    NotReady,
    SnapshotFailed,
    Throttled,
)
from lifeboat.ports.copies import CopyRegion, StoredCopy
from lifeboat.ports.disks import StoredSnapshot, Volume
from local.arm import Limits, Settings
from tests.support.arm import NORTH, OTHER_SUBSCRIPTION, SNAPSHOTS, SUBSCRIPTION, ArmWorld, standing
from tests.support.azure_disks import COPYING, NORTHERN, PLACE, AzureDisksWorld, world_of
from tests.support.disks import take
from tests.support.manifests import claim

INSTANCE = "shop.aks"
SWEDEN = CopyRegion("swedencentral", SUBSCRIPTION, NORTH, "Standard_LRS")
Tls = tuple[ssl.SSLContext, Path]
BIG = {"big": b"x" * 1000}


@pytest.fixture
def world(azure: ArmWorld) -> AzureDisksWorld:
    return world_of(azure, COPYING)


@pytest.fixture
def volume(world: AzureDisksWorld) -> Volume:
    return world.make_volume("shop", "data", BIG | {"f": b"0"})


def cut(world: AzureDisksWorld, volume: Volume, number: int) -> StoredSnapshot:
    """A snapshot a minute after the last, of content that changed by two bytes."""
    world.azure.time.advance(60)
    world.write(volume, "f", f"{number:02d}".encode())
    return take(world.disks, volume, INSTANCE, f"20261122T{number:06d}Z-1a2b3c4d")


def copied(
    world: AzureDisksWorld, snapshot: StoredSnapshot, place: CopyRegion = NORTHERN
) -> StoredCopy:
    """A copy that is complete."""
    copies = world.copies(replace(COPYING, places=(place,)))
    ticket = copies.start_copy(snapshot, place)
    world.azure.time.advance(900)
    assert copies.poll_copy(ticket).ready
    found = [c for c in copies.list_copies(INSTANCE, place) if c.snapshot.point == snapshot.point]
    return found[0]


def delta(world: AzureDisksWorld, copy: StoredCopy) -> int:
    return world.azure.arm.snapshot(copy.snapshot.handle).delta


def test_a_copy_is_whole_and_the_snapshot_stays(world: AzureDisksWorld, volume: Volume) -> None:
    snapshot = cut(world, volume, 1)
    copies = world.copies()
    ticket = copies.start_copy(snapshot, NORTHERN)
    assert copies.start_copy(snapshot, NORTHERN) == ticket
    assert (copies.poll_copy(ticket).ready, copies.poll_copy(ticket).percent) == (False, 0)
    (running,) = copies.list_copies(INSTANCE, NORTHERN)
    assert not running.ready
    world.azure.time.advance(450)
    assert copies.poll_copy(ticket).percent == 50
    world.azure.time.advance(450)
    state = copies.poll_copy(ticket)
    assert state.ready
    assert world.reader.digest_snapshot(state.handle) == world.reader.digest_snapshot(
        snapshot.handle
    )
    (found,) = copies.list_copies(INSTANCE, NORTHERN)
    assert (found.ready, found.snapshot.point, found.snapshot.created) == (
        True, snapshot.point, snapshot.created,
    )  # fmt: skip
    assert [one.handle for one in world.disks.list_marked(INSTANCE)] == [snapshot.handle]
    assert copies.list_copies("another.aks", NORTHERN) == ()
    assert copies.list_copies(INSTANCE, replace(NORTHERN, group="nowhere")) == ()


def test_several_regions_may_share_a_group(world: AzureDisksWorld, volume: Volume) -> None:
    snapshot = cut(world, volume, 1)
    copies = world.copies(replace(COPYING, places=(NORTHERN, SWEDEN)))
    tickets = [copies.start_copy(snapshot, place) for place in (NORTHERN, SWEDEN)]
    world.azure.time.advance(900)
    live = [world.azure.arm.snapshot(copies.poll_copy(ticket).handle) for ticket in tickets]
    assert [one.location for one in live] == ["northeurope", "swedencentral"]
    assert [one.sku for one in live] == ["Standard_ZRS", "Standard_LRS"]
    for place in (NORTHERN, SWEDEN):
        assert len(copies.list_copies(INSTANCE, place)) == 1


def test_one_at_a_time_in_the_order_of_the_cuts(world: AzureDisksWorld, volume: Volume) -> None:
    snapshots = [cut(world, volume, number) for number in (1, 2, 3)]
    copies = world.copies()
    copies.start_copy(snapshots[0], NORTHERN)
    with pytest.raises(NotReady, match="waits for its turn"):
        copies.start_copy(snapshots[1], NORTHERN)
    other = world.make_volume("shop", "other", BIG)
    copies.start_copy(take(world.disks, other, INSTANCE), NORTHERN)
    world.azure.time.advance(900)
    copies = world.copies()
    copies.start_copy(snapshots[2], NORTHERN)
    world.azure.time.advance(900)
    with pytest.raises(SnapshotFailed, match="in the order of the cuts"):
        world.copies().start_copy(snapshots[1], NORTHERN)


def test_so_many_into_a_region_are_throttled(arm_tls: Tls) -> None:
    with standing(arm_tls, Settings(Limits(copies_into_a_region=1))) as azure:
        world = world_of(azure, COPYING)
        for name in ("one", "two"):
            made = world.make_volume("shop", name, BIG)
            take(world.disks, made, INSTANCE)
        first, second = world.disks.list_marked(INSTANCE)
        world.copies().start_copy(first, NORTHERN)
        with pytest.raises(Throttled) as caught:
            world.copies().start_copy(second, NORTHERN)
        assert caught.value.retry_after == 900


def test_a_fast_disk_s_snapshot_is_copied_when_it_is_complete(world: AzureDisksWorld) -> None:
    volume = world.make_volume("shop", "fast", BIG, sku="UltraSSD_LRS")
    world.disks.start_snapshot("20261122T000001Z-1a2b3c4d", INSTANCE, volume)
    (snapshot,) = world.disks.list_marked(INSTANCE)
    with pytest.raises(NotReady, match="0 % so far"):
        world.copies().start_copy(snapshot, NORTHERN)
    world.azure.time.advance(600)
    world.copies().start_copy(snapshot, NORTHERN)


def test_only_changes_move_while_a_common_snapshot_stays(
    world: AzureDisksWorld, volume: Volume
) -> None:
    snapshots = [cut(world, volume, number) for number in (1, 2)]
    assert delta(world, copied(world, snapshots[0])) == 1002
    # Its point expires: the snapshot is no point's any more, yet the next copy is a delta to it.
    world.adapter().delete_snapshot(snapshots[0])
    assert world.reader.digest_snapshot(snapshots[0].handle)
    assert [s.point for s in world.adapter().list_marked(INSTANCE)] == [snapshots[1].point]
    assert delta(world, copied(world, snapshots[1])) == 2
    # The second pair has taken its place: the next deletion lets the first go.
    third = cut(world, volume, 3)
    world.adapter().delete_snapshot(snapshots[1])
    assert not _there(world, snapshots[0])
    assert _there(world, snapshots[1])
    assert delta(world, copied(world, third)) == 2


def test_the_newest_copy_stays_for_the_next(world: AzureDisksWorld, volume: Volume) -> None:
    first = copied(world, cut(world, volume, 1))
    second = copied(world, cut(world, volume, 2))
    copies = world.copies()
    copies.delete_copy(first)
    copies.delete_copy(second)
    copies.delete_copy(second)
    assert copies.list_copies(INSTANCE, NORTHERN) == ()
    assert not _there(world, first.snapshot)
    assert _there(world, second.snapshot)
    assert delta(world, copied(world, cut(world, volume, 3))) == 2


def test_nothing_is_spared_for_a_disk_that_has_no_point_left(
    world: AzureDisksWorld, volume: Volume
) -> None:
    snapshot = cut(world, volume, 1)
    copy = copied(world, snapshot)
    world.adapter().delete_snapshot(snapshot)
    assert _there(world, snapshot)
    world.copies().delete_copy(copy)
    assert not world.azure.arm.estate.snapshots


def test_the_source_of_a_running_copy_stays(world: AzureDisksWorld, volume: Volume) -> None:
    snapshot = cut(world, volume, 1)
    copies = world.copies()
    ticket = copies.start_copy(snapshot, NORTHERN)
    world.adapter().delete_snapshot(snapshot)
    world.azure.time.advance(900)
    assert copies.poll_copy(ticket).ready


def test_a_copy_that_failed_is_begun_again(world: AzureDisksWorld, volume: Volume) -> None:
    snapshot = cut(world, volume, 1)
    copies = world.copies()
    ticket = copies.start_copy(snapshot, NORTHERN)
    live = world.azure.arm.snapshot(copies.poll_copy(ticket).handle)
    assert live.background
    live.background.failed = "CopySourceNotFound"
    assert "CopySourceNotFound" in copies.poll_copy(ticket).error
    copies.start_copy(snapshot, NORTHERN)
    world.azure.time.advance(900)
    assert copies.poll_copy(ticket).ready


def test_what_cannot_be_copied(world: AzureDisksWorld, volume: Volume) -> None:
    snapshot = cut(world, volume, 1)
    copy = copied(world, snapshot)
    with pytest.raises(SnapshotFailed, match="no copy of ours"):
        world.copies().delete_copy(replace(copy, snapshot=snapshot))
    world.azure.arm.estate.snapshots.clear()
    with pytest.raises(SnapshotFailed, match="is gone"):
        world.copies().start_copy(snapshot, NORTHERN)
    ticket = replace(world.copies().start_copy(cut(world, volume, 2), NORTHERN))
    world.azure.arm.estate.snapshots.clear()
    assert "deleted" in world.copies().poll_copy(ticket).error
    world.copies().delete_copy(copy)


def test_into_another_subscription(world: AzureDisksWorld, volume: Volume) -> None:
    place = CopyRegion("westeurope", OTHER_SUBSCRIPTION, SNAPSHOTS)
    snapshot = cut(world, volume, 1)
    copy = copied(world, snapshot, place)
    assert OTHER_SUBSCRIPTION in copy.snapshot.handle
    assert world.reader.digest_snapshot(copy.snapshot.handle)


def test_a_disk_comes_back_in_the_region_of_the_copy(
    world: AzureDisksWorld, volume: Volume
) -> None:
    snapshot = cut(world, volume, 1)
    then = world.reader.digest_snapshot(snapshot.handle)
    copied(world, snapshot)
    world.azure.arm.add_group(SUBSCRIPTION, "MC_north", "northeurope")
    north = replace(COPYING, region="northeurope", node_group="MC_north")
    for lose_local in (False, True):
        if lose_local:  # the whole region is gone
            del world.azure.arm.estate.snapshots[snapshot.handle.lower()]
        ticket = world.adapter(north).start_restore(
            snapshot,
            namespace="back",
            claim=f"data-{lose_local}".lower(),
            restore_id="r-1",
            claim_body=claim(f"data-{lose_local}".lower()),
        )
        world.disks.poll_restore(ticket)
        adapter = world.adapter(north)
        adapter.poll_restore(ticket)
        state = adapter.poll_restore(ticket)
        assert state.bound
        assert world.reader.digest_volume(state.handle) == then
        assert world.azure.arm.disk(state.handle).location == "northeurope"
    sweden = replace(north, region="swedencentral")
    with pytest.raises(SnapshotFailed, match="nor a copy of it lies in swedencentral"):
        world.adapter(sweden).start_restore(
            snapshot, namespace="back", claim="no", restore_id="r-1", claim_body=claim("no")
        )


def test_whatever_is_deleted_when_only_changes_ever_move(azure: ArmWorld) -> None:
    """Random cuts, copies, deletions and lost answers: after the first copy no copy moves all."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    world = world_of(azure, COPYING)
    volume = world.make_volume("shop", "data", BIG | {"f": b"0"})
    snapshots: list[StoredSnapshot] = []
    moved: list[int] = []
    for number in range(1, 16):
        snapshots.append(cut(world, volume, number))
        if chance.random() < 0.6:
            moved.append(delta(world, copied(world, snapshots[-1])))
        while len(snapshots) > 1 and chance.random() < 0.5:
            gone = snapshots.pop(chance.randrange(len(snapshots) - 1))
            if chance.random() < 0.3:
                azure.arm.order("lose", chance.choice(["DELETE", "PATCH"]))
            _insist(world, gone)
            azure.arm.faults._ordered.clear()  # what was not met is not for the copies below
        copies = world.copies()
        there = copies.list_copies(INSTANCE, NORTHERN)
        if there and chance.random() < 0.4:
            copies.delete_copy(chance.choice(there))
    assert moved[:1] == [1002][: len(moved)]
    assert all(size == 2 for size in moved[1:]), moved
    marked = {one.handle for one in world.adapter().list_marked(INSTANCE)}
    assert {one.handle for one in snapshots} == marked


def _insist(world: AzureDisksWorld, snapshot: StoredSnapshot) -> None:
    for _ in range(4):
        try:
            return world.adapter().delete_snapshot(snapshot)
        except DisksUnavailable as lost:
            last: LifeboatError = lost
    raise last


def _there(world: AzureDisksWorld, snapshot: StoredSnapshot) -> bool:
    return snapshot.handle.lower() in world.azure.arm.estate.snapshots


def test_without_places_nothing_is_listed_to_delete(azure: ArmWorld) -> None:
    world = world_of(azure, COPYING)
    world.place = PLACE
    volume = world.make_volume("shop", "data", {})
    snapshot = take(world.adapter(PLACE), volume, INSTANCE)
    azure.arm.requests.clear()
    world.adapter(PLACE).delete_snapshot(snapshot)
    assert [asked.split(" ")[0] for asked in azure.arm.requests] == ["GET", "DELETE", "GET"]
