"""The snapshot API's objects (snapshot.storage.k8s.io/v1) as Lifeboat writes and marks them.

Pure: builds bodies and names, calls nothing. Marks are how reconcile finds our snapshots again.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from lifeboat.clock import rfc3339
from lifeboat.ports.cluster import Json, Kind
from lifeboat.ports.disks import StoredSnapshot, Volume
from lifeboat.ports.marks import MANAGED

GROUP = "snapshot.storage.k8s.io"
SNAPSHOT = Kind(GROUP, "v1", "volumesnapshots", "VolumeSnapshot", namespaced=True)
CONTENT = Kind(GROUP, "v1", "volumesnapshotcontents", "VolumeSnapshotContent", namespaced=False)
CLASS = Kind(GROUP, "v1", "volumesnapshotclasses", "VolumeSnapshotClass", namespaced=False)
CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True)
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
PV = Kind("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)

POINT = "lifeboat.dev/point"
INSTANCE = "lifeboat.dev/instance"
CLAIM_NAME = "lifeboat.dev/claim"
CLAIM_UID = "lifeboat.dev/claim-uid"
SIZE = "lifeboat.dev/size"
DRIVER = "lifeboat.dev/driver"
HANDLE = "lifeboat.dev/volume-handle"
DEFAULT_CLASS = "snapshot.storage.kubernetes.io/is-default-class"
BACKUP_CLASS = "velero.io/csi-volumesnapshot-class"
"""A label of a class: the one of its driver for backups, as Velero has it."""

# Set by the snapshot controller and its sidecar (external-snapshotter, pkg/utils/util.go).
CONTENT_FINALIZER = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"
# Set by the csi-provisioner on the source of a claim (external-provisioner, controller.go).
PROVISIONER_FINALIZER = "provisioner.storage.kubernetes.io/volumesnapshot-as-source-protection"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
BEING_DELETED = "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted"

_LABEL_LENGTH = 63


def snapshot_name(point: str, volume: Volume) -> str:
    """`lifeboat-20261122t233153z-1a2b3c4d-5e6f7a8b`: one per point and claim, a DNS-1123 name."""
    return f"lifeboat-{point.lower()}-{digest(volume.title, volume.claim_uid)}"


def helper_name(restore: str, namespace: str, claim: str) -> str:
    """The VolumeSnapshot and content that one restored claim is made from."""
    return f"lifeboat-{restore}-{digest(namespace, claim)}"


def marks(point: str, instance: str, volume: Volume) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations of everything we make for one volume of one point."""
    labels = {MANAGED: "true", POINT: point, INSTANCE: instance_label(instance)}
    annotations = {
        CLAIM_NAME: volume.title,
        CLAIM_UID: volume.claim_uid,
        SIZE: str(volume.size),
        DRIVER: volume.driver,
        HANDLE: volume.handle,
    }
    return labels, annotations


def instance_label(instance: str) -> str:
    """An instance's id as a label's value, which holds 63 characters at most."""
    if len(instance) <= _LABEL_LENGTH:
        return instance
    return f"{instance[:46].rstrip('.-')}.{digest(instance, length=16)}"


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


def annotation(live: Json, name: str) -> str:
    """An annotation's value, empty when it is not there."""
    return str((live["metadata"].get("annotations") or {}).get(name, ""))


def label(live: Json, name: str) -> str:
    """A label's value, empty when it is not there."""
    return str((live["metadata"].get("labels") or {}).get(name, ""))


def handle(content: Json) -> str:
    """The driver's handle of the snapshot that a content stands for, empty before it is cut."""
    status = content.get("status") or {}
    return str(status.get("snapshotHandle") or content["spec"]["source"].get("snapshotHandle", ""))


def created(live: Json) -> str:
    """When the driver made the cut (nanoseconds in a content), else when the object was made."""
    moment = (live.get("status") or {}).get("creationTime")
    if isinstance(moment, int):
        return rfc3339(datetime.fromtimestamp(moment / 1e9, UTC))
    return str(moment or live["metadata"].get("creationTimestamp", ""))


def bound_content(snapshot: Json) -> str:
    """The name of the content that a VolumeSnapshot is bound to, empty while it is not."""
    return str((snapshot.get("status") or {}).get("boundVolumeSnapshotContentName") or "")


def dynamic_content(snapshot: Json) -> str:
    """The name of the content that the snapshot controller makes for a VolumeSnapshot
    (external-snapshotter, GetDynamicSnapshotContentNameForSnapshot)."""
    return f"snapcontent-{snapshot['metadata']['uid']}"


def is_cut(content: Json) -> bool:
    """Whether the driver has said when it cut."""
    return bool((content.get("status") or {}).get("creationTime"))


def is_ready(live: Json) -> bool:
    """Whether a VolumeSnapshot or a content says that a volume can be made of it."""
    return bool((live.get("status") or {}).get("readyToUse"))


def error_message(live: Json) -> str:
    """What the controller or the driver last complained of."""
    return str(((live.get("status") or {}).get("error") or {}).get("message") or "")


# The codes by which a CSI driver says that the same call cannot succeed (gRPC status codes; CSI
# spec, "CreateSnapshot Errors"). Everything else the sidecar tries again by itself.
_FINAL = re.compile(
    r"code = (InvalidArgument|NotFound|AlreadyExists|PermissionDenied|FailedPrecondition"
    r"|OutOfRange|Unimplemented|Unauthenticated)\b"
)
_GONE = re.compile(r"can not find snapshot for|code = NotFound\b")


def is_final(message: str) -> bool:
    """Whether the driver will not get over this error by itself."""
    return bool(_FINAL.search(message))


def says_gone(message: str) -> bool:
    """Whether an error means that the driver has no such snapshot."""
    return bool(_GONE.search(message))


def digest(*parts: str, length: int = 8) -> str:
    """Hex digits that tell things with the same short name apart."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:length]
