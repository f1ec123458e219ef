"""What only a real snapshot controller can show of the CSI adapter."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from lifeboat.adapters import snapshot_delete
from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.kubeconfig import from_kubeconfig
from lifeboat.adapters.snapshot_api import PROVISIONER_FINALIZER
from lifeboat.adapters.volumes_folder import FolderVolumes
from lifeboat.errors import NotFound, SnapshotFailed
from lifeboat.ports.cluster import Json
from lifeboat.ports.disks import StoredSnapshot, Volume
from local.cluster import LocalCluster
from tests.support.disks import POINT, ready, restored, stored, take
from tests.support.folder_volumes import FolderWorld
from tests.support.kinds import CONTENT, NAMESPACE, POD, SNAPSHOT, STORAGE_CLASS
from tests.support.manifests import claim, manifest
from tests.support.poll import until

DRIVER = "folder.csi.lifeboat.dev"


@pytest.fixture
def world(cluster: LocalCluster) -> Iterator[FolderWorld]:
    api = ClusterApi(from_kubeconfig(cluster.kubeconfig))
    reader = FolderVolumes(DRIVER, cluster.csi_root)
    yield FolderWorld(cluster, api, DisksCsi(api), reader)
    api.close()


@pytest.fixture
def instance() -> str:
    return f"policy-{uuid.uuid4().hex[:8]}.cluster"


@pytest.fixture
def volume(world: FolderWorld, namespace: str) -> Volume:
    return world.make_volume(namespace, "data", {"a": b"one"})


def contents(world: FolderWorld, handle: str) -> list[str]:
    """Names of every content that stands for a handle."""
    found = world.local.api.list(CONTENT.api_version, CONTENT.kind)
    return [content["metadata"]["name"] for content in found if handle in _handles(content)]


def _handles(content: Json) -> tuple[str | None, str | None]:
    status = content.get("status") or {}
    return content["spec"]["source"].get("snapshotHandle"), status.get("snapshotHandle")


def forget(world: FolderWorld, snapshot: StoredSnapshot) -> None:
    """Remove every API object of a secured snapshot, as the loss of the cluster would."""
    world.cluster.delete(SNAPSHOT, snapshot.volume.namespace, snapshot.name)
    until("the VolumeSnapshot is gone", lambda: not _there(world, snapshot))
    for name in contents(world, snapshot.handle):
        world.cluster.delete(CONTENT, None, name)
    until("its content is gone", lambda: not contents(world, snapshot.handle))


def _there(world: FolderWorld, snapshot: StoredSnapshot) -> bool:
    try:
        world.cluster.get(SNAPSHOT, snapshot.volume.namespace, snapshot.name)
    except NotFound:
        return False
    return True


def test_with_every_object_gone_a_snapshot_is_restored_and_deleted(
    world: FolderWorld, volume: Volume, instance: str, namespace: str
) -> None:
    then = world.reader.digest_volume(volume.handle)
    snapshot = take(world.disks, volume, instance)
    forget(world, snapshot)
    folder = world.local.snapshot_path(snapshot.handle)
    assert folder.is_dir()
    handle = restored(world, snapshot, namespace, "again", "r-1")
    assert world.reader.digest_volume(handle) == then
    until("the helpers are gone", lambda: not contents(world, snapshot.handle))
    world.disks.delete_snapshot(snapshot)
    assert not folder.exists()
    assert contents(world, snapshot.handle) == []


def test_a_content_that_lost_its_snapshot_without_a_mark_is_deleted(
    world: FolderWorld, volume: Volume, instance: str
) -> None:
    """As a restored etcd, or somebody removing finalizers, leaves it."""
    snapshot = take(world.disks, volume, instance)
    world.cluster.delete(SNAPSHOT, volume.namespace, snapshot.name)
    until("the VolumeSnapshot is gone", lambda: not _there(world, snapshot))
    (content,) = contents(world, snapshot.handle)
    mark = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted"
    world.cluster.patch(CONTENT, None, content, {"metadata": {"annotations": {mark: None}}})
    world.disks.delete_snapshot(snapshot)
    assert not world.local.snapshot_path(snapshot.handle).exists()
    assert contents(world, snapshot.handle) == []


def test_a_snapshot_that_the_driver_lost_is_deleted_already(
    world: FolderWorld, volume: Volume, instance: str
) -> None:
    snapshot = take(world.disks, volume, instance)
    forget(world, snapshot)
    lost = replace(snapshot, handle=f"snapshot-{uuid.uuid4()}")
    world.disks.delete_snapshot(lost)
    assert contents(world, lost.handle) == []
    world.disks.delete_snapshot(snapshot)


def test_a_driver_that_nobody_runs_is_told_and_nothing_is_left(
    world: FolderWorld, volume: Volume, instance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot_delete, "_SECONDS", 3.0)
    snapshot = take(world.disks, volume, instance)
    forget(world, snapshot)
    foreign = replace(snapshot, driver="nobody.csi.example")
    with pytest.raises(SnapshotFailed, match=r"no csi-snapshotter of nobody\.csi\.example"):
        world.disks.delete_snapshot(foreign)
    until("nothing is left", lambda: not contents(world, snapshot.handle))
    assert world.local.snapshot_path(snapshot.handle).is_dir()
    world.disks.delete_snapshot(snapshot)


def test_a_driver_s_final_error_is_told_at_once(
    world: FolderWorld, volume: Volume, instance: str
) -> None:
    """The volume goes while its claim stays: the driver says NotFound."""
    meta = world.local.csi_root / "meta" / "volumes" / f"{volume.handle}.json"
    kept = meta.read_bytes()
    meta.unlink()
    ticket = world.disks.start_snapshot(POINT, instance, volume)
    error = until("it is told", lambda: world.disks.poll_snapshot(ticket).error)
    assert "NotFound" in error
    (glance,) = until(
        "a look tells it, too",
        lambda: [one for one in world.disks.look_at_snapshots([ticket]) if one.error],
    )
    assert "NotFound" in glance.error
    meta.write_bytes(kept)
    until("it recovers", lambda: world.disks.poll_snapshot(ticket).ready)


def test_a_lost_snapshot_fails_its_restore_at_once(
    world: FolderWorld, volume: Volume, instance: str, namespace: str
) -> None:
    snapshot = take(world.disks, volume, instance)
    lost = replace(snapshot, handle=f"snapshot-{uuid.uuid4()}")
    ticket = world.disks.start_restore(
        lost, namespace=namespace, claim="again", restore_id="r-1", claim_body=claim("again")
    )
    error = until("it is told", lambda: world.disks.poll_restore(ticket).error)
    assert lost.handle in error
    world.disks.finish_restore(ticket)
    until("the helper is gone", lambda: ticket.content_name not in contents(world, lost.handle))
    world.disks.delete_snapshot(snapshot)


def test_a_class_that_waits_for_a_pod_says_so(
    world: FolderWorld, volume: Volume, instance: str, namespace: str
) -> None:
    then = world.reader.digest_volume(volume.handle)
    snapshot = take(world.disks, volume, instance)
    late = f"late-{uuid.uuid4().hex[:8]}"
    spec = {"provisioner": DRIVER, "volumeBindingMode": "WaitForFirstConsumer"}
    world.cluster.create(STORAGE_CLASS, None, manifest(STORAGE_CLASS, late, **spec))
    body = claim("again", storageClassName=late)
    ticket = world.disks.start_restore(
        snapshot, namespace=namespace, claim="again", restore_id="r-1", claim_body=body
    )
    state = world.disks.poll_restore(ticket)
    assert (state.bound, state.waits_for_pod, state.error) == (False, True, "")
    container = {"name": "m", "image": "registry.example/m:1"}
    claims = {"name": "v", "persistentVolumeClaim": {"claimName": "again"}}
    pod = manifest(POD, "consumer", spec={"containers": [container], "volumes": [claims]})
    world.cluster.create(POD, namespace, pod)
    handle = until("it is bound", lambda: world.disks.poll_restore(ticket).handle)
    assert world.reader.digest_volume(handle) == then
    world.disks.finish_restore(ticket)
    world.cluster.delete(STORAGE_CLASS, None, late)
    world.disks.delete_snapshot(snapshot)


def test_a_finalizer_that_the_provisioner_forgot_holds_no_helper(
    world: FolderWorld, volume: Volume, instance: str, namespace: str
) -> None:
    snapshot = take(world.disks, volume, instance)
    ticket = world.disks.start_restore(
        snapshot, namespace=namespace, claim="again", restore_id="r-1", claim_body=claim("again")
    )
    until("it is bound", lambda: world.disks.poll_restore(ticket).bound)
    forgotten = {"metadata": {"finalizers": [PROVISIONER_FINALIZER]}}
    world.cluster.patch(SNAPSHOT, namespace, ticket.snapshot_name, forgotten)
    world.disks.finish_restore(ticket)
    with pytest.raises(NotFound):
        world.cluster.get(SNAPSHOT, namespace, ticket.snapshot_name)
    world.disks.delete_snapshot(snapshot)


def test_a_snapshot_that_another_point_made_under_the_name_is_refused(
    world: FolderWorld, volume: Volume, instance: str
) -> None:
    ticket = world.disks.start_snapshot(POINT, instance, volume)
    ready(world.disks, ticket)
    labels = {"lifeboat.dev/point": "20200101T000000Z-00000000"}
    world.cluster.patch(SNAPSHOT, volume.namespace, ticket.name, {"metadata": {"labels": labels}})
    with pytest.raises(SnapshotFailed, match="not of this point and claim"):
        world.disks.start_snapshot(POINT, instance, volume)


def test_a_snapshot_without_our_marks_is_left_alone(
    world: FolderWorld, volume: Volume, instance: str
) -> None:
    ticket = world.disks.start_snapshot(POINT, instance, volume)
    state = ready(world.disks, ticket)
    labels = {"metadata": {"labels": {"lifeboat.dev/point": None}}}
    world.cluster.patch(SNAPSHOT, volume.namespace, ticket.name, labels)
    ours = replace(stored(ticket, state), handle="")
    world.disks.delete_snapshot(ours)
    assert _there(world, ours)


def test_crashed_between_ready_and_secured_then_the_namespace_is_deleted(
    world: FolderWorld, volume: Volume, instance: str, namespace: str
) -> None:
    """Nothing is left behind that only a person could find."""
    ticket = world.disks.start_snapshot(POINT, instance, volume)
    state = ready(world.disks, ticket)
    world.cluster.delete(NAMESPACE, None, namespace)
    folder = world.local.snapshot_path(state.handle)
    until("the driver's snapshot is gone", lambda: not folder.exists())
    until("no content is left", lambda: not contents(world, state.handle))
