"""What Lifeboat needs of whoever can snapshot a volume.

Start and poll are two calls and neither waits, so that the CLI may loop and Airflow may defer.
Guarantees every adapter keeps (tests/contract/test_disks.py):
- names are derived from (point, volume): starting the same snapshot or restore twice is one
  snapshot or one volume, and returns the same ticket.
- a snapshot, once ready, survives deletion of the volume, its namespace and its VolumeSnapshot.
- `delete_snapshot` of something gone is not an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from lifeboat.ports.cluster import Json

Maker = Literal["", "azure"]


@dataclass(frozen=True)
class Volume:
    """One claim (PVC) with its bound PV, as enumerated at capture time. Sizes in bytes."""

    namespace: str
    claim: str
    claim_uid: str
    pv: str
    driver: str
    handle: str
    storage_class: str
    volume_mode: Literal["Filesystem", "Block"]
    access_modes: tuple[str, ...]
    size: int
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """`shop/data-db-0`: how people name it."""
        return f"{self.namespace}/{self.claim}"


@dataclass(frozen=True)
class SnapshotTicket:
    """A snapshot that was asked for: enough to poll it from anywhere. Holds no secret.

    `asked` is RFC 3339, when the step asked for it: its time-out counts from there. `group`: what
    is cut together with others, by the name of their group.
    """

    point: str
    instance: str
    volume: Volume
    name: str
    asked: str = field(default="", compare=False)
    group: str = ""


@dataclass(frozen=True)
class SnapshotState:
    """What polling found. When `ready`, the other fields say how to find the snapshot again.

    `created` is RFC 3339, the driver's own time of the cut, which may come before `ready`;
    `percent` None when unknown; `error` is the driver's message of a failure that it will not get
    over by itself. `maker` as in StoredSnapshot.
    """

    ready: bool
    handle: str = ""
    driver: str = ""
    size: int = 0
    created: str = ""
    percent: int | None = None
    error: str = ""
    maker: Maker = ""


@dataclass(frozen=True)
class StoredSnapshot:
    """A snapshot as a manifest names it. `size` is the bytes a restored volume must offer.

    `kind` files: no snapshot, but the volume's files in the vault, which `handle` names there; a
    manifest keeps these apart (FileCopy), and only restores take them.
    `maker`: who was asked for it: empty the cluster's snapshot API, azure Azure itself. Either way
    `handle` is what `driver` calls the snapshot, so a cluster with that driver can restore it.
    """

    kind: Literal["csi", "files"]
    volume: Volume
    name: str
    handle: str
    driver: str
    size: int
    created: str
    point: str = ""
    instance: str = ""
    content_digest: str = ""
    maker: Maker = ""


@dataclass(frozen=True)
class RestoreTicket:
    """A volume restore that was asked for: the claim `namespace/claim` made from `snapshot`.

    `snapshot_name` and `content_name` are the helpers: of CSI a VolumeSnapshot and its content, of
    Azure the handle of the new disk and the name of its PersistentVolume.
    """

    snapshot: StoredSnapshot
    namespace: str
    claim: str
    restore_id: str
    snapshot_name: str
    content_name: str


@dataclass(frozen=True)
class RestoreState:
    """`bound` once the claim has its volume; `handle` is then the new volume's handle.

    `waits_for_pod`: the storage class binds at the first consumer (WaitForFirstConsumer), so no
    waiting helps before a workload that uses the claim is there.
    """

    bound: bool
    handle: str = ""
    pv: str = ""
    error: str = ""
    waits_for_pod: bool = False


class Disks(Protocol):
    """Snapshots and restores of volumes for one cluster."""

    def why_not(self, volume: Volume, snapshot_class: str = "") -> str:
        """Empty when this adapter can snapshot the volume, else the reason in a sentence.
        `snapshot_class` is the class asked for; empty leaves the choice to the adapter."""
        ...

    def why_not_together(self, volumes: Sequence[Volume]) -> str:
        """Empty when this adapter can cut these volumes of one namespace at one moment, else the
        reason in a sentence."""
        ...

    def start_snapshot(
        self, point: str, instance: str, volume: Volume, snapshot_class: str = "", group: str = ""
    ) -> SnapshotTicket:
        """`group` is a label of claims, `key=value`: all claims of the namespace that have it are
        cut at one moment, by whichever of them is asked for first. Only where `why_not_together`
        says nothing, and with every one of those claims asked for."""
        ...

    def poll_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        """All that can be told of one snapshot."""
        ...

    def look_at_snapshots(self, tickets: Sequence[SnapshotTicket]) -> tuple[SnapshotState, ...]:
        """How far each of many is, in their order, by lists: as many requests for five hundred
        tickets as for five. Only `ready`, `percent`, `error`
        and, of what is not ready yet, whether it is `created` are told."""
        ...

    def secure_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        """Make a ready snapshot outlive its claim, namespace and API objects, and tell what
        `poll_snapshot` tells of it. Idempotent. Raises SnapshotFailed or NotReady for one that is
        not ready or gone; `poll_snapshot` knows why."""
        ...

    def delete_snapshot(self, snapshot: StoredSnapshot) -> None: ...

    def list_marked(self, instance: str) -> tuple[StoredSnapshot, ...]:
        """Every snapshot in the cluster that carries our marks for this instance (reconcile)."""
        ...

    def restore_ticket(
        self, snapshot: StoredSnapshot, *, namespace: str, claim: str, restore_id: str
    ) -> RestoreTicket:
        """The ticket that `start_restore` returns for these; nothing is started or asked."""
        ...

    def start_restore(
        self,
        snapshot: StoredSnapshot,
        *,
        namespace: str,
        claim: str,
        restore_id: str,
        claim_body: Json,
    ) -> RestoreTicket:
        """Create what the driver needs and the claim itself (`claim_body` is the PVC to create,
        already mapped and cleaned, without dataSource). Raises AlreadyExists when a claim of this
        name exists that this restore did not make."""
        ...

    def poll_restore(self, ticket: RestoreTicket) -> RestoreState: ...

    def finish_restore(self, ticket: RestoreTicket) -> None:
        """Remove the helpers of a finished or abandoned restore, never the snapshot. Idempotent."""
        ...
