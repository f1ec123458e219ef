"""What each claim of a plan is made from, and which claims are made with their data."""

from __future__ import annotations

import msgspec

from lifeboat.point.manifest import Manifest
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.restore.choice import CLAIM
from lifeboat.restore.model import PlanItem, PlanVolume, RestoreRequest
from lifeboat.restore.modes import LIVE_DATA
from lifeboat.restore.swap import stuck
from lifeboat.steps.context import Context


class Volumes:
    """Settles the claims of a plan: `planned` get a volume, `warnings` names those made empty.
    `by_hand` are claims whose volume a person made, and which is restored: they are bound to it
    again."""

    def __init__(self, context: Context, manifest: Manifest, request: RestoreRequest) -> None:
        self._context, self._request = context, request
        self._sources = choose_sources(context, manifest, request)
        self.planned: list[PlanVolume] = []
        self.by_hand: set[tuple[str, str]] = set()
        self.warnings: list[str] = []

    def has_data(self, namespace: str, claim: str) -> bool:
        """Whether the point has what a claim, as it is called there, can be filled with."""
        return (namespace, claim) in self._sources

    def settle(self, item: PlanItem, name: str) -> PlanItem:
        """The item; a claim, called `name` in the point, also gets its volume. A live one is made
        anew only with data to put into it, and when whoever uses it can be stopped."""
        if item.kind.group_kind != CLAIM or item.action not in ("create", "recreate"):
            return item
        source = self._sources.get((item.source_namespace, name))
        if source and self._request.volumes:
            why = item.action == "recreate" and stuck(
                self._context.cluster, item.namespace, item.name
            )
            if why:
                return msgspec.structs.replace(item, action="conflict", reason=why)
            self.planned.append(PlanVolume(source, item.namespace, item.name, item))
            return item
        why = "volumes were not asked for" if source else "the point has no snapshot of it"
        if item.action == "recreate" and self._request.swap:
            return msgspec.structs.replace(item, action="skip", reason=LIVE_DATA)
        if item.action == "recreate":
            reason = f"its data would be lost: {why}"
            return msgspec.structs.replace(item, action="conflict", reason=reason)
        if (item.source_namespace, name) in self.by_hand:
            return item
        self.warnings.append(f"claim {item.namespace}/{item.name} is made empty: {why}")
        return item


def choose_sources(
    context: Context, manifest: Manifest, request: RestoreRequest
) -> dict[tuple[str, str], StoredSnapshot]:
    """What each claim of the point is made from, by namespace and name: its snapshot, or its files
    in the vault where that was asked for or nothing in the target stands for the snapshot."""
    sources = {(s.volume.namespace, s.volume.claim): s for s in manifest.volumes}
    if not manifest.file_copies or not request.volumes:
        return sources
    marked = {(one.driver, one.handle) for one in context.disks.list_marked(manifest.instance)}
    for copy in manifest.file_copies:
        place = (copy.volume.namespace, copy.volume.claim)
        snapshot = sources.get(place)
        there = snapshot is not None and (snapshot.driver, snapshot.handle) in marked
        if request.from_vault or not there:
            sources[place] = StoredSnapshot(
                kind="files",
                volume=copy.volume,
                name="",
                handle=copy.id,
                driver=copy.volume.driver,
                size=copy.size,
                created=copy.cut,
                point=manifest.point,
                instance=manifest.instance,
                content_digest=copy.content_digest,
            )
    return sources
