"""The snapshot API's objects (snapshot.storage.k8s.io/v1) as Lifeboat writes and marks them.

Pure: builds bodies and names, calls nothing. Marks are how reconcile finds our snapshots again.
"""

from __future__ import annotations

import hashlib

from lifeboat.ports.cluster import Json, Kind
from lifeboat.ports.disks import StoredSnapshot, Volume

GROUP = "snapshot.storage.k8s.io"
SNAPSHOT = Kind(GROUP, "v1", "volumesnapshots", "VolumeSnapshot", namespaced=True)
CONTENT = Kind(GROUP, "v1", "volumesnapshotcontents", "VolumeSnapshotContent", namespaced=False)
CLASS = Kind(GROUP, "v1", "volumesnapshotclasses", "VolumeSnapshotClass", namespaced=False)
CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True)
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
PV = Kind("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)

MANAGED = "lifeboat.dev/managed"
POINT = "lifeboat.dev/point"
INSTANCE = "lifeboat.dev/instance"
CLAIM_NAME = "lifeboat.dev/claim"
CLAIM_UID = "lifeboat.dev/claim-uid"
SIZE = "lifeboat.dev/size"
RESTORE = "lifeboat.dev/restore"
DEFAULT_CLASS = "snapshot.storage.kubernetes.io/is-default-class"


def snapshot_name(point: str, volume: Volume) -> str:
    """`lifeboat-20261122t233153z-1a2b3c4d-5e6f7a8b`: one per point and claim, a DNS-1123 name."""
    return f"lifeboat-{point.lower()}-{_digest(volume.title, volume.claim_uid)}"


def helper_name(restore: str, namespace: str, claim: str) -> str:
    """The VolumeSnapshot and content that one restored claim is made from."""
    return f"lifeboat-{restore}-{_digest(namespace, claim)}"


def marks(point: str, instance: str, volume: Volume) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations of everything we make for one volume of one point."""
    labels = {MANAGED: "true", POINT: point, INSTANCE: instance}
    annotations = {
        CLAIM_NAME: volume.title,
        CLAIM_UID: volume.claim_uid,
        SIZE: str(volume.size),
    }
    return labels, annotations


def new_snapshot(point: str, instance: str, volume: Volume, class_name: str) -> Json:
    """A VolumeSnapshot of a live claim."""
    labels, annotations = marks(point, instance, volume)
    return {
        "apiVersion": SNAPSHOT.api_version,
        "kind": SNAPSHOT.kind,
        "metadata": {
            "name": snapshot_name(point, volume),
            "namespace": volume.namespace,
            "labels": labels,
            "annotations": annotations,
        },
        "spec": {
            "volumeSnapshotClassName": class_name,
            "source": {"persistentVolumeClaimName": volume.claim},
        },
    }


def known_content(
    name: str, snapshot: StoredSnapshot, reference: Json, policy: str, labels: dict[str, str]
) -> Json:
    """A pre-provisioned content: it stands for a snapshot that the driver already has.

    `reference` is the VolumeSnapshot it may be bound by; `policy` Retain or Delete.
    """
    return {
        "apiVersion": CONTENT.api_version,
        "kind": CONTENT.kind,
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "deletionPolicy": policy,
            "driver": snapshot.driver,
            "source": {"snapshotHandle": snapshot.handle},
            "sourceVolumeMode": snapshot.volume.volume_mode,
            "volumeSnapshotRef": reference,
        },
    }


def known_snapshot(name: str, namespace: str, content: str, labels: dict[str, str]) -> Json:
    """The VolumeSnapshot that binds a pre-provisioned content."""
    return {
        "apiVersion": SNAPSHOT.api_version,
        "kind": SNAPSHOT.kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"source": {"volumeSnapshotContentName": content}},
    }


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:8]
