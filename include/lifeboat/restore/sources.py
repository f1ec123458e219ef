"""What each claim of a plan is made from, and which claims are made with their data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from lifeboat.point.contents import Contents
from lifeboat.point.manifest import Manifest
from lifeboat.ports.cluster import Json
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.restore.by_hand import ByHand, describe_class
from lifeboat.restore.choice import CLAIM, VOLUME
from lifeboat.restore.model import TO_APPLY, PlanItem, PlanVolume, Rebind, RestoreRequest
from lifeboat.restore.modes import LIVE_DATA
from lifeboat.restore.swap import stuck
from lifeboat.steps.context import Context

_CLASS = "StorageClass.storage.k8s.io"


class Volumes:
    """Settles the claims of a plan: `planned` get a volume, `rebinds` their own one again,
    `unbound` none; `warnings` names those made empty."""

    def __init__(
        self, context: Context, manifest: Manifest, contents: Contents, request: RestoreRequest
    ) -> None:
        self._context, self._request = context, request
        self._sources = choose_sources(context, manifest, request)
        self._by_hand = ByHand(context.cluster, contents)
        self._brought: set[tuple[str, str]] = set()
        self.planned: list[PlanVolume] = []
        self.rebinds: list[Rebind] = []
        self.unbound: list[str] = []
        self.warnings: list[str] = []

    def has_data(self, namespace: str, claim: str) -> bool:
        """Whether the point has what a claim, as it is called there, can be filled with."""
        return (namespace, claim) in self._sources

    def settle(
        self, item: PlanItem, name: str, captured: Any, body: Callable[[], Json]
    ) -> PlanItem:
        """The item; a claim, called `name` in the point, also gets its volume. A live one is made
        anew only with data to put into it, and when whoever uses it can be stopped. `captured` is
        the spec in the point, `body` gives the object as it is to be made."""
        if item.kind.group_kind == _CLASS and item.action in TO_APPLY:
            self._by_hand.add_class(body())
        if item.kind.group_kind == VOLUME and item.action == "create":
            bound = (captured or {}).get("claimRef")
            if bound:
                self._brought.add((bound["namespace"], bound["name"]))
        if item.kind.group_kind != CLAIM or item.action not in ("create", "recreate"):
            return item
        source = self._sources.get((item.source_namespace, name))
        if source and self._request.volumes:
            return self._filled(item, source, captured, body()["spec"])
        why = "volumes were not asked for" if source else "the point has no snapshot of it"
        if item.action == "recreate" and self._request.swap:
            return msgspec.structs.replace(item, action="skip", reason=LIVE_DATA)
        if item.action == "recreate":
            return _conflict(item, f"its data would be lost: {why}")
        if (item.source_namespace, name) in self._brought:
            return item
        return self._without_data(item, name, captured, body()["spec"], why)

    def _filled(
        self, item: PlanItem, source: StoredSnapshot, captured: Json, spec: Json
    ) -> PlanItem:
        why = item.action == "recreate" and stuck(self._context.cluster, item.namespace, item.name)
        if why:
            return _conflict(item, why)
        instead, why = self._by_hand.class_for(spec, captured, source)
        if why:
            self.unbound.append(f"{item.namespace}/{item.name}")
            return _conflict(item, f"{why}; name one by a transform, or bring it")
        self.planned.append(PlanVolume(source, item.namespace, item.name, item, instead))
        return item

    def _without_data(
        self, item: PlanItem, name: str, captured: Json, spec: Json, why: str
    ) -> PlanItem:
        """Its own volume, an empty one, one that somebody has made for it, or none at all."""
        title = f"{item.namespace}/{item.name}"
        own, lost = self._by_hand.own(item, name, captured)
        if own:
            self.rebinds.append(own)
            return msgspec.structs.replace(item, reason=f"bound to {own.volume} again")
        if self._by_hand.makes_volumes(spec, captured):
            self.warnings.append(f"claim {title} is made empty: {why}")
            return item
        free = self._by_hand.free(item, spec)
        if free:
            self.warnings.append(f"claim {title} gets volume {free} with whatever is in it: {why}")
            return item
        self.unbound.append(title)
        nobody = f"{describe_class(spec)} makes no volumes, and none that somebody made is free"
        told = "; ".join(part for part in (why, lost, nobody) if part)
        if self._request.scratch:
            return msgspec.structs.replace(item, action="leave", reason=told)
        return _conflict(item, f"{told}: make one for it, or name a class by a transform")


def _conflict(item: PlanItem, reason: str) -> PlanItem:
    return msgspec.structs.replace(item, action="conflict", reason=reason)


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
