"""Plans a restore: every object of the selection, in waves, with what is going to happen to it.

Reads the point and the names that exist in the target; changes nothing. The target is the context's
cluster, which need not be the one the point was captured from. Objects are planned kind by kind and
stored in parts (restore/parts.py), so that memory does not grow with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import attrgetter

import msgspec

from lifeboat.clock import rfc3339
from lifeboat.errors import UsageError
from lifeboat.point import layout
from lifeboat.point.contents import CLUSTER_SCOPE, Contents
from lifeboat.point.manifest import Manifest, open_contents, read_manifest
from lifeboat.point.wanted import Wanted
from lifeboat.policy.selection import kind_named
from lifeboat.ports.cluster import Kind
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.restore.leave import Seen, why_left
from lifeboat.restore.live import LiveStates
from lifeboat.restore.model import Action, PlanItem, PlanVolume, RestorePlan, RestoreRequest
from lifeboat.restore.order import wave_of
from lifeboat.restore.parts import PART_ITEMS, PartWriter
from lifeboat.steps.context import Context
from lifeboat.vault.packs import PackReader
from lifeboat.vault.rows import Entry

_NAMESPACE, _CLAIM = "Namespace", "PersistentVolumeClaim"
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
    hooks = context.instance.policy.restore_hooks.model_dump(mode="json", by_alias=True)
    request = msgspec.structs.replace(request, hooks=hooks)
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
    targets = [request.mapping.get(name, name) for name in request.namespaces or have]
    twice = sorted({name for name in targets if targets.count(name) > 1})
    if twice:
        raise UsageError(f"two namespaces would be restored into {', '.join(twice)}")


@dataclass
class _Survey:
    """What one look through the point's rows finds: its kinds, its namespaces, and which selected
    objects there are that may own others. Of each only a hash is kept, for memory's sake: two of 64
    bits that are equal by chance are less likely than a broken disk."""

    namespaces: set[str] = field(default_factory=set)
    kinds: set[tuple[str, str]] = field(default_factory=set)
    owners: set[int] = field(default_factory=set)

    def holds(self, namespace: str, kind: str, name: str) -> bool:
        return hash((namespace, kind, name)) in self.owners


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
    reader: PackReader = field(init=False)
    live: LiveStates = field(init=False)

    def plan(self) -> RestorePlan:
        self.kinds = {kind.group_kind: kind for kind in self.context.cluster.discover().kinds}
        self._look_through()
        _check(self.request, tuple(sorted(self.survey.namespaces)))
        self.reader = self.contents.reader()
        self._learn_coming_kinds()
        wanted = filter(self._is_wanted, self.survey.namespaces)
        targets = [self.request.mapping.get(name, name) for name in wanted]
        self.live = LiveStates(self.context.cluster, self.kinds[_NAMESPACE], targets)
        writer = PartWriter(self.context.vault, self.request.instance, self.restore)
        claims = []
        for item in self._items():
            writer.add(item)
            if item.kind.group_kind == _CLAIM and item.action == "create":
                claims.append(item)
        plan = RestorePlan(
            restore=self.restore,
            created=rfc3339(self.context.clock()),
            request=self.request,
            parts=writer.close(),
            volumes=self._volumes(claims),
            warnings=(*self.warnings, *self.live.warnings),
        )
        return msgspec.structs.replace(plan, digest=digest(plan))

    def _look_through(self) -> None:
        for _, entry in self.contents.rows():
            self.survey.kinds.add((entry.group_kind, entry.kind))
            if self._is_selected(entry):
                self.survey.owners.add(hash((entry.namespace, entry.kind, entry.name)))
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

    def _items(self) -> Iterator[PlanItem]:
        """Wave by wave, kind by kind; neighbours in the vault follow each other."""
        for name in sorted((k for k, _ in self.survey.kinds), key=lambda k: (wave_of(k), k)):
            entries = self._entries(name)
            kind = self.kinds.get(name)
            if kind is None:
                self._warn_unserved(name, entries)
                continue
            while chunk := list(islice(entries, PART_ITEMS)):
                chunk.sort(key=attrgetter("place"))
                yield from (self._plan_item(entry, kind) for entry in chunk)

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
        elif entry.group_kind == _NAMESPACE:
            return self._is_wanted(entry.name)
        else:
            wanted = self.request.cluster_scoped
        kinds = self.request.kinds
        return wanted and (not kinds or any(self._is_named(text, entry) for text in kinds))

    def _is_wanted(self, namespace: str) -> bool:
        return not self.request.namespaces or namespace in self.request.namespaces

    def _is_named(self, text: str, entry: Entry) -> bool:
        kind = self.kinds.get(entry.group_kind)
        known = kind or Kind(entry.group, entry.version, entry.kind.lower() + "s", entry.kind, True)
        return kind_named(text, known)

    def _plan_item(self, entry: Entry, kind: Kind) -> PlanItem:
        source = entry.namespace
        namespace = self.request.mapping.get(source, source)
        name = entry.name
        if entry.group_kind == _NAMESPACE:
            name = self.request.mapping.get(name, name)
        seen = _seen.decode(self.reader.read(entry.record, entry.place))
        reason = why_left(
            kind,
            seen,
            lambda owner: self.survey.holds(source, owner.kind, owner.name),
            scratch=self.request.scratch,
        )
        action: Action = "leave" if reason else "create"
        state = "" if reason else self.live.state(kind, namespace, name)
        if state:
            action, reason = self._on_conflict(entry, source)
        return PlanItem(
            wave=wave_of(entry.group_kind),
            kind=_at_version(kind, entry.version),
            source_namespace=source,
            namespace=namespace,
            name=name,
            record=entry.record,
            place=entry.place,
            action=action,
            reason=reason,
            live_version=state,
        )

    def _on_conflict(self, entry: Entry, source: str) -> tuple[Action, str]:
        if source == CLUSTER_SCOPE:
            return "skip", "exists; cluster-scoped objects are never changed"
        if entry.group_kind == _CLAIM:
            return "skip", "exists; the data of a live claim is left alone"
        if entry.group_kind == "ServiceAccount" or self.request.mode == "merge":
            return "merge", "exists"
        return "skip", "exists"

    def _volumes(self, claims: Iterable[PlanItem]) -> tuple[PlanVolume, ...]:
        snapshots = choose_sources(self.context, self.manifest, self.request)
        planned = []
        for item in claims:
            snapshot = snapshots.get((item.source_namespace, item.name))
            if snapshot and self.request.volumes:
                planned.append(PlanVolume(snapshot, item.namespace, item.name, item))
            else:
                why = (
                    "volumes were not asked for" if snapshot else "the point has no snapshot of it"
                )
                self.warnings.append(f"claim {item.namespace}/{item.name} is made empty: {why}")
        return tuple(planned)


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


def digest(plan: RestorePlan) -> str:
    """What a person approves: the same digest is the same plan."""
    blank = msgspec.structs.replace(plan, digest="", created="")
    return "sha256:" + hashlib.sha256(msgspec.json.encode(blank, order="sorted")).hexdigest()


def _at_version(kind: Kind, captured: str) -> Kind:
    """The captured version when the target serves it, or is going to; else the one it prefers."""
    if not kind.version or captured in kind.versions:
        return replace(kind, version=captured)
    return kind
