"""The Disks port over Azure itself: incremental snapshots of managed disks in a group of their own.

Against the CSI driver's snapshots it gains two things: they lie in a resource group that does not
go with the cluster, and they can be copied into other regions without losing the local one
(adapters/copies_azure.py). A disk is known by its uniqueId, which changes when it is made again
under the same name. Restoring lies in adapters/azure_restore.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lifeboat.adapters import claim_api
from lifeboat.adapters import snapshot_tags as tags
from lifeboat.adapters.azure_arm import ArmClients, ArmId, arm_id
from lifeboat.adapters.azure_chain import Chain
from lifeboat.adapters.azure_place import AzurePlace
from lifeboat.adapters.azure_restore import AzureRestore
from lifeboat.adapters.azure_snapshots import (
    AzureSnapshots,
    access_of,
    complete,
    lasting_error,
    percent,
    spared,
)
from lifeboat.errors import NotFound, NotReady, SnapshotFailed
from lifeboat.ports.cluster import Cluster, Json
from lifeboat.ports.disks import (
    RestoreState,
    RestoreTicket,
    SnapshotState,
    SnapshotTicket,
    StoredSnapshot,
    Volume,
)

MOST_SNAPSHOTS = 500
"""Incremental snapshots of one disk that Azure keeps at a time."""
FAST_SKUS = ("PremiumV2_LRS", "UltraSSD_LRS")


class DisksAzure:
    """See lifeboat.ports.disks.Disks. For volumes of disk.csi.azure.com, static or dynamic."""

    def __init__(self, cluster: Cluster, clients: ArmClients, place: AzurePlace) -> None:
        self._cluster = cluster
        self._place = place
        self._azure = AzureSnapshots(clients)
        self._chain = Chain(self._azure, place.subscription, place.group, place.places)
        self._restore = AzureRestore(
            cluster,
            self._azure,
            region=place.region,
            disks=(place.subscription, place.disk_group or place.node_group),
            zones=place.zones,
            places=place.places,
            tags=place.tags,
        )

    def why_not(self, volume: Volume, snapshot_class: str = "") -> str:  # noqa: ARG002 - the port's
        """Azure has no snapshot classes: one that is asked for concerns other drivers."""
        if volume.driver.lower() != tags.DRIVER:
            return f"driver {volume.driver or 'of no name'} is not {tags.DRIVER}"
        disk = arm_id(volume.handle, "disks")
        if disk is None:
            return f"its handle {volume.handle} is not the id of a managed disk"
        if disk.subscription.lower() != self._place.subscription.lower():
            return (
                f"its disk is in subscription {disk.subscription}, where Azure makes its snapshots;"
                f" the cluster's azure section names {self._place.subscription}"
            )
        return ""

    def why_not_together(self, volumes: Sequence[Volume]) -> str:
        """Compute's snapshots are of one disk each (its API reference, Snapshots)."""
        return f"Azure cuts its {len(volumes)} managed disks one by one"

    def start_snapshot(
        self,
        point: str,
        instance: str,
        volume: Volume,
        snapshot_class: str = "",  # noqa: ARG002 - the port's
        group: str = "",  # noqa: ARG002 - never asked for: see why_not_together
    ) -> SnapshotTicket:
        """Raises SnapshotFailed when the claim or its disk is not the one that was listed any more,
        or the disk has as many snapshots as Azure keeps; NotReady and Throttled for later."""
        name = tags.azure_name(point, volume)
        ticket = SnapshotTicket(point, instance, volume, name)
        live = self._azure.find(self._id(name))
        if live is None:
            claim_api.refuse_other_claim(self._cluster, volume)
            self._begin(ticket)
        elif not tags.is_of(live, point, volume):
            raise SnapshotFailed(
                f"a snapshot {name} exists in {self._place.group} that is not of this point and"
                " claim"
            )
        return ticket

    def poll_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        return _state(self._azure.find(self._id(ticket.name)))

    def look_at_snapshots(self, tickets: Sequence[SnapshotTicket]) -> tuple[SnapshotState, ...]:
        """One list of the snapshots' resource group; Azure has no list by tag that tells how far a
        snapshot is."""
        self._azure.forget()
        try:
            there = {str(live.name): live for live in self._chain.locals()}
        except NotFound:
            there = {}  # the group itself was deleted
        return tuple(_progress(there.get(ticket.name)) for ticket in tickets)

    def secure_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        """Nothing in the cluster can take it away: it only has to be there."""
        live = self._azure.find(self._id(ticket.name))
        state = _state(live)
        if not state.ready:
            trouble = "gone" if live is None else "not ready"
            raise SnapshotFailed(f"the snapshot of {ticket.volume.title} is {trouble}")
        return state

    def delete_snapshot(self, snapshot: StoredSnapshot) -> None:
        """Waits until Azure has deleted it; one that the next copy needs is spared (azure_chain).
        Raises NotReady, SnapshotFailed for a snapshot that is not ours."""
        named = arm_id(snapshot.handle, "snapshots") or self._id(snapshot.name)
        live = self._azure.find(named)
        if live is None:
            return
        if not tags.is_of(live, snapshot.point, snapshot.volume):
            raise SnapshotFailed(
                f"snapshot {named.name} of {named.group} does not carry the marks of"
                f" {snapshot.volume.title} in point {snapshot.point}: it is left alone"
            )
        self._chain.delete(live)

    def list_marked(self, instance: str) -> tuple[StoredSnapshot, ...]:
        """Those that are spared for a copy are left out as long as one needs them."""
        self._azure.forget()
        return tuple(
            tags.stored(live)
            for live in self._chain.locals()
            if (live.tags or {}).get(tags.INSTANCE) == instance
            and not (spared(live) and self._chain.needed(live))
        )

    def restore_ticket(
        self, snapshot: StoredSnapshot, *, namespace: str, claim: str, restore_id: str
    ) -> RestoreTicket:
        return self._restore.ticket(snapshot, namespace, claim, restore_id)

    def start_restore(
        self,
        snapshot: StoredSnapshot,
        *,
        namespace: str,
        claim: str,
        restore_id: str,
        claim_body: Json,
    ) -> RestoreTicket:
        return self._restore.start(snapshot, namespace, claim, restore_id, claim_body)

    def poll_restore(self, ticket: RestoreTicket) -> RestoreState:
        return self._restore.poll(ticket)

    def finish_restore(self, ticket: RestoreTicket) -> None:
        self._restore.finish(ticket)

    def _id(self, name: str) -> ArmId:
        return ArmId(self._place.subscription, self._place.group, "snapshots", name)

    def _begin(self, ticket: SnapshotTicket) -> None:
        volume = ticket.volume
        named = arm_id(volume.handle, "disks")
        disk = self._azure.disk(named) if named else None
        if named is None or disk is None:
            raise SnapshotFailed(f"the disk {volume.handle} of {volume.title} is gone")
        try:
            self._azure.put(self._id(ticket.name), self._body(ticket, disk))
        except NotReady as busy:
            there = [one for one in self._chain.locals() if _of(one, str(disk.unique_id))]
            if len(there) < MOST_SNAPSHOTS:
                raise
            raise SnapshotFailed(
                f"its disk {named.name} has {len(there)} snapshots in {self._place.group}, and"
                f" Azure keeps {MOST_SNAPSHOTS}: {busy.message}"
            ) from None

    def _body(self, ticket: SnapshotTicket, disk: Any) -> Json:
        creation: Json = {"createOption": "Copy", "sourceResourceId": ticket.volume.handle}
        if self._place.instant_minutes and tags.sku_of(disk) in FAST_SKUS:
            creation["instantAccessDurationMinutes"] = self._place.instant_minutes
        marks = tags.snapshot_tags(
            ticket.point, ticket.instance, ticket.volume, disk, self._place.tags
        )
        return {
            "location": disk.location,
            "tags": marks,
            "properties": {"creationData": creation, "incremental": True, **access_of(disk)},
        }


def _state(live: Any | None) -> SnapshotState:
    """All that can be told of a snapshot."""
    state = _progress(live)
    if live is None or not state.ready:
        return state
    return SnapshotState(
        ready=True,
        handle=str(live.id),
        driver=tags.DRIVER,
        size=int(live.disk_size_bytes or 0),
        created=tags.created(live),
        percent=100,
        maker="azure",
    )


def _progress(live: Any | None) -> SnapshotState:
    if live is None:
        return SnapshotState(ready=False, error="its snapshot was deleted")
    if complete(live):
        return SnapshotState(ready=True, percent=100)
    # What goes on behind its creation is the copy.
    return SnapshotState(
        False, created=tags.created(live), percent=percent(live), error=lasting_error(live)
    )


def _of(live: Any, disk: str) -> bool:
    return bool((live.tags or {}).get(tags.DISK) == disk)
