"""Snapshots of disks: full and incremental, their limits, instant access."""

from __future__ import annotations

from datetime import timedelta

from local.arm.copies import new_copy
from local.arm.errors import ArmError, bad_request, conflict
from local.arm.estate import Estate, new_uid
from local.arm.ids import ResourceId, check_name, check_tags, parse_id
from local.arm.limits import INSTANT_ACCESS_API
from local.arm.model import Background, Content, Disk, Json, Snapshot, changed_bytes

_KEPT = (
    "creationData",
    "networkAccessPolicy",
    "publicNetworkAccess",
    "diskAccessId",
    "dataAccessAuthMode",
    "encryption",
)


def put_snapshot(
    estate: Estate, resource: ResourceId, body: Json, api: str
) -> tuple[Snapshot, bool]:
    """Create, or change the tags of one that is there; whether it is new."""
    check_name(resource.name)
    estate.writable(resource)
    known = estate.snapshots.get(resource.key)
    creation = (body.get("properties") or {}).get("creationData") or {}
    if known is not None:
        was = known.properties["creationData"]
        same = creation.get("createOption") == was["createOption"] and (
            str(creation.get("sourceResourceId")).lower() == was["sourceResourceId"].lower()
        )
        if not same:
            raise conflict("PropertyChangeNotAllowed", "Changing creationData is not allowed.")
        return patch_snapshot(estate, known, body), False
    check_tags(dict(body.get("tags") or {}))
    source = parse_id(creation.get("sourceResourceId", ""))
    if source.kind == "snapshots":
        made = new_copy(estate, resource, body, source, api)
    else:
        made = _cut(estate, resource, body, estate.disk(source), api)
    made.properties = {
        **{key: value for key, value in body["properties"].items() if key in _KEPT},
        "creationData": {**creation, "sourceUniqueId": made.disk_uid},
    }
    estate.snapshots[resource.key] = made
    return made, True


def patch_snapshot(estate: Estate, snapshot: Snapshot, body: Json) -> Snapshot:
    """Only tags change here."""
    estate.writable(snapshot.id)
    estate.idle(snapshot)
    tags = dict(snapshot.tags if body.get("tags") is None else body["tags"])
    check_tags(tags)
    snapshot.tags = tags
    return snapshot


def delete_snapshot(estate: Estate, snapshot: Snapshot) -> None:
    """Any one may go, the others stay whole; but a copy under way loses its source."""
    estate.delete(snapshot)
    for other in estate.snapshots.values():
        if other.copied_from == snapshot.id.key and other.pending(estate.now):
            assert other.background
            other.background.failed = "CopySourceNotFound"


def _cut(estate: Estate, resource: ResourceId, body: Json, disk: Disk, api: str) -> Snapshot:
    incremental = bool(body["properties"].get("incremental"))
    _check_place(estate, resource, body, disk)
    if incremental:
        _check_limits(estate, disk)
    minutes = _instant_minutes(estate, body, disk, api)
    if disk.fast:
        _check_background(estate, disk)
    now, order = estate.now, estate.orders.get(disk.unique_id, 0) + 1
    estate.orders[disk.unique_id] = order
    estate.cuts.setdefault(disk.unique_id, []).append(now)
    made = Snapshot(
        id=resource,
        location=disk.location,
        sku=_sku(estate, body, disk.location, incremental),
        tags=dict(body.get("tags") or {}),
        properties={},
        unique_id=new_uid(),
        created=now,
        size_gb=disk.size_gb,
        busy="Creating",
        busy_until=estate.operation_end(),
        content=dict(disk.content),
        sector=disk.sector,
        disk=disk.id.key,
        disk_uid=disk.unique_id,
        disk_sku=disk.sku,
        order=order,
        incremental=incremental,
        delta=changed_bytes(disk.content, _base(estate, disk, incremental), disk.sector),
    )
    if disk.fast:
        made.background = Background(now, estate.settings.delays.background)
    if minutes:
        made.instant_until = now + timedelta(minutes=minutes)
    return made


def _check_place(estate: Estate, resource: ResourceId, body: Json, disk: Disk) -> None:
    if resource.subscription.lower() != disk.id.subscription.lower():
        raise bad_request(
            "InvalidParameter", "A snapshot is made in the subscription of its disk; copy it then."
        )
    if estate.region(body.get("location", "")).name != disk.location:
        raise bad_request(
            "InvalidParameter", f"The disk is in {disk.location}: its snapshot is made there."
        )
    if disk.state(estate.now) in ("Creating", "Deleting"):
        raise conflict("OperationNotAllowed", f"Disk {disk.id.name} is {disk.busy}.")
    option = body["properties"]["creationData"].get("createOption")
    if option != "Copy":
        raise bad_request("InvalidParameter", f"createOption '{option}' does not go with a disk.")


def _check_limits(estate: Estate, disk: Disk) -> None:
    limits = estate.limits
    there = sum(1 for one in estate.family(disk.unique_id) if not one.copied_from)
    if there >= limits.snapshots_of_a_disk:
        raise conflict(
            "OperationNotAllowed",
            f"Disk {disk.id.name} has {there} incremental snapshots, the most there can be.",
        )
    since = estate.now - timedelta(seconds=limits.window)
    recent = [moment for moment in estate.cuts.get(disk.unique_id, []) if moment > since]
    if len(recent) >= limits.window_creations:
        wait = (recent[-limits.window_creations] - since).total_seconds()
        raise ArmError(
            429,
            "TooManyRequests",
            f"{len(recent)} snapshots of disk {disk.id.name} were made in {limits.window} s.",
            retry_after=wait,
        )


def _check_background(estate: Estate, disk: Disk) -> None:
    """The limits of Premium SSD v2 and Ultra; snapshots with instant access count as well."""
    limits = estate.limits
    local = [one for one in estate.snapshots.values() if one.of_fast and not one.copied_from]
    running = [one for one in local if one.pending(estate.now)]
    of_disk = sum(1 for one in running if one.disk_uid == disk.unique_id)
    if of_disk >= limits.pending_of_a_fast_disk:
        raise conflict(
            "PendingSnapshotLimitReached",
            f"{of_disk} snapshots of disk {disk.id.name} are pending, the most there can be.",
        )
    mine = disk.id.subscription.lower()
    active = sum(1 for one in running if one.id.subscription.lower() == mine)
    if active >= limits.background_copies:
        raise conflict(
            "BackgroundCopyLimitReached", f"{active} background copies run in the subscription."
        )


def _instant_minutes(estate: Estate, body: Json, disk: Disk, api: str) -> int:
    asked = body["properties"]["creationData"].get("instantAccessDurationMinutes")
    if asked is None:
        return 0
    low, high = estate.limits.instant_minutes
    if api < INSTANT_ACCESS_API:
        raise bad_request("InvalidParameter", f"Instant access needs api {INSTANT_ACCESS_API}.")
    if not disk.fast:
        raise bad_request(
            "InvalidParameter", "Instant access is for Premium SSD v2 and Ultra disks only."
        )
    if not low <= int(asked) <= high:
        raise bad_request(
            "InvalidParameter", f"instantAccessDurationMinutes is {asked}: {low} to {high}."
        )
    return int(asked)


def _sku(estate: Estate, body: Json, location: str, incremental: bool) -> str:
    """Incremental ones lie on Standard HDD, zone-redundant where the region is."""
    asked = (body.get("sku") or {}).get("name")
    zonal = bool(estate.region(location).zones)
    if asked == "Standard_ZRS" and not zonal:
        raise bad_request("InvalidParameter", f"Region {location} has no ZRS.")
    if not incremental:
        return str(asked or "Standard_LRS")
    if asked == "Premium_LRS":
        raise bad_request("InvalidParameter", "An incremental snapshot is never on Premium.")
    return str(asked or ("Standard_ZRS" if zonal else "Standard_LRS"))


def _base(estate: Estate, disk: Disk, incremental: bool) -> Content | None:
    """What the disk's last incremental snapshot held; none after a resize across 4 TiB."""
    cuts = [one for one in estate.family(disk.unique_id) if not one.copied_from]
    last = max(cuts, key=lambda one: one.order, default=None)
    if last is None or not incremental:
        return None
    across = disk.resized_across
    return None if across and last.created <= across else last.content
