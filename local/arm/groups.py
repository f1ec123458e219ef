"""Resource groups: what a snapshot dies with."""

from __future__ import annotations

from local.arm.errors import ArmError, conflict
from local.arm.estate import Estate
from local.arm.ids import check_group_name
from local.arm.model import Group, Json


def put_group(estate: Estate, subscription: str, name: str, body: Json) -> Group:
    """Create, or change the tags."""
    check_group_name(name)
    if subscription.lower() not in estate.subscriptions:
        raise ArmError(404, "SubscriptionNotFound", f"'{subscription}' was not found.")
    location = estate.region(body.get("location", "")).name
    known = estate.groups.get((subscription.lower(), name.lower()))
    if known is not None and known.location != location:
        raise conflict(
            "InvalidResourceGroupLocation", f"'{name}' already exists in {known.location}."
        )
    group = known or Group(subscription, name, location, managed_by=body.get("managedBy", ""))
    group.tags = dict(body.get("tags") or group.tags)
    estate.groups[(subscription.lower(), name.lower())] = group
    return group


def delete_group(estate: Estate, subscription: str, name: str) -> None:
    """With everything in it: how snapshots in a node resource group go with their cluster."""
    group = estate.group(subscription, name)
    if group.lock:
        raise conflict("ScopeLocked", f"The scope '{name}' is locked.")
    key = (subscription.lower(), name.lower())
    del estate.groups[key]
    for kept in (estate.disks, estate.snapshots):
        for one in [one for one in kept.values() if one.id.group_key == key]:
            del kept[one.id.key]


def group_body(group: Group) -> Json:
    found: Json = {
        "id": f"/subscriptions/{group.subscription}/resourceGroups/{group.name}",
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "tags": group.tags,
        "properties": {"provisioningState": "Succeeded"},
    }
    return {**found, "managedBy": group.managed_by} if group.managed_by else found
