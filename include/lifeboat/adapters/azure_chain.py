"""Which snapshots and copies must stay although no point needs them: what a copy is a delta to.

Azure moves only what changed since the newest snapshot of the disk that lies in both places, and
everything when there is none. So of each disk and place the newest common pair stays, and the
source of a copy that runs. They are marked as spared when somebody deletes them, and go once a
newer pair is there or points need none of the disk's snapshots any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lifeboat.adapters import snapshot_tags as tags
from lifeboat.adapters.azure_arm import ArmId
from lifeboat.adapters.azure_snapshots import AzureSnapshots, complete, lasting_error
from lifeboat.adapters.azure_snapshots import spared as is_spared
from lifeboat.errors import NotFound
from lifeboat.ports.copies import CopyRegion


class Chain:
    """The snapshots of one group and their copies in `places`."""

    def __init__(
        self,
        snapshots: AzureSnapshots,
        subscription: str,
        group: str,
        places: Sequence[CopyRegion],
    ) -> None:
        self._snapshots = snapshots
        self._home = (subscription, group)
        self._places = places

    def locals(self) -> list[Any]:
        """Our snapshots at home, copies that share the group left out."""
        return [one for one in self._snapshots.ours(*self._home) if not _tag(one, tags.COPY_OF)]

    def copies(self, place: CopyRegion) -> list[Any]:
        """Our copies in a place, oldest cut first. No group, no copies."""
        try:
            found = self._snapshots.ours(place.subscription, place.group)
        except NotFound:
            return []
        there = [one for one in found if _tag(one, tags.COPY_OF) and one.location == place.region]
        return sorted(there, key=lambda one: (tags.created(one), one.name))

    def of_disk(self, place: CopyRegion, disk: str) -> list[Any]:
        """A disk's copies in a place, by its uniqueId, oldest cut first."""
        return [one for one in self.copies(place) if _tag(one, tags.DISK) == disk]

    def needed(self, live: Any) -> bool:
        """Whether a snapshot or copy must stay for the next copy, or for one that runs."""
        disk, name = _tag(live, tags.DISK), _tag(live, tags.COPY_OF) or str(live.name)
        return any(name in self._held(place, disk) for place in self._places)

    def release(self, disk: str) -> None:
        """Delete the spared ones of a disk that are not needed any more."""
        if not self._places:
            return
        for live in [*self._of(disk, self.locals()), *self._everywhere(disk)]:
            if is_spared(live) and not self.needed(live):
                self._snapshots.delete(id_of(live))

    def delete(self, live: Any) -> None:
        """Delete a snapshot or copy, or mark it as spared; then let go what it made superfluous."""
        if self.needed(live):
            if not is_spared(live):
                self._snapshots.tag(id_of(live), {**(live.tags or {}), tags.SPARED: "true"})
        else:
            self._snapshots.delete(id_of(live))
        self.release(_tag(live, tags.DISK))

    def _held(self, place: CopyRegion, disk: str) -> set[str]:
        """Names of originals: of the newest common pair, and of copies that run."""
        here = {str(one.name) for one in self._of(disk, self.locals())}
        there = self.of_disk(place, disk)
        running = {
            _tag(one, tags.COPY_OF) for one in there if not complete(one) and not lasting_error(one)
        }
        common = [
            _tag(one, tags.COPY_OF)
            for one in there
            if complete(one) and _tag(one, tags.COPY_OF) in here
        ]
        # A pair that both sides have given up holds nothing: the disk is not backed up any more.
        return running | set(common[-1:] if self._alive(disk, there) else ())

    def _alive(self, disk: str, there: Iterable[Any]) -> bool:
        both = [*self._of(disk, self.locals()), *there]
        return any(not is_spared(one) for one in both)

    def _everywhere(self, disk: str) -> list[Any]:
        return [one for place in self._places for one in self.of_disk(place, disk)]

    def _of(self, disk: str, snapshots: Iterable[Any]) -> list[Any]:
        return [one for one in snapshots if _tag(one, tags.DISK) == disk]


def id_of(live: Any) -> ArmId:
    """The id of what the SDK returned."""
    from azure.mgmt.core.tools import parse_resource_id

    found = parse_resource_id(str(live.id))
    return ArmId(
        str(found["subscription"]), str(found["resource_group"]), "snapshots", str(live.name)
    )


def _tag(live: Any, name: str) -> str:
    return str((live.tags or {}).get(name, ""))
