"""Two Disks behind one port: Azure for its managed disks, the cluster's snapshot API for the rest.

Who snapshots a volume now is the policy's `volumes.mode`; who made a snapshot is written in it, so
that a policy may change its mode and old points still restore, prune and reconcile.
"""

from __future__ import annotations

from collections.abc import Sequence

from lifeboat.adapters.snapshot_tags import DRIVER
from lifeboat.ports.cluster import Json
from lifeboat.ports.disks import (
    Disks,
    Maker,
    RestoreState,
    RestoreTicket,
    SnapshotState,
    SnapshotTicket,
    StoredSnapshot,
    Volume,
)


class DisksRouted:
    """See lifeboat.ports.disks.Disks. `new_by_azure`: the policy's mode is azure."""

    def __init__(self, csi: Disks, azure: Disks, *, new_by_azure: bool) -> None:
        self._csi = csi
        self._azure = azure
        self._new_by_azure = new_by_azure

    def why_not(self, volume: Volume, snapshot_class: str = "") -> str:
        return self._for(volume).why_not(volume, snapshot_class)

    def why_not_together(self, volumes: Sequence[Volume]) -> str:
        sides = {id(disks): disks for disks in map(self._for, volumes)}
        if len(sides) > 1:
            return "some are Azure's managed disks, and others are not"
        return next(iter(sides.values())).why_not_together(volumes)

    def start_snapshot(
        self, point: str, instance: str, volume: Volume, snapshot_class: str = "", group: str = ""
    ) -> SnapshotTicket:
        return self._for(volume).start_snapshot(point, instance, volume, snapshot_class, group)

    def poll_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        return self._for(ticket.volume).poll_snapshot(ticket)

    def look_at_snapshots(self, tickets: Sequence[SnapshotTicket]) -> tuple[SnapshotState, ...]:
        found: dict[SnapshotTicket, SnapshotState] = {}
        for disks in (self._csi, self._azure):
            mine = [ticket for ticket in tickets if self._for(ticket.volume) is disks]
            if mine:
                found |= zip(mine, disks.look_at_snapshots(mine), strict=True)
        return tuple(found[ticket] for ticket in tickets)

    def secure_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        return self._for(ticket.volume).secure_snapshot(ticket)

    def delete_snapshot(self, snapshot: StoredSnapshot) -> None:
        self._of(snapshot.maker).delete_snapshot(snapshot)

    def list_marked(self, instance: str) -> tuple[StoredSnapshot, ...]:
        return (*self._csi.list_marked(instance), *self._azure.list_marked(instance))

    def restore_ticket(
        self, snapshot: StoredSnapshot, *, namespace: str, claim: str, restore_id: str
    ) -> RestoreTicket:
        return self._of(snapshot.maker).restore_ticket(
            snapshot, namespace=namespace, claim=claim, restore_id=restore_id
        )

    def start_restore(
        self,
        snapshot: StoredSnapshot,
        *,
        namespace: str,
        claim: str,
        restore_id: str,
        claim_body: Json,
    ) -> RestoreTicket:
        return self._of(snapshot.maker).start_restore(
            snapshot,
            namespace=namespace,
            claim=claim,
            restore_id=restore_id,
            claim_body=claim_body,
        )

    def poll_restore(self, ticket: RestoreTicket) -> RestoreState:
        return self._of(ticket.snapshot.maker).poll_restore(ticket)

    def finish_restore(self, ticket: RestoreTicket) -> None:
        self._of(ticket.snapshot.maker).finish_restore(ticket)

    def _for(self, volume: Volume) -> Disks:
        by_azure = self._new_by_azure and volume.driver.lower() == DRIVER
        return self._azure if by_azure else self._csi

    def _of(self, maker: Maker) -> Disks:
        return self._azure if maker == "azure" else self._csi
