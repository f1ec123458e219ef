"""What tests of the disks port share: a world to snapshot, and whole journeys through it."""

from __future__ import annotations

from typing import Protocol

from lifeboat.ports.cluster import Cluster
from lifeboat.ports.disks import Disks, SnapshotState, SnapshotTicket, StoredSnapshot, Volume
from lifeboat.ports.volumes import VolumeReader
from tests.support.manifests import claim
from tests.support.poll import until

POINT = "20261122T233153Z-1a2b3c4d"
OTHER_POINT = "20261123T233153Z-5e6f7a8b"


class World(Protocol):
    """Disks and what tests need around them."""

    @property
    def cluster(self) -> Cluster: ...
    @property
    def disks(self) -> Disks: ...
    @property
    def reader(self) -> VolumeReader: ...

    def make_volume(self, namespace: str, name: str, content: dict[str, bytes]) -> Volume:
        """A bound claim of 1 GiB with these files."""
        ...

    def lose_snapshot(self, ticket: SnapshotTicket) -> None:
        """Somebody else makes a snapshot go that was not secured yet."""
        ...

    def write(self, volume: Volume, path: str, data: bytes) -> None: ...


def ready(disks: Disks, ticket: SnapshotTicket) -> SnapshotState:
    def look() -> SnapshotState | None:
        state = disks.poll_snapshot(ticket)
        assert not state.error
        return state if state.ready else None

    return until(f"{ticket.name} is ready", look) or SnapshotState(False)


def stored(ticket: SnapshotTicket, state: SnapshotState) -> StoredSnapshot:
    return StoredSnapshot(
        kind="csi",
        volume=ticket.volume,
        name=ticket.name,
        handle=state.handle,
        driver=state.driver,
        size=state.size or ticket.volume.size,
        created=state.created,
        point=ticket.point,
        instance=ticket.instance,
        maker=state.maker,
    )


def take(disks: Disks, volume: Volume, instance: str, point: str = POINT) -> StoredSnapshot:
    """A ready, secured snapshot."""
    ticket = disks.start_snapshot(point, instance, volume)
    state = ready(disks, ticket)
    disks.secure_snapshot(ticket)
    return stored(ticket, state)


def restored(
    world: World, snapshot: StoredSnapshot, namespace: str, name: str, restore: str
) -> str:
    """Restore to the end; returns the new volume's handle."""
    ticket = world.disks.start_restore(
        snapshot, namespace=namespace, claim=name, restore_id=restore, claim_body=claim(name)
    )

    def look() -> str:
        state = world.disks.poll_restore(ticket)
        assert not state.error
        assert not state.waits_for_pod
        return state.handle if state.bound else ""

    handle = until(f"{namespace}/{name} is bound", look)
    world.disks.finish_restore(ticket)
    return handle
