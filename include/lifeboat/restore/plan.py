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
from lifeboat.restore.leave import Seen, why_left, why_volume_left
from lifeboat.restore.live import LiveStates
from lifeboat.restore.live_bodies import LiveBodies
from lifeboat.restore.model import TO_APPLY, PlanItem, RestorePlan, RestoreRequest
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
from lifeboat.restore.warnings.tally import Tally
from lifeboat.steps.context import Context
from lifeboat.vault.packs import PackReader
from lifeboat.vault.rows import Entry

_DEFINITION = "CustomResourceDefinition.apiextensions.k8s.io"

_seen = msgspec.json.Decoder(Seen)


class _Definition(msgspec.Struct, frozen=True):
    """The part of a CustomResourceDefinition that tells a kind that is not there yet."""

    class Spec(msgspec.Struct, frozen=True):
        class Names(msgspec.Struct, frozen=True):
            kind: str
            plural: str

        group: str
        names: Names
        scope: str

    spec: Spec


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
    objects there are that may own others; for a prune also which objects there are at all. Of each
    only a hash is kept, for memory's sake: two of 64 bits that are equal by chance are less likely
    than a broken disk."""

    namespaces: set[str] = field(default_factory=set)
    kinds: set[tuple[str, str]] = field(default_factory=set)
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
    kinds: dict[str, Kind] = field(default_factory=dict)
    survey: _Survey = field(default_factory=_Survey)
    tally: Tally = field(default_factory=Tally)
    chooser: Chooser = field(init=False)
    reader: PackReader = field(init=False)
    live: LiveStates = field(init=False)
    bodies: LiveBodies = field(init=False)
    volumes: Volumes = field(init=False)

    def plan(self) -> RestorePlan:
        self.kinds = {kind.group_kind: kind for kind in self.context.cluster.discover().kinds}
        self.chooser = Chooser(self.request.choice, self.request.kinds)
        self.reader = self.contents.reader()
        self._look_through()
        _check(self.request, tuple(sorted(self.survey.namespaces)))
        self._map()
        self._learn_coming_kinds()
        targets = self._targets()
        self.live = LiveStates(self.context.cluster, self.kinds[NAMESPACE], targets.values())
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
        )

    def _look_outside(self) -> None:
        """What the target has outside namespaces that decides how objects of these kinds come."""
        if not self.request.cluster_scoped:
            return
        held = [self.kinds[name] for name, _ in self.survey.kinds if name in self.kinds]
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
            self.tally.needs[self.kinds[VOLUME], "", "patch"] += len(self.volumes.rebinds)
        found = (*self.warnings, *self.volumes.warnings, *self.live.warnings)
        if self.request.scratch:
            return found
        return (*found, *look(self.context.cluster, self.tally))

    def _look_through(self) -> None:
        for _, entry in self.contents.rows():
            self.survey.kinds.add((entry.group_kind, entry.kind))
            known = hash((entry.namespace, entry.kind, entry.name))
            if self.request.prune:
                self.survey.everything.add(known)
            if self._is_selected(entry):
                self.survey.owners.add(known)
            if entry.namespace != CLUSTER_SCOPE:
                self.survey.namespaces.add(entry.namespace)

    def _learn_coming_kinds(self) -> None:
        """Kinds whose definition is in this very plan are not discovered yet."""
        for entry in self._entries(_DEFINITION):
            content = self.reader.read(entry.record, entry.place)
            spec = msgspec.json.decode(content, type=_Definition).spec
            name = f"{spec.names.kind}.{spec.group}"
            namespaced = spec.scope == "Namespaced"
            coming = Kind(spec.group, "", spec.names.plural, spec.names.kind, namespaced)
            self.kinds.setdefault(name, coming)

    def _items(self) -> Iterator[tuple[PlanItem, int]]:
        """Wave by wave, kind by kind, each with its step in the wave; neighbours in the vault
        follow each other."""
        held = {name for name, _ in self.survey.kinds}
        for name in sorted(held - self.kinds.keys()):
            self._warn_unserved(name, self._entries(name))
        served = {name: self.kinds[name] for name in held & self.kinds.keys()}
        for name, turn in turns(served, self.context.instance.policy.restore.order).items():
            entries = self._entries(name)
            while chunk := list(islice(entries, PART_ITEMS)):
                chunk.sort(key=attrgetter("place"))
                for item in self._settled(chunk, served[name], turn.wave):
                    yield item, turn.step

    @property
    def hooks(self) -> dict[str, Any]:
        """The policy's, as the plan keeps them."""
        return self.context.instance.policy.restore_hooks.model_dump(mode="json", by_alias=True)

    def _settled(self, chunk: list[Entry], kind: Kind, wave: int) -> Iterator[PlanItem]:
        """The items of some entries, tried against the cluster and counted."""
        specs: deque[Any] = deque()

        def planned() -> Iterator[tuple[PlanItem, bool]]:
            for entry in chunk:
                item, spec = self._plan_item(entry, kind, wave)
                specs.append(spec)
                yield self._transformed(item, aimed), bool(item.live_version)

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
            spec = specs.popleft()
            body = partial(self._body, tried, aimed)
            item = self.volumes.settle(tried, entry.name, spec, body)
            if item.kind.version != entry.version and item.action in TO_APPLY:
                self.tally.add_version(item.kind, entry.version)
            self.tally.add(item, spec)
            self.warnings += announced(item, self.reader, self.request)
            yield item

    def _body(self, item: PlanItem, aimed: Target) -> Json:
        return cleaned_body(self.reader, item, aimed).body

    def _transformed(self, item: PlanItem, aimed: Target) -> PlanItem:
        """The item, or a conflict where a transform cannot be done: nothing half-changed is ever
        put into a cluster."""
        if not aimed.transforms or item.action == "leave":
            return item
        try:
            cleaned_body(self.reader, item, aimed)
        except TransformFailed as error:
            return msgspec.structs.replace(item, action="conflict", reason=error.message)
        return item

    def _removals(self, targets: dict[str, str]) -> Iterator[PlanItem]:
        there = {s: n for s, n in targets.items() if n in self.live.namespaces}
        removals = Removals(self.context, self.request, self.manifest, self.survey.has)
        for item in removals.items(self.kinds.values(), there):
            self.tally.add(item, None)
            yield item
        self.warnings += removals.warnings

    def _warn_unserved(self, name: str, entries: Iterator[Entry]) -> None:
        self.warnings += [
            f"{name} {entry.namespace}/{entry.name}: the target serves no such kind"
            for entry in entries
        ]

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
        asked, kind = self.request.outside, self._kind_of(entry)
        return not asked or any(kind_named(text, kind) for text in asked)

    def _kind_of(self, entry: Entry) -> Kind:
        """As the target serves it, or else as it is probably called."""
        kind = self.kinds.get(entry.group_kind)
        return kind or Kind(entry.group, entry.version, entry.kind.lower() + "s", entry.kind, True)

    def _is_chosen(self, entry: Entry) -> bool:
        known = self._kind_of(entry)
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
        """The item before it is tried, and the object's spec."""
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
        item = PlanItem(
            wave=wave,
            kind=_at_version(kind, entry.version),
            source_namespace=source,
            namespace=namespace,
            name=name,
            record=entry.record,
            place=entry.place,
            action="leave" if reason else "create",
            reason=reason,
            live_version="" if reason else self.live.state(kind, namespace, name),
            owned=bool(seen.metadata.owner_references) and not reason,
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
