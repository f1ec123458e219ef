"""Managed disks: made empty or from a snapshot, resized, deleted."""

from __future__ import annotations

from local.arm.errors import bad_request, conflict
from local.arm.estate import Estate, new_uid
from local.arm.ids import ResourceId, check_name, check_tags, parse_id
from local.arm.limits import DISK_SKUS, FAST, FOUR_TIB_GB
from local.arm.model import Background, Disk, Json, Snapshot

_KEPT = ("creationData", "networkAccessPolicy", "publicNetworkAccess", "diskAccessId", "encryption")


def put_disk(estate: Estate, resource: ResourceId, body: Json) -> tuple[Disk, bool]:
    """Create, or change what may be changed; whether it is new."""
    check_name(resource.name)
    estate.writable(resource)
    known = estate.disks.get(resource.key)
    if known is not None:
        asked = (body.get("properties") or {}).get("creationData") or {}
        was = known.properties["creationData"]
        if any(asked.get(key) != was.get(key) for key in ("createOption", "sourceResourceId")):
            raise conflict("PropertyChangeNotAllowed", "Changing creationData is not allowed.")
        return patch_disk(estate, known, body), False
    made = _new_disk(estate, resource, body)
    estate.disks[resource.key] = made
    return made, True


def patch_disk(estate: Estate, disk: Disk, body: Json) -> Disk:
    """Tags, sku and a larger size."""
    estate.writable(disk.id)
    estate.idle(disk)
    tags = dict(disk.tags if body.get("tags") is None else body["tags"])
    check_tags(tags)
    disk.tags = tags
    disk.sku = (body.get("sku") or {}).get("name") or disk.sku
    size = (body.get("properties") or {}).get("diskSizeGB") or disk.size_gb
    if size < disk.size_gb:
        raise bad_request("ResizeDiskError", "A disk cannot be made smaller.")
    if size > disk.size_gb:
        _resize(estate, disk, size)
    disk.busy, disk.busy_until = "Updating", estate.operation_end()
    return disk


def delete_disk(estate: Estate, disk: Disk) -> None:
    if disk.attached:
        raise conflict("OperationNotAllowed", f"Disk {disk.id.name} is attached to {disk.attached}")
    estate.delete(disk)


def _resize(estate: Estate, disk: Disk, size: int) -> None:
    if disk.size_gb <= FOUR_TIB_GB < size:
        disk.resized_across = estate.now  # no delta between cuts before and after
    disk.size_gb = size
    if disk.fast:  # in-flight snapshots of it fail
        for snapshot in estate.family(disk.unique_id):
            if snapshot.background and not snapshot.copied_from and snapshot.pending(estate.now):
                snapshot.background.failed = "InternalError"
                snapshot.failed = "the disk was resized"


def _new_disk(estate: Estate, resource: ResourceId, body: Json) -> Disk:
    properties = body.get("properties") or {}
    creation = dict(properties.get("creationData") or {})
    region = estate.region(body.get("location", ""))
    sku = (body.get("sku") or {}).get("name") or "Standard_LRS"
    zones = tuple(body.get("zones") or ())
    tags = dict(body.get("tags") or {})
    check_tags(tags)
    if sku not in DISK_SKUS:
        raise bad_request("InvalidParameter", f"The disk sku '{sku}' is unknown.")
    if not set(zones) <= set(region.zones) or len(zones) > 1:
        raise bad_request(
            "InvalidAvailabilityZone",
            f"The zone(s) '{','.join(zones)}' are not supported in location '{region.name}'.",
        )
    if sku.endswith("_ZRS") and (zones or not region.zones):
        raise bad_request(
            "InvalidParameter", "A ZRS disk names no zone, and lies in a region that has zones."
        )
    disk = Disk(
        id=resource,
        location=region.name,
        sku=sku,
        tags=tags,
        properties={key: properties[key] for key in _KEPT if key in properties},
        unique_id=new_uid(),
        created=estate.now,
        size_gb=int(properties.get("diskSizeGB") or 0),
        busy="Creating",
        busy_until=estate.operation_end(),
        content={},
        sector=int(creation.get("logicalSectorSize") or (4096 if sku in FAST else 512)),
        zones=zones,
    )
    option = creation.get("createOption")
    if option == "Copy":
        _fill(estate, disk, parse_id(creation.get("sourceResourceId", "")))
    elif option != "Empty" or not disk.size_gb:
        raise bad_request("InvalidParameter", "createOption is Empty with diskSizeGB, or Copy.")
    return disk


def _fill(estate: Estate, disk: Disk, source: ResourceId) -> None:
    """E6: same region, complete, a size that fits; 4096-byte sectors only on fast disks."""
    snapshot = estate.snapshot(source)
    if snapshot.location != disk.location:
        raise bad_request(
            "InvalidParameter",
            f"The snapshot is in {snapshot.location}, the disk in {disk.location}: they have to be"
            " in the same location.",
        )
    if snapshot.failed or snapshot.state(estate.now) == "Creating":
        raise conflict("OperationNotAllowed", f"Snapshot {source.name} is not ready.")
    if not (snapshot.complete(estate.now) or snapshot.instant(estate.now)):
        raise conflict(
            "OperationNotAllowed",
            f"Snapshot {source.name} is still being copied in the background; completionPercent"
            " must reach 100 first.",
        )
    if snapshot.sector == 4096 and not disk.fast:
        raise bad_request(
            "InvalidParameter", "A snapshot of 4096-byte sectors fits Premium SSD v2 and Ultra only"
        )
    if disk.size_gb and disk.size_gb < snapshot.size_gb:
        raise bad_request("InvalidParameter", "diskSizeGB is less than that of the snapshot.")
    if disk.fast:
        _check_at_once(estate, snapshot)
        disk.hydration = Background(estate.now, estate.settings.delays.hydration)
    disk.source = source.key
    disk.size_gb = disk.size_gb or snapshot.size_gb
    disk.sector = snapshot.sector
    disk.content = dict(snapshot.content)


def _check_at_once(estate: Estate, snapshot: Snapshot) -> None:
    limits = estate.limits
    instant = snapshot.instant(estate.now)
    most = limits.disks_at_once_instant if instant else limits.disks_at_once
    running = sum(
        1
        for disk in estate.disks.values()
        if disk.source == snapshot.id.key and disk.hydration and disk.hydration.runs(estate.now)
    )
    if running >= most:
        raise conflict(
            "OperationNotAllowed",
            f"{running} disks are being made from {snapshot.id.name}; {most} at once is the most.",
        )
