"""How the CSI adapter chooses a snapshot class, judges complaints, and passes errors on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lifeboat.adapters import snapshot_api
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.snapshot_delete import delete_snapshot
from lifeboat.errors import ClusterUnreachable, Conflict, Forbidden, SnapshotFailed, Unsupported
from lifeboat.ports.disks import SnapshotTicket, StoredSnapshot, Volume
from tests.support.fake_cluster import FakeCluster
from tests.support.kinds import CLAIM, CONTENT, NAMESPACE, SNAPSHOT, SNAPSHOT_CLASS
from tests.support.manifests import claim, manifest

POINT = "20261122T233153Z-1a2b3c4d"
INSTANCE = "shop.local"
DRIVER = "disk.csi.azure.com"
NOW = datetime(2026, 11, 22, 23, 31, 53, tzinfo=UTC)
DEFAULT = {"snapshot.storage.kubernetes.io/is-default-class": "true"}


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cluster(clock: Clock) -> FakeCluster:
    fake = FakeCluster(clock=clock)
    fake.create(NAMESPACE, None, manifest(NAMESPACE, "shop"))
    return fake


@pytest.fixture
def disks(cluster: FakeCluster, clock: Clock) -> DisksCsi:
    return DisksCsi(cluster, clock=clock)


@pytest.fixture
def volume(cluster: FakeCluster) -> Volume:
    made = cluster.create(CLAIM, "shop", claim("data"))
    return Volume(
        namespace="shop",
        claim="data",
        claim_uid=made["metadata"]["uid"],
        pv="pv-1",
        driver=DRIVER,
        handle="disk-1",
        storage_class="fast",
        volume_mode="Filesystem",
        access_modes=("ReadWriteOnce",),
        size=2**30,
    )


def add_class(
    cluster: FakeCluster,
    name: str,
    driver: str = DRIVER,
    labels: dict[str, str] | None = None,
    **annotations: str,
) -> None:
    body = manifest(SNAPSHOT_CLASS, name, driver=driver, deletionPolicy="Delete")
    body["metadata"].update(annotations=annotations, labels=labels or {})
    cluster.create(SNAPSHOT_CLASS, None, body)


def chosen(disks: DisksCsi, cluster: FakeCluster, volume: Volume) -> str:
    ticket = disks.start_snapshot(POINT, INSTANCE, volume)
    name: str = cluster.get(SNAPSHOT, "shop", ticket.name)["spec"]["volumeSnapshotClassName"]
    return name


def test_the_only_class_of_the_driver(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume
) -> None:
    add_class(cluster, "files", "file.csi.azure.com", **DEFAULT)
    add_class(cluster, "disks")
    assert chosen(disks, cluster, volume) == "disks"


def test_the_driver_s_default_among_several(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume
) -> None:
    add_class(cluster, "a")
    add_class(cluster, "b", **DEFAULT)
    add_class(cluster, "c", "file.csi.azure.com", **DEFAULT)
    assert chosen(disks, cluster, volume) == "b"


def test_the_class_that_is_labelled_for_backups_comes_before_the_default(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume
) -> None:
    """Velero's label; its other values are not it."""
    add_class(cluster, "a", labels={"velero.io/csi-volumesnapshot-class": "false"})
    add_class(cluster, "b", **DEFAULT)
    add_class(cluster, "c", labels={"velero.io/csi-volumesnapshot-class": "true"})
    assert chosen(disks, cluster, volume) == "c"


@pytest.mark.parametrize("annotations", [{}, DEFAULT])
def test_several_without_a_single_default_are_named(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume, annotations: dict[str, str]
) -> None:
    add_class(cluster, "a", **annotations)
    add_class(cluster, "b", **annotations)
    assert "2 snapshot classes (a, b)" in disks.why_not(volume)
    assert "volumes.snapshotClass" in disks.why_not(volume)
    with pytest.raises(Unsupported):
        disks.start_snapshot(POINT, INSTANCE, volume)
    assert cluster.objects(SNAPSHOT) == {}


def test_the_policy_s_class_wins_when_it_is_the_driver_s(
    cluster: FakeCluster, volume: Volume
) -> None:
    add_class(cluster, "a", **DEFAULT)
    add_class(cluster, "b")
    add_class(cluster, "files", "file.csi.azure.com")
    assert chosen(DisksCsi(cluster, snapshot_class="b"), cluster, volume) == "b"
    said = DisksCsi(cluster, snapshot_class="files").why_not(volume)
    assert said == f"snapshot class files is not one of driver {DRIVER} (it has a, b)"


def test_who_cannot_be_snapshotted(cluster: FakeCluster, disks: DisksCsi, volume: Volume) -> None:
    assert disks.why_not(volume) == f"driver {DRIVER} has no VolumeSnapshotClass"
    assert "not from a CSI driver" in disks.why_not(replace(volume, driver="", handle=""))
    cluster.kinds[:] = [kind for kind in cluster.kinds if "snapshot" not in kind.group]
    assert "has no snapshot API" in DisksCsi(cluster).why_not(volume)
    assert DisksCsi(cluster).list_marked(INSTANCE) == ()


def test_other_troubles_are_not_taken_for_an_answer(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume
) -> None:
    cluster.fail_next("list_pages", Forbidden("no"))
    with pytest.raises(Forbidden):
        disks.why_not(volume)
    cluster.fail_next("get", ClusterUnreachable("gone"))
    with pytest.raises(ClusterUnreachable):
        disks.poll_snapshot(SnapshotTicket(POINT, INSTANCE, volume, "x"))
    cluster.fail_next("list_pages", ClusterUnreachable("gone"))
    with pytest.raises(ClusterUnreachable):
        disks.list_marked(INSTANCE)


def complain(cluster: FakeCluster, ticket: SnapshotTicket, message: str) -> None:
    live = cluster.get(SNAPSHOT, "shop", ticket.name)
    cluster.put(SNAPSHOT, {**live, "status": {"readyToUse": False, "error": {"message": message}}})


@pytest.mark.parametrize("code", ["NotFound", "InvalidArgument", "FailedPrecondition"])
def test_a_final_code_is_an_error_at_once(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume, code: str
) -> None:
    add_class(cluster, "disks")
    ticket = disks.start_snapshot(POINT, INSTANCE, volume)
    message = f"failed to take snapshot: rpc error: code = {code} desc = no"
    complain(cluster, ticket, message)
    assert disks.poll_snapshot(ticket).error == message


@pytest.mark.parametrize(
    "message",
    [
        "rpc error: code = ResourceExhausted desc = too many snapshots, try again",
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        "the object has been modified; please apply your changes to the latest version",
    ],
)
def test_what_may_pass_is_an_error_only_when_it_lasts(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume, clock: Clock, message: str
) -> None:
    add_class(cluster, "disks")
    ticket = disks.start_snapshot(POINT, INSTANCE, volume)
    complain(cluster, ticket, message)
    clock.now = NOW + timedelta(seconds=30)
    assert disks.poll_snapshot(ticket).error == ""
    clock.now = NOW + timedelta(seconds=90)
    assert disks.poll_snapshot(ticket).error == message


def test_names_are_derived_and_valid(volume: Volume) -> None:
    name = snapshot_api.snapshot_name(POINT, volume)
    assert name == snapshot_api.snapshot_name(POINT, replace(volume, size=7))
    assert name.startswith("lifeboat-20261122t233153z-1a2b3c4d-")
    assert name != snapshot_api.snapshot_name(POINT, replace(volume, claim_uid="other"))
    assert name != snapshot_api.snapshot_name(POINT, replace(volume, claim="other"))
    assert len(name) <= 63


def test_a_snapshot_that_is_not_ready_cannot_be_secured(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume
) -> None:
    add_class(cluster, "disks")
    ticket = disks.start_snapshot(POINT, INSTANCE, volume)
    with pytest.raises(SnapshotFailed):
        disks.secure_snapshot(ticket)


def bind(
    cluster: FakeCluster, ticket: SnapshotTicket, *, name: str = "", ready: bool = True
) -> str:
    """What the snapshot controller and the driver do, and the name of the content; `name` of one
    that is of another VolumeSnapshot."""
    live = cluster.get(SNAPSHOT, "shop", ticket.name)
    uid = live["metadata"]["uid"]
    reference = {"name": ticket.name, "namespace": "shop", "uid": "other" if name else uid}
    spec = {"driver": DRIVER, "source": {"volumeHandle": "disk-1"}, "deletionPolicy": "Delete",
            "volumeSnapshotRef": reference}  # fmt: skip
    status = {"readyToUse": ready, "snapshotHandle": "snap-1", "restoreSize": 2**30,
              "creationTime": 1795390313000000000}  # fmt: skip
    content = name or f"snapcontent-{uid}"
    cluster.put(CONTENT, manifest(CONTENT, content, spec=spec, status=status))
    bound = {"readyToUse": ready, "boundVolumeSnapshotContentName": content}
    cluster.put(SNAPSHOT, {**live, "status": bound})
    return content


def test_securing_costs_two_requests_and_tells_all(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume
) -> None:
    add_class(cluster, "disks")
    ticket = disks.start_snapshot(POINT, INSTANCE, volume)
    name = bind(cluster, ticket)
    state = disks.poll_snapshot(ticket)
    cluster.calls.clear()
    assert disks.secure_snapshot(ticket) == state
    assert [(call.method, call.resource) for call in cluster.calls] == [
        ("get", SNAPSHOT.resource),
        ("patch", CONTENT.resource),
    ]
    assert state.handle == "snap-1"
    assert cluster.get(CONTENT, None, name)["spec"]["deletionPolicy"] == "Retain"


@pytest.mark.parametrize(("name", "ready"), [("content-of-another", True), ("", False)])
def test_what_is_not_ours_or_not_ready_is_left_as_it_is(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume, name: str, ready: bool
) -> None:
    """A status that names somebody else's content gives nobody that content."""
    add_class(cluster, "disks")
    ticket = disks.start_snapshot(POINT, INSTANCE, volume)
    content = bind(cluster, ticket, name=name, ready=ready)
    before = cluster.get(CONTENT, None, content)
    with pytest.raises(SnapshotFailed, match=f"snapshot of {volume.title} is"):
        disks.secure_snapshot(ticket)
    assert cluster.get(CONTENT, None, content) == before


def test_a_content_that_goes_while_it_is_secured(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume
) -> None:
    add_class(cluster, "disks")
    ticket = disks.start_snapshot(POINT, INSTANCE, volume)
    cluster.delete(CONTENT, None, bind(cluster, ticket))
    with pytest.raises(SnapshotFailed, match=f"snapshot of {volume.title} is gone"):
        disks.secure_snapshot(ticket)


def test_a_delete_that_broke_off_is_taken_up(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume
) -> None:
    """Killed between the VolumeSnapshot and its content: the content is found by its marks."""
    add_class(cluster, "disks")
    ticket = disks.start_snapshot(POINT, INSTANCE, volume)
    bind(cluster, ticket)
    state = disks.poll_snapshot(ticket)
    assert (state.ready, state.created) == (True, "2026-11-22T23:31:53Z")
    disks.secure_snapshot(ticket)
    (found,) = disks.list_marked(INSTANCE)
    stored: StoredSnapshot = found
    cluster.fail_next("patch", ClusterUnreachable("gone"))
    with pytest.raises(ClusterUnreachable):
        disks.delete_snapshot(stored)
    assert cluster.objects(SNAPSHOT) == {}
    assert [s.handle for s in disks.list_marked(INSTANCE)] == ["snap-1"]
    disks.delete_snapshot(stored)
    assert cluster.objects(CONTENT) == {}


def test_a_forgotten_snapshot_is_deleted_only_once_the_sidecar_has_found_it(
    cluster: FakeCluster, disks: DisksCsi, volume: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A content deleted before that would just go, and the driver's snapshot would stay."""
    seen = []

    def sidecar(_: float) -> None:
        (live,) = cluster.objects(CONTENT).values()
        seen.append((bool(live.get("status")), "deletionTimestamp" in live["metadata"]))
        if len(seen) == 3:
            cluster.put(CONTENT, {**live, "status": {"snapshotHandle": "snap-1"}})
        if "deletionTimestamp" in live["metadata"]:
            live["metadata"]["finalizers"] = []
            cluster.put(CONTENT, live)

    monkeypatch.setattr("lifeboat.clock.pause", sidecar)
    snapshot = StoredSnapshot(
        "csi", volume, "gone", "snap-1", DRIVER, 2**30, "", point=POINT, instance=INSTANCE
    )
    disks.delete_snapshot(snapshot)
    assert seen == [(False, False), (False, False), (False, False), (True, True)]
    assert cluster.objects(CONTENT) == {}


def test_a_snapshot_that_took_the_name_of_a_deleted_one_stays(
    cluster: FakeCluster, volume: Volume
) -> None:
    """Two prunes of one point, the slower of which finds another run's snapshot in its place."""
    body = manifest(SNAPSHOT, "s", spec={})
    looked_at = cluster.create(SNAPSHOT, "shop", body)
    cluster.delete(SNAPSHOT, "shop", "s")
    there = cluster.create(SNAPSHOT, "shop", body)["metadata"]["uid"]
    stored = StoredSnapshot("csi", volume, "s", "", DRIVER, 2**30, "", POINT, INSTANCE)
    with pytest.raises(Conflict):
        delete_snapshot(cluster, stored, looked_at, [])
    assert cluster.objects(SNAPSHOT, "shop")["s"]["metadata"]["uid"] == there
