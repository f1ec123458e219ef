"""Claims cut together: a real snapshot controller, and a ServiceAccount with shipped roles."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig
from lifeboat.adapters.volumes_folder import FolderVolumes
from lifeboat.errors import NotFound
from lifeboat.ports.cluster import Kind
from lifeboat.ports.disks import SnapshotTicket, StoredSnapshot, Volume
from local.cluster import LocalCluster
from tests.support.access import Bind
from tests.support.disks import POINT, ready, restored, stored
from tests.support.folder_volumes import FolderWorld
from tests.support.kinds import CLAIM, CONTENT
from tests.support.poll import until
from tests.support.rights import assert_all_used

DRIVER = "folder.csi.lifeboat.dev"
LABEL = "velero.io/volume-group"
GROUP = f"{LABEL}=db"
GROUP_SNAPSHOT = Kind(
    "groupsnapshot.storage.k8s.io", "v1", "volumegroupsnapshots", "VolumeGroupSnapshot", True
)
GROUP_CONTENT = Kind(
    "groupsnapshot.storage.k8s.io",
    "v1",
    "volumegroupsnapshotcontents",
    "VolumeGroupSnapshotContent",
    False,
)


@pytest.fixture
def admin(cluster: LocalCluster) -> Iterator[FolderWorld]:
    api = ClusterApi(from_kubeconfig(cluster.kubeconfig))
    reader = FolderVolumes(DRIVER, cluster.csi_root)
    yield FolderWorld(cluster, api, DisksCsi(api), reader)
    api.close()


@pytest.fixture
def instance() -> str:
    return f"policy-{uuid.uuid4().hex[:8]}.cluster"


@pytest.fixture
def volumes(admin: FolderWorld, namespace: str) -> list[Volume]:
    made = [admin.make_volume(namespace, name, {"a": name.encode()}) for name in ("data", "wal")]
    admin.make_volume(namespace, "other", {"a": b"other"})
    for volume in made:
        label(admin, volume.namespace, volume.claim)
    return made


@pytest.fixture
def endpoint(bind: Bind) -> Endpoint:
    return bind("lifeboat-reader", "lifeboat-groups")


@pytest.fixture
def disks(endpoint: Endpoint) -> Iterator[DisksCsi]:
    api = ClusterApi(endpoint)
    yield DisksCsi(api)
    api.close()


def label(world: FolderWorld, namespace: str, claim: str) -> None:
    world.cluster.patch(CLAIM, namespace, claim, {"metadata": {"labels": {LABEL: "db"}}})


def start(disks: DisksCsi, volumes: list[Volume], instance: str) -> list[SnapshotTicket]:
    assert disks.why_not_together(volumes) == ""
    return [disks.start_snapshot(POINT, instance, volume, group=GROUP) for volume in volumes]


def take_all(disks: DisksCsi, volumes: list[Volume], instance: str) -> list[StoredSnapshot]:
    tickets = start(disks, volumes, instance)
    states = [ready(disks, ticket) for ticket in tickets]
    assert [disks.secure_snapshot(ticket) for ticket in tickets] == states
    return [stored(t, s) for t, s in zip(tickets, states, strict=True)]


def groups(world: FolderWorld, namespace: str) -> list[str]:
    found = world.local.api.list(GROUP_SNAPSHOT.api_version, GROUP_SNAPSHOT.kind, namespace)
    return [one["metadata"]["name"] for one in found]


def test_members_are_cut_at_one_moment_and_outlive_their_group(
    admin: FolderWorld, disks: DisksCsi, volumes: list[Volume], namespace: str, instance: str
) -> None:
    then = [admin.reader.digest_volume(volume.handle) for volume in volumes]
    tickets = start(disks, volumes, instance)
    assert start(disks, volumes, instance) == tickets
    assert len(groups(admin, namespace)) == 1
    taken = take_all(disks, volumes, instance)
    assert len({one.created for one in taken}) == 1
    assert taken[0].created
    assert [one.ready for one in disks.look_at_snapshots(tickets)] == [True, True]
    until("the group's object is gone", lambda: not groups(admin, namespace))
    assert [one.ready for one in disks.look_at_snapshots(tickets)] == [True, True]
    for ticket in tickets:
        disks.secure_snapshot(ticket)  # again, as a retry does
    kept = disks.list_marked(instance)
    assert sorted(one.handle for one in kept) == sorted(one.handle for one in taken)
    assert [admin.reader.digest_snapshot(one.handle) for one in taken] == then
    handle = restored(admin, taken[0], namespace, "again", f"r-{uuid.uuid4().hex[:6]}")
    assert admin.reader.digest_volume(handle) == then[0]


def test_a_group_goes_with_its_last_member(
    admin: FolderWorld, disks: DisksCsi, volumes: list[Volume], instance: str
) -> None:
    first, second = take_all(disks, volumes, instance)
    folders = [admin.local.snapshot_path(one.handle) for one in (first, second)]
    disks.delete_snapshot(first)
    assert [one.handle for one in disks.list_marked(instance)] == [second.handle]
    assert folders[1].is_dir()
    disks.delete_snapshot(second)
    assert not any(folder.exists() for folder in folders)
    assert disks.list_marked(instance) == ()
    disks.delete_snapshot(second)  # gone is no error
    left = admin.local.api.list(CONTENT.api_version, CONTENT.kind)
    assert not [c for c in left if c["spec"]["source"].get("volumeHandle") == volumes[0].handle]
    groups_left = admin.local.api.list(GROUP_CONTENT.api_version, GROUP_CONTENT.kind)
    assert not [g for g in groups_left if volumes[0].handle in str(g["spec"]["source"])]


def test_what_a_dead_run_left_is_found_and_deleted(
    admin: FolderWorld, disks: DisksCsi, volumes: list[Volume], namespace: str, instance: str
) -> None:
    tickets = start(disks, volumes, instance)
    for ticket in tickets:
        ready(disks, ticket)
    found = disks.list_marked(instance)
    assert sorted(one.volume.title for one in found) == sorted(v.title for v in volumes)
    for one in found:
        disks.delete_snapshot(one)
    assert not any(admin.local.snapshot_path(one.handle).exists() for one in found)
    assert groups(admin, namespace) == []
    assert disks.list_marked(instance) == ()


def test_no_right_of_the_role_lies_idle(
    cluster: LocalCluster,
    endpoint: Endpoint,
    disks: DisksCsi,
    volumes: list[Volume],
    instance: str,
) -> None:
    for snapshot in take_all(disks, volumes, instance):
        disks.delete_snapshot(snapshot)
    assert_all_used(["lifeboat-groups"], endpoint, cluster.audit_log)


def test_a_claim_that_came_late_goes_with_the_group(
    admin: FolderWorld, disks: DisksCsi, volumes: list[Volume], namespace: str, instance: str
) -> None:
    """It has the label when the cut is made, and no run asked for it."""
    label(admin, namespace, "other")
    taken = take_all(disks, volumes, instance)
    until("the group's object is gone", lambda: not groups(admin, namespace))
    assert len(disks.list_marked(instance)) == len(taken)
    for one in taken:
        disks.delete_snapshot(one)
    assert not any(admin.local.snapshot_path(one.handle).exists() for one in taken)


def test_a_group_that_somebody_deleted_is_told(
    admin: FolderWorld, disks: DisksCsi, volumes: list[Volume], namespace: str, instance: str
) -> None:
    ticket = start(disks, volumes, instance)[0]
    ready(disks, ticket)
    admin.cluster.delete(GROUP_SNAPSHOT, namespace, ticket.group)

    def gone() -> bool:
        try:
            admin.cluster.get(GROUP_SNAPSHOT, namespace, ticket.group)
        except NotFound:
            return True
        return False

    until("the group is gone", gone)
    assert disks.poll_snapshot(ticket).error == "its VolumeGroupSnapshot was deleted"
