"""Plans a restore: every object of the selection, in waves, with what is going to happen to it.

Reads the point and the names that exist in the target; changes nothing. The target is the context's
cluster, which need not be the one the point was captured from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import msgspec

from lifeboat.clock import rfc3339
from lifeboat.errors import LifeboatError, UsageError
from lifeboat.point import layout
from lifeboat.point.contents import CLUSTER_SCOPE
from lifeboat.point.manifest import Manifest, open_contents, read_manifest
from lifeboat.policy.selection import kind_named
from lifeboat.ports.cluster import Kind
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.restore.leave import Seen, why_left
from lifeboat.restore.model import Action, PlanItem, PlanVolume, RestorePlan, RestoreRequest
from lifeboat.restore.order import wave_of
from lifeboat.steps.context import Context
from lifeboat.vault.packs import PackReader
from lifeboat.vault.rows import Entry

_NAMESPACE, _CLAIM = "Namespace", "PersistentVolumeClaim"


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


class _Named(msgspec.Struct, frozen=True):
    class Meta(msgspec.Struct, frozen=True):
        name: str

    metadata: Meta


def plan_restore(context: Context, request: RestoreRequest, restore: str) -> RestorePlan:
    """The plan of this restore; a second attempt returns the stored one. A dry run stores nothing.

    Raises UsageError for namespaces the point does not hold or mappings that collide.
    """
    key = layout.restore_plan(request.instance, restore)
    known = context.vault.find_document(key, RestorePlan)
    if known is not None:
        return known
    manifest = read_manifest(context.vault, request.instance, request.point)
    contents = open_contents(context.vault, manifest)
    trees = contents.by_namespace()
    _check(request, tuple(name for name in trees if name != CLUSTER_SCOPE))
    plan = _Planner(context, request, manifest, trees, contents.reader()).plan(restore)
    if request.dry_run:
        return plan
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
class _Planner:
    context: Context
    request: RestoreRequest
    manifest: Manifest
    entries: dict[str, list[Entry]]
    reader: PackReader
    warnings: list[str] = field(default_factory=list)
    kinds: dict[str, Kind] = field(default_factory=dict)
    live: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)

    def plan(self, restore: str) -> RestorePlan:
        discovery = self.context.cluster.discover()
        self.kinds = {kind.group_kind: kind for kind in discovery.kinds}
        trees = list(self._trees())
        self._learn_coming_kinds(trees)
        items = [item for source, entries in trees for item in self._items(source, entries)]
        items.sort(key=lambda item: (item.wave, item.place))
        plan = RestorePlan(
            restore=restore,
            created=rfc3339(self.context.clock()),
            request=self.request,
            items=tuple(items),
            volumes=self._volumes(items),
            warnings=tuple(self.warnings),
            hooks=self.context.instance.policy.restore_hooks.model_dump(mode="json", by_alias=True),
        )
        return msgspec.structs.replace(plan, digest=digest(plan))

    def _trees(self) -> Iterator[tuple[str, list[Entry]]]:
        for namespace, entries in self.entries.items():
            if namespace == CLUSTER_SCOPE:
                yield namespace, [e for e in self._selected(entries) if self._in_scope(e)]
            elif self._is_wanted(namespace):
                yield namespace, self._selected(entries)

    def _is_wanted(self, namespace: str) -> bool:
        return namespace in (self.request.namespaces or self.entries)

    def _selected(self, entries: list[Entry]) -> list[Entry]:
        if not self.request.kinds:
            return entries
        return [
            entry
            for entry in entries
            if entry.kind == _NAMESPACE
            or any(self._is_named(text, entry) for text in self.request.kinds)
        ]

    def _is_named(self, text: str, entry: Entry) -> bool:
        kind = self.kinds.get(entry.group_kind)
        known = kind or Kind(entry.group, entry.version, entry.kind.lower() + "s", entry.kind, True)
        return kind_named(text, known)

    def _in_scope(self, entry: Entry) -> bool:
        """Of the cluster scope a restore takes the wanted namespaces' own objects, and the rest
        only when it restores cluster-scoped objects at all."""
        if entry.group_kind == _NAMESPACE:
            return self._is_wanted(entry.name)
        return self.request.cluster_scoped

    def _learn_coming_kinds(self, trees: Iterable[tuple[str, list[Entry]]]) -> None:
        """Kinds whose definition is in this very plan are not discovered yet."""
        for _, entries in trees:
            for entry in entries:
                if entry.kind != "CustomResourceDefinition":
                    continue
                content = self.reader.read(entry.record, entry.place)
                spec = msgspec.json.decode(content, type=_Definition).spec
                name = f"{spec.names.kind}.{spec.group}"
                namespaced = spec.scope == "Namespaced"
                coming = Kind(spec.group, "", spec.names.plural, spec.names.kind, namespaced)
                self.kinds.setdefault(name, coming)

    def _items(self, source: str, entries: list[Entry]) -> Iterator[PlanItem]:
        owners = {(entry.kind, entry.name) for entry in entries}
        for entry in sorted(entries, key=lambda e: e.place):
            kind = self.kinds.get(entry.group_kind)
            if kind is None:
                self.warnings.append(
                    f"{entry.group_kind} {source}/{entry.name}: the target serves no such kind"
                )
                continue
            seen = msgspec.json.decode(self.reader.read(entry.record, entry.place), type=Seen)
            reason = why_left(kind, seen, owners, scratch=self.request.scratch)
            yield self._item(source, entry, kind, reason)

    def _item(self, source: str, entry: Entry, kind: Kind, reason: str) -> PlanItem:
        namespace = self.request.mapping.get(source, source)
        name = entry.name
        if entry.group_kind == _NAMESPACE:
            name = self.request.mapping.get(name, name)
        action: Action = "leave" if reason else "create"
        if not reason and name in self._existing(kind, namespace):
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
        )

    def _on_conflict(self, entry: Entry, source: str) -> tuple[Action, str]:
        if source == CLUSTER_SCOPE:
            return "skip", "exists; cluster-scoped objects are never changed"
        if entry.group_kind == _CLAIM:
            return "skip", "exists; the data of a live claim is left alone"
        if entry.group_kind == "ServiceAccount" or self.request.mode == "merge":
            return "merge", "exists"
        return "skip", "exists"

    def _existing(self, kind: Kind, namespace: str) -> frozenset[str]:
        """Names of this kind that the target holds; empty where the namespace is not there."""
        key = (kind.resource, namespace if kind.namespaced else "")
        if key not in self.live:
            self.live[key] = self._list_names(kind, namespace)
        return self.live[key]

    def _list_names(self, kind: Kind, namespace: str) -> frozenset[str]:
        if not kind.version:
            return frozenset()
        namespaces = self.kinds[_NAMESPACE]
        where = namespace if kind.namespaced else None
        if where and where not in self._existing(namespaces, ""):
            return frozenset()
        decode = msgspec.json.Decoder(_Named).decode
        try:
            pages = self.context.cluster.list_pages(kind, namespace=where)
            return frozenset(decode(raw).metadata.name for page in pages for raw in page.items)
        except LifeboatError as error:
            if error.retryable:
                raise
            self.warnings.append(f"{kind.resource} could not be listed: {error.message}")
            return frozenset()

    def _volumes(self, items: Iterable[PlanItem]) -> tuple[PlanVolume, ...]:
        snapshots = choose_sources(self.context, self.manifest, self.request)
        planned = []
        for item in items:
            if item.kind.group_kind != _CLAIM or item.action != "create":
                continue
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
