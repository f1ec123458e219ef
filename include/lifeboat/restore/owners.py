"""Owner references of restored objects, to the owners that are in the target now.

An owner's uid is known only once it is there, and what it owns comes first where the owner is a
custom resource: a Secret has to be there before its operator would draw a new one. So objects are
created without references, and this pass adds them when all waves are through. A reference to a
uid that is not there would have the garbage collector delete the object; such a one is dropped and
told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec

from lifeboat.clock import monotonic
from lifeboat.errors import Conflict, LifeboatError, NotFound, WebhookUnreachable
from lifeboat.point import layout
from lifeboat.ports.cluster import Json, Kind
from lifeboat.ports.marks import RESTORE
from lifeboat.restore.apply import reader_of
from lifeboat.restore.model import PlanItem, RestorePlan
from lifeboat.restore.parts import read_part
from lifeboat.steps.context import Context

_AT_ONCE = 256  # objects in memory
_OWNERS_KNOWN = 4096
_ATTEMPTS = 5
_UNTOUCHED = "a test restore makes nothing depend on what lies outside its namespaces"

Reference = dict[str, Any]


class Linked(msgspec.Struct, frozen=True):
    """What the pass did: objects that have owners again; references that were dropped, each with
    its object and the reason; what the target refused, by kind."""

    objects: int
    changes: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    owner_references: list[Reference] = []


class _Owned(msgspec.Struct, frozen=True):
    metadata: _Metadata


_decode = msgspec.json.Decoder(_Owned).decode


def link_owners(context: Context, plan: RestorePlan) -> Linked | None:
    """Give what this restore created its owners again; None where nothing had any. A second attempt
    returns what the first one stored, and one after a crash does what is left. Raises what is
    retryable; what the target refuses is a warning."""
    parts = [part for part in plan.parts if part.owned]
    if not parts:
        return None
    key = layout.restore_part(plan.request.instance, plan.restore, "owners")
    done = context.vault.find_document(key, Linked)
    if done is not None:
        return done
    began = monotonic()
    linker = _Linker(context, plan)
    items = (item for part in parts for item in read_part(context.vault, plan, part))
    with ThreadPoolExecutor(plan.request.in_flight, thread_name_prefix="owners") as pool:
        pairs = linker.owned(items)
        while some := list(islice(pairs, _AT_ONCE)):
            list(pool.map(lambda pair: linker.link(*pair), some))
    refused = tuple(
        f"owner references of {number} {kind} were not restored: {why}"
        for (kind, why), number in sorted(linker.refused.items())
    )
    made = Linked(linker.objects, tuple(sorted(linker.dropped)), refused, monotonic() - began)
    return context.vault.settle_document(key, made, Linked)


def stored_links(context: Context, plan: RestorePlan) -> Linked | None:
    """What `link_owners` stored, if it had anything to do."""
    key = layout.restore_part(plan.request.instance, plan.restore, "owners")
    return context.vault.find_document(key, Linked)


class _Linker:
    """Counters are added to from several threads; each addition is one operation on its own."""

    def __init__(self, context: Context, plan: RestorePlan) -> None:
        self._cluster, self._plan = context.cluster, plan
        self._read = reader_of(context, plan).read
        kinds = context.cluster.discover().kinds
        self._kinds = {(kind.group, kind.kind): kind for kind in kinds}
        self._find: Callable[[Kind, str, str], str] = lru_cache(_OWNERS_KNOWN)(self._look)
        self.objects = 0
        self.dropped: list[str] = []
        self.refused: Counter[tuple[str, str]] = Counter()

    def owned(self, items: Iterable[PlanItem]) -> Iterator[tuple[PlanItem, list[Reference]]]:
        """What was created and had owners, with its references as they were captured."""
        for item in items:
            if item.owned and item.action in ("create", "recreate"):
                found = _decode(self._read(item.record, item.place))
                yield item, found.metadata.owner_references

    def link(self, item: PlanItem, references: list[Reference]) -> None:
        """Add the references of one object that are not there yet."""
        wanted = []
        for reference in references:
            uid, why = self._owner(item, reference)
            if uid:
                wanted.append({**reference, "uid": uid})
            else:
                what = f"{reference['kind']} {reference['name']}"
                self.dropped.append(f"{item.title}: owner reference to {what} dropped: {why}")
        if not wanted:
            return
        try:
            self.objects += self._add(item, wanted)
        except NotFound:
            pass  # it could not be created, which is told where that was tried
        except LifeboatError as error:
            if error.retryable and not isinstance(error, WebhookUnreachable):
                raise
            self.refused[item.kind.group_kind, error.message.splitlines()[0]] += 1

    def _add(self, item: PlanItem, wanted: list[Reference]) -> bool:
        """Whether the object is ours and has the references now."""
        namespace = item.namespace if item.kind.namespaced else None
        for left in reversed(range(_ATTEMPTS)):
            live = self._cluster.get(item.kind, namespace, item.name)
            body = _patch(live["metadata"], wanted, self._plan.restore)
            if body is None:
                return False
            if not body:
                return True
            try:
                self._cluster.patch(item.kind, namespace, item.name, {"metadata": body})
            except Conflict:  # its own controller writes to it, too
                if not left:
                    raise
            else:
                return True
        raise AssertionError("the last attempt returns or raises")

    def _owner(self, item: PlanItem, reference: Reference) -> tuple[str, str]:
        """The owner's uid in the target; or none, and why."""
        group = reference["apiVersion"].rpartition("/")[0]
        kind = self._kinds.get((group, reference["kind"]))
        if kind is None:
            return "", "the target serves no such kind"
        if not kind.namespaced and self._plan.request.scratch:
            return "", _UNTOUCHED
        try:
            uid = self._find(kind, item.namespace if kind.namespaced else "", reference["name"])
        except LifeboatError as error:
            if error.retryable:
                raise
            return "", error.message.splitlines()[0]
        return uid, "" if uid else "it is not there"

    def _look(self, kind: Kind, namespace: str, name: str) -> str:
        try:
            metadata = self._cluster.get(kind, namespace or None, name)["metadata"]
        except NotFound:
            return ""
        return "" if metadata.get("deletionTimestamp") else str(metadata["uid"])


def _patch(metadata: Json, wanted: list[Reference], restore: str) -> Json | None:
    """What to write into an object's metadata: None when it is not this restore's, empty when it
    has all it should have. It has one controller at most."""
    if (metadata.get("annotations") or {}).get(RESTORE) != restore:
        return None
    have = metadata.get("ownerReferences") or []
    known = {reference["uid"] for reference in have}
    controlled = any(reference.get("controller") for reference in have)
    new = [
        reference
        for reference in wanted
        if reference["uid"] not in known and not (controlled and reference.get("controller"))
    ]
    if not new:
        return {}
    return {"ownerReferences": [*have, *new], "resourceVersion": metadata["resourceVersion"]}
