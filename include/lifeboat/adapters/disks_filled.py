"""The Disks port with one more source to restore from: files in the vault (kind `files`), which a
mover fills a new claim with. Everything else goes to the disks behind it.

A claim counts as bound only once it is full; it says so by an annotation, since the pod that filled
it goes, and a claim whose pod was lost half-way looks the same otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence

from lifeboat.adapters import claim_api
from lifeboat.adapters import snapshot_api as api
from lifeboat.ports.cluster import Cluster, Json
from lifeboat.ports.disks import (
    Disks,
    RestoreState,
    RestoreTicket,
    SnapshotState,
    SnapshotTicket,
    StoredSnapshot,
    Volume,
)
from lifeboat.ports.movers import Fill, Movers

FILLED = "lifeboat.dev/filled"


class DisksFilled:
    """See lifeboat.ports.disks.Disks."""

    def __init__(self, disks: Disks, movers: Movers, cluster: Cluster) -> None:
        self._disks = disks
        self._movers = movers
        self._cluster = cluster

    def why_not(self, volume: Volume, snapshot_class: str = "") -> str:
        return self._disks.why_not(volume, snapshot_class)

    def why_not_together(self, volumes: Sequence[Volume]) -> str:
        return self._disks.why_not_together(volumes)

    def start_snapshot(
        self, point: str, instance: str, volume: Volume, snapshot_class: str = "", group: str = ""
    ) -> SnapshotTicket:
        return self._disks.start_snapshot(point, instance, volume, snapshot_class, group)

    def poll_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        return self._disks.poll_snapshot(ticket)

    def look_at_snapshots(self, tickets: Sequence[SnapshotTicket]) -> tuple[SnapshotState, ...]:
        return self._disks.look_at_snapshots(tickets)

    def secure_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        return self._disks.secure_snapshot(ticket)

    def delete_snapshot(self, snapshot: StoredSnapshot) -> None:
        self._disks.delete_snapshot(snapshot)

    def list_marked(self, instance: str) -> tuple[StoredSnapshot, ...]:
        return self._disks.list_marked(instance)

    def restore_ticket(
        self, snapshot: StoredSnapshot, *, namespace: str, claim: str, restore_id: str
    ) -> RestoreTicket:
        if snapshot.kind == "files":
            return RestoreTicket(snapshot, namespace, claim, restore_id, "", "")
        return self._disks.restore_ticket(
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
        if snapshot.kind != "files":
            return self._disks.start_restore(
                snapshot,
                namespace=namespace,
                claim=claim,
                restore_id=restore_id,
                claim_body=claim_body,
            )
        ticket = self.restore_ticket(
            snapshot, namespace=namespace, claim=claim, restore_id=restore_id
        )
        there = claim_api.find(self._cluster, api.CLAIM, namespace, claim)
        claim_api.refuse_stranger(there, ticket)
        if not _is_full(there, ticket):
            self._movers.start(_fill(ticket, claim_body))
        return ticket

    def poll_restore(self, ticket: RestoreTicket) -> RestoreState:
        if ticket.snapshot.kind != "files":
            return self._disks.poll_restore(ticket)
        claim = claim_api.find(self._cluster, api.CLAIM, ticket.namespace, ticket.claim)
        lost = claim_api.lost_claim(claim, ticket)
        if lost is not None:
            return lost
        if not _is_full(claim, ticket):
            state = self._movers.poll(_fill(ticket, {}))
            if state.phase == "absent":
                return RestoreState(bound=False, error="the pod that filled it is gone")
            if state.phase != "done":
                return RestoreState(bound=False, error=state.error)
            body = {"metadata": {"annotations": {FILLED: ticket.snapshot.handle}}}
            self._cluster.patch(api.CLAIM, ticket.namespace, ticket.claim, body)
        return self._disks.poll_restore(ticket)

    def finish_restore(self, ticket: RestoreTicket) -> None:
        if ticket.snapshot.kind == "files":
            self._movers.finish(_fill(ticket, {}))
        else:
            self._disks.finish_restore(ticket)


def _is_full(claim: Json | None, ticket: RestoreTicket) -> bool:
    return claim is not None and api.annotation(claim, FILLED) == ticket.snapshot.handle


def _fill(ticket: RestoreTicket, claim_body: Json) -> Fill:
    stored = ticket.snapshot
    return Fill(
        files=stored.handle,
        point=stored.point,
        instance=stored.instance,
        namespace=ticket.namespace,
        claim=ticket.claim,
        restore_id=ticket.restore_id,
        size=stored.size,
        claim_body=claim_body,
    )
