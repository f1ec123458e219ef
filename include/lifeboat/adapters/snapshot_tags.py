"""What Azure's snapshots carry of ours: names and tags, by which reconcile finds them again.

Pure. Azure allows 50 tags, values of 256 characters, and no slash in a name; so each fact is a tag
of its own. People's own tags come first and never take the place of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lifeboat.adapters.snapshot_api import snapshot_name
from lifeboat.clock import rfc3339
from lifeboat.ports.disks import StoredSnapshot, Volume

DRIVER = "disk.csi.azure.com"

MANAGED = "lifeboat-managed"
INSTANCE = "lifeboat-instance"
POINT = "lifeboat-point"
NAMESPACE = "lifeboat-namespace"
CLAIM = "lifeboat-claim"
CLAIM_UID = "lifeboat-claim-uid"
SIZE = "lifeboat-size"
DISK = "lifeboat-disk"  # the source disk's uniqueId: another for a disk that was made again
SKU = "lifeboat-sku"
ZONE = "lifeboat-zone"
MODE = "lifeboat-volume-mode"
CUT = "lifeboat-cut"  # of a copy: when its original was cut
COPY_OF = "lifeboat-copy-of"  # of a copy: its original's name
SPARED = "lifeboat-spared"  # no point needs it, but the next copy is a delta to it
RESTORE = "lifeboat-restore"

# What the CSI driver puts on disks that it makes (azuredisk-csi-driver, pkg/azureconstants).
CSI_MADE = "k8s-azure-created-by"
CSI_NAME = "kubernetes-azure-dd"

Tags = dict[str, str]


def azure_name(point: str, volume: Volume) -> str:
    """The snapshot of a volume in a point; Azure's 80 characters are enough for it."""
    return snapshot_name(point, volume)


def copy_name(snapshot: str, region: str) -> str:
    """A snapshot's copy in a region; all regions may share one resource group."""
    return f"{snapshot}-{region}"


def snapshot_tags(
    point: str, instance: str, volume: Volume, disk: Any, own: Mapping[str, str]
) -> Tags:
    """`disk` is the SDK's: what a restored disk should be like is kept with the snapshot, for the
    disk may be gone by then."""
    zones = list(disk.zones or ())
    return {
        **own,
        MANAGED: "true",
        INSTANCE: instance,
        POINT: point,
        NAMESPACE: volume.namespace,
        CLAIM: volume.claim,
        CLAIM_UID: volume.claim_uid,
        SIZE: str(volume.size),
        MODE: volume.volume_mode,
        DISK: str(disk.unique_id or ""),
        SKU: sku_of(disk),
        **({ZONE: str(zones[0])} if zones else {}),
    }


def sku_of(disk: Any) -> str:
    """Azure's name of what a disk is, such as Premium_LRS."""
    return plain(disk.sku.name) if disk.sku else ""


def plain(value: Any) -> str:
    """The SDK's enums as Azure writes them; empty for None."""
    return str(getattr(value, "value", value) or "")


def is_of(live: Any, point: str, volume: Volume) -> bool:
    """Whether a snapshot of Azure's was made for this point and claim."""
    tags = live.tags or {}
    return (tags.get(POINT), tags.get(CLAIM_UID)) == (point, volume.claim_uid)


def stored(live: Any) -> StoredSnapshot:
    """What a snapshot's tags tell. Raises nothing for tags that somebody took away."""
    tags = live.tags or {}
    of_disk = not tags.get(COPY_OF)
    size = int(live.disk_size_bytes or 0) or int(tags.get(SIZE) or 0)
    volume = Volume(
        namespace=tags.get(NAMESPACE, ""),
        claim=tags.get(CLAIM, ""),
        claim_uid=tags.get(CLAIM_UID, ""),
        pv="",
        driver=DRIVER,
        handle=str(live.creation_data.source_resource_id or "") if of_disk else "",
        storage_class="",
        volume_mode="Block" if tags.get(MODE) == "Block" else "Filesystem",
        access_modes=(),
        size=int(tags.get(SIZE) or size),
    )
    return StoredSnapshot(
        kind="csi",
        volume=volume,
        name=str(live.name),
        handle=str(live.id),
        driver=DRIVER,
        size=size,
        created=created(live),
        point=tags.get(POINT, ""),
        instance=tags.get(INSTANCE, ""),
        maker="azure",
    )


def created(live: Any) -> str:
    """When the disk was cut: of a copy, when its original was."""
    cut = (live.tags or {}).get(CUT)
    if cut:
        return str(cut)
    return rfc3339(live.time_created) if live.time_created else ""
