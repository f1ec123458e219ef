"""Deletes a CSI snapshot for good: through the objects that stand for it, or with none left.

The driver's own sidecar does the deleting; it acts on a content that says Delete, is being deleted,
and has either lost its VolumeSnapshot or never had one (external-snapshotter, shouldDelete). Every
step may be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Literal

from lifeboat.adapters import claim_api
from lifeboat.adapters import snapshot_api as api
from lifeboat.clock import poll_until
from lifeboat.errors import AlreadyExists, NotFound, NotReady, SnapshotFailed, Unsupported
from lifeboat.ports import marks
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.ports.disks import StoredSnapshot

_SECONDS = 120.0
_HELPER_SECONDS = 10.0

Place = tuple[Kind, str | None, str]
"""Kind, namespace (None: cluster-scoped) and name of an object."""


def delete_snapshot(
    cluster: Cluster, snapshot: StoredSnapshot, live: Json | None, contents: list[Json]
) -> None:
    """Delete the driver's snapshot and what stands for it: `live`, our VolumeSnapshot, and our
    `contents`. Returns when it is gone. Raises NotReady, SnapshotFailed."""
    if not contents and snapshot.handle:
        contents = [_stand_in(cluster, snapshot)]
    if live is not None:
        uid = live["metadata"]["uid"]
        cluster.delete(api.SNAPSHOT, snapshot.volume.namespace, snapshot.name, uid=uid)
    for content in contents:
        metadata = content["metadata"]
        delete_content(cluster, metadata["name"], "Delete", uid=metadata.get("uid", ""))
    places: list[Place] = [(api.CONTENT, None, one["metadata"]["name"]) for one in contents]
    if live is not None:
        places.append((api.SNAPSHOT, snapshot.volume.namespace, snapshot.name))
    named = snapshot.handle or snapshot.name
    wait_gone(cluster, f"snapshot {named} of {snapshot.volume.title}", places)


def delete_content(
    cluster: Cluster, name: str, policy: Literal["Delete", "Retain"], *, uid: str = ""
) -> None:
    """Delete a content, and the driver's snapshot with it or not, as the policy says; with `uid`,
    no other one that has its name by now.

    The mark is what the controller sets when the VolumeSnapshot goes. It is not left to it: where
    binding and deleting race, nobody sets it, and the content would stay for ever.
    """
    body: Json = {
        "metadata": {"annotations": {api.BEING_DELETED: "yes"}},
        "spec": {"deletionPolicy": policy},
    }
    if uid:
        body["metadata"]["uid"] = uid
    try:
        cluster.patch(api.CONTENT, None, name, body)
    except NotFound:
        return
    cluster.delete(api.CONTENT, None, name, uid=uid)


def delete_helper(cluster: Cluster, namespace: str, name: str) -> None:
    """Delete a VolumeSnapshot that we made to restore one claim from; its content stays.

    The csi-provisioner puts a finalizer of its own on the source of a claim, and takes it off with
    a single try: where the snapshot controller updates the object in the same moment, it stays for
    ever, and with it the namespace (external-provisioner, removeSnapshotFinalizer, a warning only).
    On an object of ours that is being deleted, it protects nothing: it is taken off here.
    """
    cluster.delete(api.SNAPSHOT, namespace, name)
    live: Json | None = None

    def held() -> list[str]:
        nonlocal live
        live = claim_api.find(cluster, api.SNAPSHOT, namespace, name)
        finalizers = live["metadata"].get("finalizers", []) if live else []
        return [one for one in finalizers if one != api.PROVISIONER_FINALIZER]

    if not poll_until(held, seconds=_HELPER_SECONDS) and live is not None:
        with suppress(NotFound):
            cluster.patch(api.SNAPSHOT, namespace, name, {"metadata": {"finalizers": None}})


def wait_gone(cluster: Cluster, what: str, places: Sequence[Place]) -> None:
    """Wait until none of these objects is there. Raises NotReady, which begins with `what`."""

    def left() -> list[str]:
        found = [claim_api.find(cluster, *place) for place in places]
        return [
            f"{one['kind']} {one['metadata']['name']} {api.error_message(one)}".rstrip()
            for one in found
            if one is not None
        ]

    waiting = poll_until(left, seconds=_SECONDS)
    if waiting:
        raise NotReady(
            f"{what} is not deleted yet: {'; '.join(waiting)}",
            hint="the driver's csi-snapshotter deletes it; its log says what it waits for",
        )


def _stand_in(cluster: Cluster, snapshot: StoredSnapshot) -> Json:
    """A content for a snapshot that nothing in the cluster stands for any more.

    It carries the sidecar's finalizer, as nobody adds that to a content without a VolumeSnapshot,
    and is handed on only when the sidecar has found the snapshot: deleted before, it would just go.
    """
    name = f"lifeboat-delete-{api.digest(snapshot.driver, snapshot.handle, length=24)}"
    reference: Json = {"name": name, "namespace": snapshot.volume.namespace}
    body = api.known_content(name, snapshot, reference, "Delete", {marks.MANAGED: "true"})
    body["metadata"]["finalizers"] = [api.CONTENT_FINALIZER]
    try:
        live = cluster.create(api.CONTENT, None, body)
    except AlreadyExists:  # from an earlier attempt
        live = claim_api.find(cluster, api.CONTENT, None, name) or body
    except NotFound:
        raise Unsupported("the cluster has no snapshot API (VolumeSnapshot v1)") from None

    def unknown() -> list[str]:
        nonlocal live
        live = claim_api.find(cluster, api.CONTENT, None, name) or live
        status, error = live.get("status") or {}, api.error_message(live)
        known = status.get("snapshotHandle") or api.says_gone(error)
        return [] if known or live["metadata"].get("deletionTimestamp") else [error]

    waiting = poll_until(unknown, seconds=_SECONDS)
    if waiting:
        delete_content(cluster, name, "Retain")
        with suppress(NotFound):  # gone, where a sidecar answers after all
            cluster.patch(api.CONTENT, None, name, {"metadata": {"finalizers": None}})
        reason = waiting[0] or f"no csi-snapshotter of {snapshot.driver} answers in this cluster"
        raise SnapshotFailed(
            f"snapshot {snapshot.handle} of {snapshot.volume.title} was not deleted: {reason}"
        )
    return live
