"""Everything that lies in the stand-in's subscriptions, and how it is found, guarded and ended."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from local.arm.clock import Time
from local.arm.errors import ArmError, bad_request, conflict, not_found
from local.arm.ids import ResourceId
from local.arm.limits import Limits, Region, Settings
from local.arm.model import Disk, Group, Resource, Snapshot


@dataclass
class Estate:
    """`cuts` are the moments at which each disk, by its uniqueId, was cut; `orders` count them."""

    time: Time
    settings: Settings = field(default_factory=Settings)
    subscriptions: set[str] = field(default_factory=set)
    groups: dict[tuple[str, str], Group] = field(default_factory=dict)
    disks: dict[str, Disk] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    cuts: dict[str, list[datetime]] = field(default_factory=dict)
    orders: dict[str, int] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return self.time.now()

    @property
    def limits(self) -> Limits:
        return self.settings.limits

    def region(self, name: str) -> Region:
        """Display names ("West Europe") are the same region."""
        plain = name.replace(" ", "").lower()
        for region in self.settings.regions:
            if region.name == plain:
                return region
        raise bad_request(
            "LocationNotAvailableForResourceType", f"The provided location '{name}' is unknown."
        )

    def group(self, subscription: str, name: str) -> Group:
        if subscription.lower() not in self.subscriptions:
            raise ArmError(
                404, "SubscriptionNotFound", f"The subscription '{subscription}' was not found."
            )
        found = self.groups.get((subscription.lower(), name.lower()))
        if found is None:
            raise ArmError(
                404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found."
            )
        return found

    def writable(self, resource: ResourceId) -> Group:
        """Its group, unless a lock forbids to write there."""
        group = self.group(resource.subscription, resource.group)
        if group.lock == "ReadOnly":
            raise _locked(resource, "write")
        return group

    def deletable(self, resource: ResourceId) -> None:
        """A lock of either kind forbids to delete (E9: locks break backup or prune)."""
        if self.group(resource.subscription, resource.group).lock:
            raise _locked(resource, "delete")

    def disk(self, resource: ResourceId) -> Disk:
        self.group(resource.subscription, resource.group)
        found = self.disks.get(resource.key)
        if found is None:
            raise not_found(f"Microsoft.Compute/disks/{resource.name}")
        return found

    def snapshot(self, resource: ResourceId) -> Snapshot:
        self.group(resource.subscription, resource.group)
        found = self.snapshots.get(resource.key)
        if found is None:
            raise not_found(f"Microsoft.Compute/snapshots/{resource.name}")
        return found

    def operation_end(self) -> datetime:
        return self.now + timedelta(seconds=self.settings.delays.operation)

    def idle(self, resource: Resource) -> None:
        """One operation at a time on a resource."""
        if self.now < resource.busy_until:
            raise conflict(
                "AnotherOperationInProgress",
                f"Another operation on {resource.id.name} is in progress ({resource.busy}).",
            )

    def family(self, disk_uid: str) -> Iterator[Snapshot]:
        """Every incremental snapshot of a disk, copies too, wherever they lie."""
        for snapshot in self.snapshots.values():
            if snapshot.disk_uid == disk_uid and snapshot.incremental:
                yield snapshot

    def settle(self) -> None:
        """End the deletions whose time has come."""
        for kept in (self.disks, self.snapshots):
            for key, one in list(kept.items()):
                if one.busy == "Deleting" and self.now >= one.busy_until:
                    del kept[key]

    def delete(self, resource: Resource) -> None:
        """Begin a deletion."""
        self.deletable(resource.id)
        self.idle(resource)
        resource.busy, resource.busy_until = "Deleting", self.operation_end()
        self.settle()


def new_uid() -> str:
    """A uniqueId: a disk that is made again has another."""
    return str(uuid.uuid4())


def _locked(resource: ResourceId, verb: str) -> ArmError:
    return conflict(
        "ScopeLocked",
        f"The scope '{resource}' cannot perform {verb} operation because following scope(s) are"
        f" locked: '/subscriptions/{resource.subscription}/resourceGroups/{resource.group}'.",
    )
