"""Plans a restore: every object of the selection, in waves, with what is going to happen to it.

Reads the point and what exists in the target, and tries changes by dry run; changes nothing. The
target is the context's cluster, which need not be the one the point was captured from. Objects are
planned kind by kind and stored in parts (restore/parts.py), so that memory does not grow with them.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from operator import attrgetter
from typing import Any

import msgspec

from lifeboat.clock import rfc3339
from lifeboat.errors import TransformFailed, UsageError
from lifeboat.point import layout
from lifeboat.point.contents import CLUSTER_SCOPE, Contents
from lifeboat.point.manifest import Manifest, open_contents, read_manifest
from lifeboat.point.wanted import Wanted
from lifeboat.policy.selection import kind_named
from lifeboat.ports.cluster import Json, Kind
from lifeboat.restore.apply import aim, cleaned_body
from lifeboat.restore.choice import CLAIM, NAMESPACE, VOLUME, Chooser
from lifeboat.restore.defaults import defaults_of
from lifeboat.restore.kinds import Kinds
from lifeboat.restore.leave import Seen, why_left, why_volume_left
from lifeboat.restore.live import LiveStates
from lifeboat.restore.live_bodies import LiveBodies
from lifeboat.restore.model import (
    SET_ASIDE,
    TO_APPLY,
    Action,
    PlanItem,
    RestorePlan,
    RestoreRequest,
)
from lifeboat.restore.parts import PART_ITEMS, PartWriter
from lifeboat.restore.removals import Removals
from lifeboat.restore.renaming import mapped, named
from lifeboat.restore.sequence import turns
from lifeboat.restore.services import announced, answering_of
from lifeboat.restore.sources import Volumes
from lifeboat.restore.transform import Target
from lifeboat.restore.tries import Tries
from lifeboat.restore.warnings.look import look
from lifeboat.restore.warnings.served import nearest
from lifeboat.restore.warnings.tally import Tally, weighs
from lifeboat.restore.watched import is_older
from lifeboat.steps.context import Context
from lifeboat.vault.packs import PackReader
from lifeboat.vault.rows import Entry

_DEFINITION = "CustomResourceDefinition.apiextensions.k8s.io"

_seen = msgspec.json.Decoder(Seen)


def plan_restore(context: Context, request: RestoreRequest, restore: str) -> RestorePlan:
    """The plan of this restore; a second attempt returns the stored one. That of a dry run is
    stored like any other: it is what a person looks at before the same plan is applied.

    Raises UsageError for namespaces the point does not hold or mappings that collide.
    """
    key = layout.restore_plan(request.instance, restore)
    known = context.vault.find_document(key, RestorePlan)
    if known is not None:
        return known
    manifest = read_manifest(context.vault, request.instance, request.point)
    contents = open_contents(context.vault, manifest)
    plan = _Planner(context, request, manifest, contents, restore).plan()
    return context.vault.settle_document(key, plan, RestorePlan)


def stored_plan(context: Context, instance: str, restore: str) -> RestorePlan:
    """The plan that `plan_restore` stored. Raises BlobMissing."""
    return context.vault.get_document(layout.restore_plan(instance, restore), RestorePlan)


def _check(request: RestoreRequest, have: tuple[str, ...]) -> None:
    unknown = sorted({*request.namespaces, *request.mapping} - set(have))
    if unknown:
        raise UsageError(
            f"point {request.point} holds no namespace {', '.join(unknown)}",
            hint=f"it holds {', '.join(have) or 'none'}",
        )


@dataclass
class _Survey:
    """What one look through the point's rows finds: its kinds, its namespaces, and which selected
    objects the target is going to hold, since they may own others; for a prune also which objects
    there are at all. Of each only a hash is kept, for memory's sake: two of 64 bits that are equal
    by chance are less likely than a broken disk."""

    namespaces: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)
    owners: set[int] = field(default_factory=set)
    everything: set[int] = field(default_factory=set)

    def holds(self, namespace: str, kind: str, name: str) -> bool:
        return hash((namespace, kind, name)) in self.owners

    def has(self, namespace: str, kind: str, name: str) -> bool:
        return hash((namespace, kind, name)) in self.everything


@dataclass
class _Planner:
    context: Context
    request: RestoreRequest
    manifest: Manifest
    contents: Contents
    restore: str
    warnings: list[str] = field(default_factory=list)
    survey: _Survey = field(default_factory=_Survey)
    tally: Tally = field(default_factory=Tally)
    kinds: Kinds = field(init=False)
    chooser: Chooser = field(init=False)
    reader: PackReader = field(init=False)
    live: LiveStates = field(init=False)
    bodies: LiveBodies = field(init=False)
    volumes: Volumes = field(init=False)

    def plan(self) -> RestorePlan:
        discovery = self.context.cluster.discover()
        self.kinds = Kinds(discovery)
        self.chooser = Chooser(self.request.choice, self.request.kinds)
        self.reader = self.contents.reader()
        for entry in self._entries(_DEFINITION):
            self.kinds.learn(self.reader.read(entry.record, entry.place))
        self._look_through()
        _check(self.request, tuple(sorted(self.survey.namespaces)))
        self._map()
        targets, served = self._targets(), self.kinds.served
        self.live = LiveStates(self.context.cluster, served[NAMESPACE], targets.values())
        self.bodies = LiveBodies(self.context.cluster)
        self._look_outside()
        self.volumes = Volumes(self.context, self.manifest, self.contents, self.request)
        writer = PartWriter(self.context.vault, self.request.instance, self.restore)
        for item, step in self._items():
            writer.add(item, step)
        if self.request.prune:
            for item in self._removals(targets):
                writer.add(item)
        plan = RestorePlan(
            restore=self.restore,
            created=rfc3339(self.context.clock()),
            request=self.request,
            parts=writer.close(),
            volumes=tuple(self.volumes.planned),
            rebinds=tuple(self.volumes.rebinds),
            unbound=tuple(self.volumes.unbound),
            warnings=self._all_warnings(),
            hooks=self.hooks,
            older=is_older(discovery.server_version, self.manifest.server_version),
        )
        return msgspec.structs.replace(plan, digest=digest(plan))

    def _map(self) -> None:
        wanted = sorted(filter(self._is_wanted, self.survey.namespaces))
        asked, policy = self.request, self.context.instance.policy.restore
        self.request = msgspec.structs.replace(
            asked,
            mapping=mapped(wanted, asked.mapping, asked.prefix, asked.suffix),
            status_of=tuple(dict.fromkeys((*asked.status_of, *policy.status_kinds))),
            operators=tuple(dict.fromkeys((*asked.operators, *policy.operators))),
            in_flight=asked.in_flight or policy.requests_in_flight,
        )

    def _look_outside(self) -> None:
        """What the target has outside namespaces that decides how objects of these kinds come."""
        if not self.request.cluster_scoped:
            return
        served = self.kinds.served
        held = [served[name] for name in self.survey.kinds & served.keys()]
        self.request = msgspec.structs.replace(
            self.request,
            defaults=defaults_of(self.context.cluster, held),
            answering=answering_of(self.context.cluster, held, self.request.mapping),
        )

    def _targets(self) -> dict[str, str]:
        """Source namespaces and where they go."""
        wanted = sorted(filter(self._is_wanted, self.survey.namespaces))
        return {name: self.request.mapping.get(name, name) for name in wanted}

    def _all_warnings(self) -> tuple[str, ...]:
        """A test restore's own namespaces are nobody's business but its own."""
        if self.volumes.rebinds:
            self.tally.needs[self.kinds.served[VOLUME], "", "patch"] += len(self.volumes.rebinds)
        found = (*self.warnings, *self.volumes.warnings, *self.live.warnings)
        if self.request.scratch:
            return found
        return (*found, *look(self.context.cluster, self.tally))

    def _look_through(self) -> None:
        for _, entry in self.contents.rows():
            self.survey.kinds.add(entry.group_kind)
            known = hash((entry.namespace, entry.kind, entry.name))
            if self.request.prune:
                self.survey.everything.add(known)
            if self._is_selected(entry) and not self.kinds.why_missing(entry):
                self.survey.owners.add(known)
            if entry.namespace != CLUSTER_SCOPE:
                self.survey.namespaces.add(entry.namespace)

    def _items(self) -> Iterator[tuple[PlanItem, int]]:
        """Wave by wave, kind by kind, each with its step in the wave; neighbours in the vault
        follow each other."""
        held = self.kinds.held(self.survey.kinds)
        for name, turn in turns(held, self.context.instance.policy.restore.order).items():
            entries = self._entries(name)
            while chunk := list(islice(entries, PART_ITEMS)):
                chunk.sort(key=attrgetter("place"))
                for item in self._settled(chunk, held[name], turn.wave):
                    yield item, turn.step

    @property
    def hooks(self) -> dict[str, Any]:
        """The policy's, as the plan keeps them."""
        return self.context.instance.policy.restore_hooks.model_dump(mode="json", by_alias=True)

    def _settled(self, chunk: list[Entry], kind: Kind, wave: int) -> Iterator[PlanItem]:
        """The items of some entries, tried against the cluster and counted."""
        looked_at: deque[tuple[Any, Json | None]] = deque()

        def planned() -> Iterator[tuple[PlanItem, bool]]:
            for entry in chunk:
                planned, captured = self._plan_item(entry, kind, wave)
                item, body = self._shaped(planned, aimed)
                looked_at.append((captured, body))
                yield item, bool(item.live_version)

        aimed = aim(self.restore, self.request, self.hooks)
        tries = Tries(
            self.context.cluster,
            self.request,
            lambda item: self._body(item, aimed),
            self.bodies,
        )
        if tries.compares(kind):
            spaces = self.request.mapping if kind.namespaced else {CLUSTER_SCOPE: ""}
            names = ((spaces.get(one.namespace, one.namespace), one.name) for one in chunk)
            self.bodies.gather(kind, names, self.live)
        for entry, tried in zip(chunk, tries.settle(planned()), strict=True):
            captured, shaped = looked_at.popleft()
            body = partial(self._body, tried, aimed)
            item = self.volumes.settle(tried, entry.name, captured, body)
            if item.kind.version != entry.version and item.action in TO_APPLY:
                self.tally.add_version(item.kind, entry.version)
            self.tally.add(item, shaped)
            self.warnings += announced(item, self.reader, self.request)
            yield item

    def _body(self, item: PlanItem, aimed: Target) -> Json:
        return cleaned_body(self.reader, item, aimed).body

    def _shaped(self, item: PlanItem, aimed: Target) -> tuple[PlanItem, Json | None]:
        """The item, or a conflict where a transform cannot be done: nothing half-changed is ever
        put into a cluster. With the object as it is going to be, where the tally looks at it."""
        if item.action in SET_ASIDE or not (aimed.transforms or weighs(item.kind)):
            return item, None
        try:
            return item, cleaned_body(self.reader, item, aimed).body
        except TransformFailed as error:
            return msgspec.structs.replace(item, action="conflict", reason=error.message), None

    def _removals(self, targets: dict[str, str]) -> Iterator[PlanItem]:
        there = {s: n for s, n in targets.items() if n in self.live.namespaces}
        removals = Removals(self.context, self.request, self.manifest, self.survey.has)
        for item in removals.items(self.kinds.served.values(), there):
            self.tally.add(item, None)
            yield item
        self.warnings += removals.warnings

    def _entries(self, group_kind: str) -> Iterator[Entry]:
        """The wanted entries of one kind, in ascending order of key."""
        for entry in self.contents.select(Wanted(kinds=(group_kind,))):
            if entry.group_kind == group_kind and self._is_selected(entry):
                yield entry

    def _is_selected(self, entry: Entry) -> bool:
        if entry.namespace != CLUSTER_SCOPE:
            wanted = self._is_wanted(entry.namespace)
        elif entry.group_kind == NAMESPACE:
            return self._is_wanted(entry.name)
        else:
            wanted = self.request.cluster_scoped and self._comes_along(entry)
        return wanted and self._is_chosen(entry)

    def _comes_along(self, entry: Entry) -> bool:
        asked, kind = self.request.outside, self.kinds.of(entry)
        return not asked or any(kind_named(text, kind) for text in asked)

    def _is_chosen(self, entry: Entry) -> bool:
        known = self.kinds.of(entry)
        if not self.chooser.takes(known, entry.name):
            return False
        if not self.chooser.needs_labels:
            return True
        seen = _seen.decode(self.reader.read(entry.record, entry.place))
        return self.chooser.takes_labels(known, seen.metadata.labels)

    def _keeps_its_name(self, namespace: str, claim: str) -> bool:
        mapped_to = self.request.mapping.get(namespace, namespace)
        selected = self.survey.holds(namespace, "PersistentVolumeClaim", claim)
        return selected and mapped_to == namespace and not self.request.volumes_as

    def _is_wanted(self, namespace: str) -> bool:
        return not self.request.namespaces or namespace in self.request.namespaces

    def _plan_item(self, entry: Entry, kind: Kind, wave: int) -> tuple[PlanItem, Any]:
        """The item before it is tried, and the spec of its object in the point."""
        source = entry.namespace
        namespace = self.request.mapping.get(source, source)
        name = entry.name
        if entry.group_kind == NAMESPACE:
            name = self.request.mapping.get(name, name)
        if entry.group_kind == CLAIM:
            name = named(self.request.volumes_as, name)
        seen = _seen.decode(self.reader.read(entry.record, entry.place))
        reason = why_left(
            kind,
            seen,
            lambda owner: self.survey.holds(source, owner.kind, owner.name),
            scratch=self.request.scratch,
        )
        if entry.group_kind == VOLUME and not reason:
            reason = why_volume_left(seen, self._keeps_its_name, self.volumes.has_data)
        if reason and self.request.mark:
            # A job that has ended since is not there any more, for a prune: it would run again.
            self.survey.everything.discard(hash((source, entry.kind, entry.name)))
        missing = "" if reason else self.kinds.why_missing(entry)
        action: Action = "leave" if reason else "unserved" if missing else "create"
        comes = action == "create"
        item = PlanItem(
            wave=wave,
            kind=_at_version(kind, entry.version),
            source_namespace=source,
            namespace=namespace,
            name=name,
            record=entry.record,
            place=entry.place,
            action=action,
            reason=reason or missing,
            live_version=self.live.state(kind, namespace, name) if comes else "",
            owned=bool(seen.metadata.owner_references) and comes,
        )
        return item, seen.spec


def digest(plan: RestorePlan) -> str:
    """What a person approves: the same digest is the same plan."""
    blank = msgspec.structs.replace(plan, digest="", created="")
    return "sha256:" + hashlib.sha256(msgspec.json.encode(blank, order="sorted")).hexdigest()


def _at_version(kind: Kind, captured: str) -> Kind:
    """The captured version when the target serves it, or is going to; else the nearest one."""
    if not kind.version:
        return replace(kind, version=captured)
    return replace(kind, version=nearest(captured, kind.versions or (kind.version,)))
