"""What the stand-in remembers: groups, disks, snapshots. Everything that takes time says when it is
over, and what is shown is worked out from that whenever somebody looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.arm.ids import ResourceId
from local.arm.limits import FAST

Json = dict[str, Any]
Content = dict[str, bytes]
GIB = 2**30
MIB = 2**20


@dataclass
class Group:
    """A resource group. `lock`: "", CanNotDelete or ReadOnly. `managed_by`: the AKS cluster whose
    node resource group it is."""

    subscription: str
    name: str
    location: str
    tags: dict[str, str] = field(default_factory=dict)
    managed_by: str = ""
    lock: str = ""


@dataclass
class Background:
    """A copy that runs from `begin` for `seconds`. `failed`: why it never ends well."""

    begin: datetime
    seconds: float
    failed: str = ""

    def percent(self, now: datetime) -> float:
        """0 to 100; one that failed stays where it is, below 100."""
        if self.seconds <= 0:
            return 100.0
        part = (now - self.begin) / timedelta(seconds=self.seconds) * 100
        return min(part, 99.0 if self.failed else 100.0)

    def runs(self, now: datetime) -> bool:
        return not self.failed and self.percent(now) < 100


@dataclass
class Resource:
    """`busy_until` ends the operation that `busy` names (Creating, Updating, Deleting)."""

    id: ResourceId
    location: str
    sku: str
    tags: dict[str, str]
    properties: Json
    unique_id: str
    created: datetime
    size_gb: int
    busy: str
    busy_until: datetime
    content: Content
    sector: int = 512
    failed: str = ""

    def state(self, now: datetime) -> str:
        """`provisioningState`."""
        if self.failed:
            return "Failed"
        return self.busy if now < self.busy_until else "Succeeded"

    def base_body(self, now: datetime) -> Json:
        """What disks and snapshots show alike."""
        return {
            "id": str(self.id),
            "name": self.id.name,
            "type": f"Microsoft.Compute/{self.id.kind}",
            "location": self.location,
            "tags": dict(self.tags),
            "sku": {"name": self.sku},
            "properties": {
                **self.properties,
                "provisioningState": self.state(now),
                "timeCreated": self.created.isoformat(),
                "uniqueId": self.unique_id,
                "diskSizeGB": self.size_gb,
                "diskSizeBytes": self.size_gb * GIB,
            },
        }


@dataclass
class Disk(Resource):
    """`source`: the snapshot it is filled from, `hydration` how far; `attached` to a machine."""

    zones: tuple[str, ...] = ()
    source: str = ""
    hydration: Background | None = None
    attached: str = ""
    resized_across: datetime | None = None

    @property
    def fast(self) -> bool:
        return self.sku in FAST

    def body(self, now: datetime) -> Json:
        found = self.base_body(now)
        if self.zones:
            found["zones"] = list(self.zones)
        if self.attached:
            found["managedBy"] = self.attached
        shown = found["properties"]
        shown["diskState"] = "Attached" if self.attached else "Unattached"
        if self.hydration is not None and self.fast:
            shown["completionPercent"] = self.hydration.percent(now)
        return found


@dataclass
class Snapshot(Resource):
    """`disk` and `disk_uid`: what was cut; `order` its place among the cuts of that disk, which its
    copies share. `copied_from`: the id of the snapshot that CopyStart copies.
    `delta`: bytes that this one alone had to store or move. `instant_until` ends instant access."""

    disk: str = ""
    disk_uid: str = ""
    disk_sku: str = ""
    order: int = 0
    incremental: bool = True
    copied_from: str = ""
    background: Background | None = None
    instant_until: datetime | None = None
    delta: int = 0

    @property
    def of_fast(self) -> bool:
        return self.disk_sku in FAST

    def complete(self, now: datetime) -> bool:
        return self.background is None or self.background.percent(now) >= 100

    def pending(self, now: datetime) -> bool:
        return self.background is not None and self.background.runs(now)

    def instant(self, now: datetime) -> bool:
        """Whether disks can be made from it at once."""
        return self.instant_until is not None and now < self.instant_until

    def access(self, now: datetime) -> str:
        """`snapshotAccessState`."""
        if self.instant(now):
            return "AvailableWithInstantAccess" if self.complete(now) else "InstantAccess"
        return "Available" if self.complete(now) else "Pending"

    def body(self, now: datetime) -> Json:
        """Percent and state are shown only where there is something to wait for, as Azure does:
        absent means complete."""
        found = self.base_body(now)
        shown = found["properties"]
        shown["diskState"] = "Unattached"
        shown["incremental"] = self.incremental
        if self.incremental:
            shown["incrementalSnapshotFamilyId"] = f"family-{self.disk_uid}"
        if self.background is not None:
            shown["completionPercent"] = self.background.percent(now)
            shown["snapshotAccessState"] = self.access(now)
            if self.background.failed:
                shown["copyCompletionError"] = {
                    "errorCode": self.background.failed,
                    "errorMessage": "the copy cannot be completed",
                }
        return found


def changed_bytes(content: Content, base: Content | None, sector: int) -> int:
    """What lies in `content` and not in `base`; a delta of nothing takes 6 MiB on 4096-byte
    sectors (Azure: "Create an incremental snapshot")."""
    moved = sum(
        len(data) for path, data in content.items() if base is None or base.get(path) != data
    )
    return moved or (6 * MIB if sector == 4096 and base is not None else 0)
