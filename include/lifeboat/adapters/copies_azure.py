"""The Copies port over Azure: CopyStart into another region, Copy into another subscription.

The local snapshot stays, unlike with the CSI driver's own cross-region mode, which deletes it and
so breaks the chain (azuredisk-csi-driver, "location" of a VolumeSnapshotClass).
"""

from __future__ import annotations

from typing import Any

from lifeboat.adapters import snapshot_tags as tags
from lifeboat.adapters.azure_arm import ArmClients, ArmId, arm_id
from lifeboat.adapters.azure_chain import Chain, id_of
from lifeboat.adapters.azure_place import AzurePlace
from lifeboat.adapters.azure_snapshots import (
    AzureSnapshots,
    access_of,
    complete,
    lasting_error,
    percent,
    spared,
)
from lifeboat.errors import NotReady, SnapshotFailed
from lifeboat.ports.cluster import Json
from lifeboat.ports.copies import CopyRegion, CopyState, CopyTicket, StoredCopy
from lifeboat.ports.disks import StoredSnapshot


class CopiesAzure:
    """See lifeboat.ports.copies.Copies."""

    def __init__(self, clients: ArmClients, place: AzurePlace) -> None:
        self._azure = AzureSnapshots(clients)
        self._place = place
        self._chain = Chain(self._azure, place.subscription, place.group, place.places)

    @property
    def places(self) -> tuple[CopyRegion, ...]:
        return self._place.places

    def start_copy(self, snapshot: StoredSnapshot, place: CopyRegion) -> CopyTicket:
        name = tags.copy_name(snapshot.name, place.region)
        ticket = CopyTicket(snapshot, place, name)
        copy = self._azure.find(_id(ticket))
        if copy is not None and lasting_error(copy):
            self._azure.delete(id_of(copy))  # it holds nothing: once more from the beginning
        elif copy is not None:
            return ticket
        source = self._source(snapshot)
        self._await_turn(ticket, source)
        self._azure.put(_id(ticket), self._body(ticket, source))
        return ticket

    def poll_copy(self, ticket: CopyTicket) -> CopyState:
        live = self._azure.find(_id(ticket))
        if live is None:
            return CopyState(ready=False, error="the copy was deleted")
        if complete(live):
            return CopyState(ready=True, handle=str(live.id), percent=100)
        return CopyState(False, str(live.id), percent(live), lasting_error(live))

    def list_copies(self, instance: str, place: CopyRegion) -> tuple[StoredCopy, ...]:
        self._azure.forget()
        return tuple(
            StoredCopy(tags.stored(live), place, complete(live))
            for live in self._chain.copies(place)
            if (live.tags or {}).get(tags.INSTANCE) == instance
            and not (spared(live) and self._chain.needed(live))
        )

    def delete_copy(self, copy: StoredCopy) -> None:
        named = arm_id(copy.snapshot.handle, "snapshots")
        live = self._azure.find(named) if named else None
        if live is None:
            return
        if not (live.tags or {}).get(tags.COPY_OF):
            raise SnapshotFailed(f"snapshot {live.name} is no copy of ours: it is left alone")
        self._chain.delete(live)

    def _source(self, snapshot: StoredSnapshot) -> Any:
        named = arm_id(snapshot.handle, "snapshots")
        source = self._azure.find(named) if named else None
        if source is None:
            raise SnapshotFailed(f"snapshot {snapshot.name} of {snapshot.volume.title} is gone")
        if lasting_error(source):
            raise SnapshotFailed(f"snapshot {snapshot.name}: {lasting_error(source)}")
        if not complete(source):
            raise NotReady(
                f"snapshot {snapshot.name} is copied when Azure has completed it"
                f" ({percent(source) or 0} % so far)"
            )
        return source

    def _await_turn(self, ticket: CopyTicket, source: Any) -> None:
        """Azure copies one snapshot of a disk at a time, in the order of their cuts."""
        disk = str((source.tags or {}).get(tags.DISK, ""))
        moment = tags.created(source)
        for other in self._chain.of_disk(ticket.place, disk):
            if not complete(other) and not lasting_error(other):
                raise NotReady(
                    f"{ticket.snapshot.name} waits for its turn: {other.name} of the same disk is"
                    f" being copied into {ticket.place.region} ({percent(other) or 0} %)"
                )
            if tags.created(other) > moment and complete(other):
                raise SnapshotFailed(
                    f"{ticket.snapshot.name} cannot be copied into {ticket.place.region} any more:"
                    f" the later {other.name} is there, and Azure copies in the order of the cuts"
                )

    def _body(self, ticket: CopyTicket, source: Any) -> Json:
        place = ticket.place
        away = place.region != source.location
        body: Json = {
            "location": place.region,
            "tags": {
                **{key: value for key, value in (source.tags or {}).items() if key != tags.SPARED},
                tags.COPY_OF: ticket.snapshot.name,
                tags.CUT: tags.created(source),
            },
            "properties": {
                "creationData": {
                    "createOption": "CopyStart" if away else "Copy",
                    "sourceResourceId": str(source.id),
                },
                "incremental": True,
                **access_of(source),
            },
        }
        if place.sku:
            body["sku"] = {"name": place.sku}
        return body


def _id(ticket: CopyTicket) -> ArmId:
    place = ticket.place
    return ArmId(place.subscription, place.group, "snapshots", ticket.name)
