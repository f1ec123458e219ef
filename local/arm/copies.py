"""Copies of snapshots: CopyStart into another region, Copy into another group or subscription."""

from __future__ import annotations

from local.arm.errors import ArmError, bad_request, conflict
from local.arm.estate import Estate, new_uid
from local.arm.ids import ResourceId
from local.arm.limits import COPY_START_API
from local.arm.model import Background, Content, Json, Snapshot, changed_bytes


def new_copy(
    estate: Estate, resource: ResourceId, body: Json, source_id: ResourceId, api: str
) -> Snapshot:
    """Raises ArmError unless every rule of E5 holds."""
    source = estate.snapshot(source_id)
    region = estate.region(body.get("location", ""))
    option = body["properties"]["creationData"].get("createOption")
    if not (body["properties"].get("incremental") and source.incremental):
        raise bad_request("InvalidParameter", "Only an incremental snapshot is copied as one.")
    if source.failed or not source.complete(estate.now):
        raise conflict(
            "OperationNotAllowed", f"Snapshot {source_id.name} is not complete, so no copy starts."
        )
    away = region.name != source.location
    if option != ("CopyStart" if away else "Copy"):
        raise bad_request(
            "InvalidParameter",
            f"createOption is {option}: CopyStart copies into another region, Copy within one.",
        )
    if away:
        if api < COPY_START_API:
            raise bad_request("InvalidParameter", f"CopyStart needs api {COPY_START_API}.")
        _check_turn(estate, resource, source, region.name)
    sku = (body.get("sku") or {}).get("name") or (
        "Standard_ZRS" if region.zones else "Standard_LRS"
    )
    if sku == "Standard_ZRS" and not region.zones:
        raise bad_request("InvalidParameter", f"Region {region.name} has no ZRS.")
    made = Snapshot(
        id=resource,
        location=region.name,
        sku=sku,
        tags=dict(body.get("tags") or {}),
        properties={},
        unique_id=new_uid(),
        created=estate.now,
        size_gb=source.size_gb,
        busy="Creating",
        busy_until=estate.operation_end(),
        content=dict(source.content),
        sector=source.sector,
        disk=source.disk,
        disk_uid=source.disk_uid,
        disk_sku=source.disk_sku,
        order=source.order,
        copied_from=source.id.key,
        delta=changed_bytes(source.content, _common(estate, source, region.name), source.sector),
    )
    if away:
        made.background = Background(estate.now, estate.settings.delays.copy)
    return made


def _check_turn(estate: Estate, resource: ResourceId, source: Snapshot, region: str) -> None:
    """One at a time for a disk, older cuts first, and so many into a region."""
    now = estate.now
    copies = [one for one in estate.snapshots.values() if one.copied_from]
    into = [one for one in copies if one.location == region]
    of_disk = [one for one in into if one.disk_uid == source.disk_uid]
    if any(one.pending(now) for one in of_disk):
        raise conflict(
            "CopyInProgress", f"Another snapshot of this disk is being copied into {region}."
        )
    if any(one.order > source.order and one.complete(now) for one in of_disk):
        raise bad_request(
            "CopyOutOfOrder",
            f"A later snapshot of this disk was copied into {region}: copies keep the order of"
            " creation.",
        )
    mine = resource.subscription.lower()
    running = sum(1 for one in into if one.pending(now) and one.id.subscription.lower() == mine)
    if running >= estate.limits.copies_into_a_region:
        raise ArmError(
            429,
            "TooManyRequests",
            f"{running} copies into {region} run in this subscription.",
            retry_after=estate.settings.delays.copy,
        )


def _common(estate: Estate, source: Snapshot, region: str) -> Content | None:
    """The newest earlier cut that lies, complete, on both sides: only what changed since moves."""
    family = [one for one in estate.family(source.disk_uid) if one.complete(estate.now)]
    here = {one.order for one in family if one.location == source.location}
    there = [one for one in family if one.location == region and one.order in here]
    earlier = [one for one in there if one.order < source.order]
    base = max(earlier, key=lambda one: one.order, default=None)
    return base.content if base else None
