"""From a claim or a VolumeSnapshot to the folder that holds its data, and what is in a folder."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from local.api import KubeApi
from local.errors import LocalClusterError

_SNAPSHOTS = "snapshot.storage.k8s.io/v1"


def volume_folder(csi_root: Path, handle: str) -> Path:
    """The data of a volume, by the PersistentVolume's spec.csi.volumeHandle."""
    return csi_root / "volumes" / handle


def snapshot_folder(csi_root: Path, handle: str) -> Path:
    """The data of a snapshot, by the VolumeSnapshotContent's status.snapshotHandle."""
    return csi_root / "snapshots" / handle


def claim_data(api: KubeApi, csi_root: Path, namespace: str, claim: str) -> Path:
    """The data of a bound claim; raises LocalClusterError while it is not bound."""
    found = api.get("v1", "PersistentVolumeClaim", namespace, claim)
    volume = found["spec"].get("volumeName")
    if not volume or found["status"].get("phase") != "Bound":
        raise LocalClusterError(f"the claim {namespace}/{claim} is not bound")
    handle = api.get("v1", "PersistentVolume", "", volume)["spec"]["csi"]["volumeHandle"]
    return volume_folder(csi_root, handle)


def snapshot_data(api: KubeApi, csi_root: Path, namespace: str, snapshot: str) -> Path:
    """The data of a ready VolumeSnapshot; raises LocalClusterError while it is not ready."""
    status = api.get(_SNAPSHOTS, "VolumeSnapshot", namespace, snapshot).get("status") or {}
    if not status.get("readyToUse"):
        raise LocalClusterError(f"the snapshot {namespace}/{snapshot} is not ready")
    content = api.get(
        _SNAPSHOTS, "VolumeSnapshotContent", "", status["boundVolumeSnapshotContentName"]
    )
    return snapshot_folder(csi_root, content["status"]["snapshotHandle"])


def tree(folder: Path) -> dict[str, str]:
    """Everything below `folder` by relative path: two folders hold the same if these are equal.

    A value is the type with its mode, and the SHA-256 of a file's bytes or a symlink's target.
    """
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*")):
        mode = stat.filemode(path.lstat().st_mode)
        content = ""
        if path.is_symlink():
            content = os.readlink(path)
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = f"{mode} {content}".rstrip()
    return found
