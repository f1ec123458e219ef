"""The promises of lifeboat/ports/disks.py, kept by the adapters and by the tests' own fake.

Each test runs on a real snapshot controller with a real CSI driver, on the stand-in for Azure by
the official client, and in memory.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.kubeconfig import from_kubeconfig
from lifeboat.adapters.volumes_folder import FolderVolumes
from lifeboat.clock import parse_rfc3339
from lifeboat.errors import AlreadyExists, NotFound, SnapshotFailed, Unsupported
from lifeboat.ports.cluster import Cluster
from lifeboat.ports.disks import Disks, SnapshotTicket, Volume
from lifeboat.ports.quantity import parse_quantity
from lifeboat.ports.volumes import VolumeReader
from local.cluster import LocalCluster
from tests.support.azure_disks import AzureDisksWorld
from tests.support.disks import OTHER_POINT, POINT, World, ready, restored, stored, take
from tests.support.fake_cluster import FakeCluster
from tests.support.fake_disks import FakeDisks
from tests.support.folder_volumes import FolderWorld
from tests.support.kinds import CLAIM, NAMESPACE
from tests.support.manifests import claim, manifest
from tests.support.poll import until

GI = 2**30


@dataclass
class FakeWorld:
    cluster: FakeCluster
    disks: FakeDisks

    @property
    def reader(self) -> FakeDisks:
        return self.disks

    def make_volume(self, namespace: str, name: str, content: dict[str, bytes]) -> Volume:
        return self.disks.make_volume(namespace, name, content)

    def lose_snapshot(self, ticket: SnapshotTicket) -> None:
        self.cluster.delete(NAMESPACE, None, ticket.volume.namespace)

    def write(self, volume: Volume, path: str, data: bytes) -> None:
        self.disks.contents[volume.handle][path] = data


@pytest.fixture(params=["csi", "azure", "fake"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "fake":
        cluster = FakeCluster()
        yield FakeWorld(cluster, FakeDisks(cluster, slow=1))
        return
    if request.param == "azure":
        yield AzureDisksWorld(request.getfixturevalue("azure"))
        return
    real: LocalCluster = request.getfixturevalue("cluster")
    api = ClusterApi(from_kubeconfig(real.kubeconfig))
    reader = FolderVolumes("folder.csi.lifeboat.dev", real.csi_root)
    yield FolderWorld(real, api, DisksCsi(api), reader)
    api.close()


@pytest.fixture
def disks(world: World) -> Disks:
    return world.disks


@pytest.fixture
def reader(world: World) -> VolumeReader:
    return world.reader


def make_space(cluster: Cluster) -> str:
    name = f"test-{uuid.uuid4().hex[:10]}"
    cluster.create(NAMESPACE, None, manifest(NAMESPACE, name))
    return name


@pytest.fixture
def space(world: World) -> Iterator[str]:
    name = make_space(world.cluster)
    yield name
    world.cluster.delete(NAMESPACE, None, name)


@pytest.fixture
def target(world: World) -> Iterator[str]:
    """Another namespace, to restore into."""
    name = make_space(world.cluster)
    yield name
    world.cluster.delete(NAMESPACE, None, name)


@pytest.fixture
def instance() -> str:
    return f"policy-{uuid.uuid4().hex[:8]}.cluster"


@pytest.fixture
def volume(world: World, space: str) -> Volume:
    return world.make_volume(space, "data", {"a": b"one", "deep/b": bytes(range(256))})


def delete_namespace(world: World, name: str) -> None:
    world.cluster.delete(NAMESPACE, None, name)
    until(f"{name} is gone", lambda: not exists(world, name))


def exists(world: World, namespace: str) -> bool:
    try:
        world.cluster.get(NAMESPACE, None, namespace)
    except NotFound:
        return False
    return True


def test_who_can_be_snapshotted(disks: Disks, volume: Volume) -> None:
    assert disks.why_not(volume) == ""
    assert "nobody.csi.example" in disks.why_not(replace(volume, driver="nobody.csi.example"))
    assert disks.why_not(replace(volume, driver="", handle=""))


def test_a_snapshot_class_that_the_driver_does_not_have(
    world: World, disks: Disks, volume: Volume, instance: str
) -> None:
    """Who has classes refuses an unknown one; Azure has none, and a policy's is for others."""
    if isinstance(world, AzureDisksWorld):
        assert disks.why_not(volume, "nowhere") == ""
        return
    assert "class nowhere is not one" in disks.why_not(volume, "nowhere")
    with pytest.raises(Unsupported, match="class nowhere is not one"):
        disks.start_snapshot(POINT, instance, volume, "nowhere")
    assert disks.list_marked(instance) == ()


def test_a_snapshot_holds_the_bytes_of_its_moment(
    world: World, disks: Disks, volume: Volume, instance: str
) -> None:
    then = world.reader.digest_volume(volume.handle)
    ticket = disks.start_snapshot(POINT, instance, volume)
    state = ready(disks, ticket)
    assert state.driver == volume.driver
    assert state.handle not in ("", volume.handle)
    assert state.size in (0, GI)
    parse_rfc3339(state.created)
    world.write(volume, "a", b"written after the snapshot")
    assert world.reader.digest_snapshot(state.handle) == then
    assert world.reader.digest_volume(volume.handle) != then
    disks.delete_snapshot(stored(ticket, state))


def test_starting_twice_is_one_snapshot(disks: Disks, volume: Volume, instance: str) -> None:
    first = disks.start_snapshot(POINT, instance, volume)
    assert disks.start_snapshot(POINT, instance, volume) == first
    state = ready(disks, first)
    assert disks.start_snapshot(POINT, instance, volume) == first
    assert disks.secure_snapshot(first) == state
    assert disks.secure_snapshot(first) == state
    assert ready(disks, first) == state
    (only,) = disks.list_marked(instance)
    assert only.handle == state.handle
    disks.delete_snapshot(stored(first, state))


def test_two_points_are_two_snapshots(
    disks: Disks, reader: VolumeReader, volume: Volume, instance: str
) -> None:
    one = take(disks, volume, instance)
    two = take(disks, volume, instance, OTHER_POINT)
    assert one.handle != two.handle
    disks.delete_snapshot(one)
    with pytest.raises(NotFound):
        reader.digest_snapshot(one.handle)
    assert reader.digest_snapshot(two.handle)
    assert [s.point for s in disks.list_marked(instance)] == [OTHER_POINT]
    disks.delete_snapshot(two)


def test_many_are_looked_at_in_one_go_and_in_order(
    world: World, space: str, target: str, instance: str
) -> None:
    """Of two namespaces, among others of another point; what is gone is said to be gone."""
    volumes = [
        world.make_volume(place, name, {"a": name.encode()})
        for place, name in ((space, "one"), (target, "two"), (space, "three"))
    ]
    other = world.disks.start_snapshot(OTHER_POINT, instance, volumes[0])
    tickets = [world.disks.start_snapshot(POINT, instance, volume) for volume in volumes]
    until("all are ready", lambda: all(s.ready for s in world.disks.look_at_snapshots(tickets)))
    assert all(world.disks.poll_snapshot(ticket).ready for ticket in tickets)
    nobody = replace(tickets[1], volume=replace(volumes[1], claim_uid="other"), name="lifeboat-x")
    asked = [tickets[2], nobody, other, tickets[0]]
    looked = until(
        "the other is ready, too",
        lambda: [s for s in [world.disks.look_at_snapshots(asked)] if s[2].ready],
    )[0]
    assert [state.ready for state in looked] == [True, False, True, True]
    assert ["deleted" in state.error for state in looked] == [False, True, False, False]
    assert world.disks.look_at_snapshots([]) == ()
    for one in world.disks.list_marked(instance):
        world.disks.delete_snapshot(one)


def test_a_look_finds_what_outlived_its_namespace(
    world: World, space: str, volume: Volume, instance: str
) -> None:
    ticket = world.disks.start_snapshot(POINT, instance, volume)
    ready(world.disks, ticket)
    world.disks.secure_snapshot(ticket)
    delete_namespace(world, space)
    assert [state.ready for state in world.disks.look_at_snapshots([ticket])] == [True]
    for one in world.disks.list_marked(instance):
        world.disks.delete_snapshot(one)


def test_marked_snapshots_are_found_before_and_after_they_are_secured(
    disks: Disks, volume: Volume, instance: str
) -> None:
    ticket = disks.start_snapshot(POINT, instance, volume)
    (early,) = disks.list_marked(instance)
    assert (early.name, early.point, early.volume.title) == (ticket.name, POINT, volume.title)
    parse_rfc3339(early.created)
    state = ready(disks, ticket)
    for secure in (False, True):
        if secure:
            disks.secure_snapshot(ticket)
        (found,) = disks.list_marked(instance)
        assert (found.handle, found.driver, found.size) == (state.handle, volume.driver, GI)
        assert (found.name, found.point, found.instance) == (ticket.name, POINT, instance)
        assert (found.volume.title, found.volume.claim_uid) == (volume.title, volume.claim_uid)
        assert found.volume.handle == volume.handle
        parse_rfc3339(found.created)
    assert disks.list_marked("policy.nobody") == ()
    disks.delete_snapshot(found)
    assert disks.list_marked(instance) == ()


def test_the_longest_instance_id(disks: Disks, volume: Volume) -> None:
    instance = f"{'p' * 32}{uuid.uuid4().hex[:8]}.{'c' * 40}"
    snapshot = take(disks, volume, instance)
    assert [s.handle for s in disks.list_marked(instance)] == [snapshot.handle]
    assert [s.instance for s in disks.list_marked(instance)] == [instance]
    disks.delete_snapshot(snapshot)


def test_a_secured_snapshot_outlives_its_namespace(
    world: World, space: str, target: str, volume: Volume, instance: str
) -> None:
    then = world.reader.digest_volume(volume.handle)
    snapshot = take(world.disks, volume, instance)
    delete_namespace(world, space)
    assert world.reader.digest_snapshot(snapshot.handle) == then
    assert [s.handle for s in world.disks.list_marked(instance)] == [snapshot.handle]
    ticket = SnapshotTicket(POINT, instance, volume, snapshot.name)
    state = ready(world.disks, ticket)
    assert state.handle == snapshot.handle
    assert world.disks.secure_snapshot(ticket) == state
    handle = restored(world, snapshot, target, "data", "r-outlives")
    assert world.reader.digest_volume(handle) == then
    world.disks.delete_snapshot(snapshot)
    with pytest.raises(NotFound):
        world.reader.digest_snapshot(snapshot.handle)
    assert world.disks.list_marked(instance) == ()


def test_a_snapshot_that_goes_before_it_is_secured_says_so(
    world: World, space: str, volume: Volume, instance: str
) -> None:
    ticket = world.disks.start_snapshot(POINT, instance, volume)
    state = ready(world.disks, ticket)
    world.lose_snapshot(ticket)
    until("it says so", lambda: "deleted" in world.disks.poll_snapshot(ticket).error)
    with pytest.raises(SnapshotFailed, match=f"snapshot of {volume.title} is gone"):
        world.disks.secure_snapshot(ticket)
    world.disks.delete_snapshot(stored(ticket, state))
    assert world.disks.list_marked(instance) == ()


def test_deleting_twice_is_no_error(disks: Disks, volume: Volume, instance: str) -> None:
    snapshot = take(disks, volume, instance)
    disks.delete_snapshot(snapshot)
    disks.delete_snapshot(snapshot)
    disks.delete_snapshot(replace(snapshot, handle=""))
    assert disks.list_marked(instance) == ()


def test_a_snapshot_that_was_never_ready_is_deleted(
    disks: Disks, volume: Volume, instance: str
) -> None:
    disks.start_snapshot(POINT, instance, volume)
    (found,) = disks.list_marked(instance)
    disks.delete_snapshot(replace(found, handle=""))
    assert disks.list_marked(instance) == ()


def test_a_claim_that_went_after_it_was_listed(
    world: World, space: str, volume: Volume, instance: str
) -> None:
    world.cluster.delete(CLAIM, space, volume.claim)
    until("the claim is gone", lambda: not _claims(world, space))
    with pytest.raises(SnapshotFailed, match="was deleted after it was listed"):
        world.disks.start_snapshot(POINT, instance, volume)
    world.make_volume(space, volume.claim, {"a": b"another"})
    with pytest.raises(SnapshotFailed, match="deleted"):
        world.disks.start_snapshot(POINT, instance, volume)
    assert world.disks.list_marked(instance) == ()


def _claims(world: World, space: str) -> int:
    return sum(len(page.items) for page in world.cluster.list_pages(CLAIM, namespace=space))


def test_one_snapshot_is_restored_many_times_at_once(
    world: World, target: str, volume: Volume, instance: str
) -> None:
    then = world.reader.digest_volume(volume.handle)
    snapshot = take(world.disks, volume, instance)
    tickets = [
        world.disks.start_restore(
            snapshot, namespace=target, claim=name, restore_id=restore, claim_body=claim(name)
        )
        for name, restore in (("one", "r-1"), ("two", "r-1"), ("three", "r-2"))
    ]

    def handles() -> set[str]:
        states = [world.disks.poll_restore(ticket) for ticket in tickets]
        assert not [state.error for state in states if state.error]
        return {s.handle for s in states} if all(s.bound for s in states) else set()

    found = until("all are bound", handles)
    assert len(found) == 3
    assert {world.reader.digest_volume(handle) for handle in found} == {then}
    for ticket in tickets:
        world.disks.finish_restore(ticket)
        world.disks.finish_restore(ticket)
    assert world.reader.digest_snapshot(snapshot.handle) == then
    assert [s.handle for s in world.disks.list_marked(instance)] == [snapshot.handle]
    assert {s.bound for s in map(world.disks.poll_restore, tickets)} == {True}
    world.disks.delete_snapshot(snapshot)


def test_restoring_twice_is_one_volume(
    world: World, target: str, volume: Volume, instance: str
) -> None:
    snapshot = take(world.disks, volume, instance)
    body = claim("data")

    def start() -> object:
        return world.disks.start_restore(
            snapshot, namespace=target, claim="data", restore_id="r-1", claim_body=body
        )

    first = start()
    assert start() == first
    assert restored(world, snapshot, target, "data", "r-1") == restored(
        world, snapshot, target, "data", "r-1"
    )
    assert start() == first
    assert _claims(world, target) == 1
    assert "dataSource" not in body["spec"]
    world.disks.delete_snapshot(snapshot)


def test_a_stranger_s_claim_is_left_alone(
    world: World, target: str, volume: Volume, instance: str
) -> None:
    snapshot = take(world.disks, volume, instance)
    theirs = world.make_volume(target, "data", {"mine": b"do not touch"})
    before = world.reader.digest_volume(theirs.handle)
    with pytest.raises(AlreadyExists, match=f"{target}/data"):
        world.disks.start_restore(
            snapshot, namespace=target, claim="data", restore_id="r-1", claim_body=claim("data")
        )
    restored(world, snapshot, target, "ours", "r-1")
    with pytest.raises(AlreadyExists):
        world.disks.start_restore(
            snapshot, namespace=target, claim="ours", restore_id="r-2", claim_body=claim("ours")
        )
    assert world.reader.digest_volume(theirs.handle) == before
    world.disks.delete_snapshot(snapshot)


def test_a_restored_claim_is_large_enough(
    world: World, target: str, volume: Volume, instance: str
) -> None:
    snapshot = take(world.disks, volume, instance)
    ticket = world.disks.start_restore(
        snapshot,
        namespace=target,
        claim="small",
        restore_id="r-1",
        claim_body=claim("small", "10Mi"),
    )
    until("it is bound", lambda: world.disks.poll_restore(ticket).bound)
    live = world.cluster.get(CLAIM, target, "small")
    assert parse_quantity(live["spec"]["resources"]["requests"]["storage"]) >= GI
    world.disks.finish_restore(ticket)
    world.disks.delete_snapshot(snapshot)


def test_an_abandoned_restore_leaves_the_snapshot(
    world: World, target: str, volume: Volume, instance: str
) -> None:
    snapshot = take(world.disks, volume, instance)
    ticket = world.disks.start_restore(
        snapshot, namespace=target, claim="data", restore_id="r-1", claim_body=claim("data")
    )
    world.cluster.delete(CLAIM, target, "data")
    until("the claim is gone", lambda: not _claims(world, target))
    assert "deleted" in world.disks.poll_restore(ticket).error
    world.disks.finish_restore(ticket)
    delete_namespace(world, target)
    assert world.reader.digest_snapshot(snapshot.handle)
    world.disks.delete_snapshot(snapshot)
