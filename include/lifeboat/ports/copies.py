"""What Lifeboat needs of whoever can copy a snapshot into another region or subscription.

Start and poll are two calls and neither waits. Guarantees (tests/contract/test_copies.py):
- a copy's name is derived from its snapshot and region: starting it twice is one copy.
- copies of one disk are started in the order of their cuts, one at a time.
- the snapshot itself stays. What the next copy is a delta to is never deleted, on either side:
  deleting it means that it is no point's any more; it goes when a newer one has taken its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lifeboat.ports.disks import StoredSnapshot


@dataclass(frozen=True)
class CopyRegion:
    """Where copies go. `sku`: of the copies, empty for Azure's own choice."""

    region: str
    subscription: str
    group: str
    sku: str = ""

    @property
    def title(self) -> str:
        return f"{self.region} ({self.group})"


@dataclass(frozen=True)
class CopyTicket:
    """A copy that was asked for: enough to poll it from anywhere."""

    snapshot: StoredSnapshot
    place: CopyRegion
    name: str


@dataclass(frozen=True)
class CopyState:
    """`percent` None when unknown; `error` when it will not get over it by itself."""

    ready: bool
    handle: str = ""
    percent: int | None = None
    error: str = ""


@dataclass(frozen=True)
class StoredCopy:
    """A copy that is there, whole or not. `snapshot.handle` is the copy's own."""

    snapshot: StoredSnapshot
    place: CopyRegion
    ready: bool


class Copies(Protocol):
    """Copies of the snapshots of one cluster's volumes. `places`: where the policy wants copies, in
    the order of its rules."""

    @property
    def places(self) -> tuple[CopyRegion, ...]: ...

    def start_copy(self, snapshot: StoredSnapshot, place: CopyRegion) -> CopyTicket:
        """Raises NotReady while an earlier copy of the same disk into the region runs or the
        snapshot itself is not complete, Throttled, and SnapshotFailed when a later cut was copied
        already or the snapshot is gone."""
        ...

    def poll_copy(self, ticket: CopyTicket) -> CopyState: ...

    def list_copies(self, instance: str, place: CopyRegion) -> tuple[StoredCopy, ...]:
        """Every copy of this instance there, oldest cut first, but for those that are only spared
        for the next one."""
        ...

    def delete_copy(self, copy: StoredCopy) -> None:
        """Something gone is no error."""
        ...
