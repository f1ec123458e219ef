"""Captures one shard: lists, strips, stores what is new, and leaves a Part for commit.

The previous point of the same instance is the only dedupe index: an object whose record is the same
keeps its place, and nothing of it is written.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

from lifeboat.clock import rfc3339
from lifeboat.errors import Forbidden
from lifeboat.point import layout
from lifeboat.point.manifest import LeftOut, TreeRef, read_manifest, read_tree
from lifeboat.policy.model import Select
from lifeboat.policy.selection import object_selected, opted_out
from lifeboat.ports.marks import MANAGED
from lifeboat.steps.context import Context
from lifeboat.steps.listing import Arrived, Failed, list_all, worth_retrying
from lifeboat.steps.scope import Listing, Part, Scope, Shard
from lifeboat.steps.strip import Stripped, strip
from lifeboat.vault.records import Place
from lifeboat.vault.trees import Entry, encode_tree
from lifeboat.vault.vault import Vault

_Names = dict[tuple[str, str, str], tuple[str, Place]]


class _Previous:
    """The previous point's places, namespace by namespace, read when first asked for."""

    def __init__(self, vault: Vault, instance: str, point: str) -> None:
        self._vault = vault
        refs: tuple[TreeRef, ...] = ()
        if point:
            refs = read_manifest(vault, instance, point).trees
        self._refs = {ref.namespace: ref for ref in refs}
        self._read: dict[str, _Names] = {}

    def find(self, namespace: str, entry: tuple[str, str, str]) -> tuple[str, Place] | None:
        if namespace not in self._read:
            ref = self._refs.get(namespace)
            entries = read_tree(self._vault, ref) if ref else []
            self._read[namespace] = {
                (e.group, e.kind, e.name): (e.record, e.place) for e in entries
            }
        return self._read[namespace].get(entry)


@dataclass
class _Caught:
    """Objects of one listing so far: (namespace, group, version, kind, name) -> record id."""

    records: dict[tuple[str, str, str, str, str], str] = field(default_factory=dict)
    opted_out: list[str] = field(default_factory=list)


class _Dump:
    def __init__(self, context: Context, scope: Scope) -> None:
        self._select: Select = context.instance.policy.select
        self._cipher = context.vault.cipher
        self._writer = context.vault.writer()
        self._previous = _Previous(context.vault, scope.instance, scope.previous)
        self._namespaces = frozenset(scope.namespaces)
        self._caught: dict[Listing, _Caught] = {}
        self._kept: dict[str, Place] = {}
        self._added: set[str] = set()
        self.left_out: list[LeftOut] = []

    def restart(self, listing: Listing) -> None:
        self._caught.pop(listing, None)

    def take(self, listing: Listing, raw: bytes) -> None:
        item = strip(listing.kind, raw)
        if not self._wanted(listing, item):
            return
        caught = self._caught.setdefault(listing, _Caught())
        if opted_out(item.labels):
            caught.opted_out.append(f"{item.namespace}/{item.name}".lstrip("/"))
            return
        kind = listing.kind
        record = self._cipher.content_id(item.content)
        known = self._previous.find(item.namespace, (kind.group, kind.kind, item.name))
        if known is not None and known[0] == record:
            self._kept[record] = known[1]
        elif record not in self._kept and record not in self._added:
            self._writer.add(record, item.content)
            self._added.add(record)
        key = (item.namespace, kind.group, kind.version, kind.kind, item.name)
        caught.records[key] = record

    def _wanted(self, listing: Listing, item: Stripped) -> bool:
        if item.labels.get(MANAGED) == "true":
            return False
        if not listing.kind.namespaced:
            return listing.only is None or item.name in listing.only
        return item.namespace in self._namespaces and object_selected(self._select, item.labels)

    def finish(self, shard: Shard, now: str) -> Part:
        self._writer.close()
        trees: dict[str, list[Entry]] = {}
        kinds: Counter[str] = Counter()
        for listing, caught in self._caught.items():
            for (namespace, *entry), record in caught.records.items():
                place = self._kept.get(record) or self._writer.places[record]
                group, version, kind, name = entry
                trees.setdefault(namespace, []).append(
                    Entry(group, version, kind, name, record, place)
                )
            if caught.records:
                kinds[listing.kind.group_kind] += len(caught.records)
            self._tell_opted_out(listing, caught)
        return Part(
            shard=shard.id,
            trees=tuple(encode_tree(ns, entries) for ns, entries in sorted(trees.items())),
            kinds=dict(kinds),
            objects=kinds.total(),
            new_objects=len(self._added),
            new_bytes=self._writer.written,
            left_out=tuple(self.left_out),
            captured_to=now,
        )

    def _tell_opted_out(self, listing: Listing, caught: _Caught) -> None:
        for name in caught.opted_out:
            what = f"{listing.kind.group_kind} {name}"
            self.left_out.append(LeftOut(what, "carries an exclude label", severity="note"))


def dump_shard(context: Context, scope: Scope, shard_id: str) -> Part:
    """Capture one shard; a second attempt returns what the first one stored.

    A kind that is refused (403, a broken conversion webhook, …) is named as a loss and does not
    stop the others; what a retry may cure is raised, and the retry does the shard anew.
    """
    key = layout.part(scope.instance, scope.point, shard_id)
    done = context.vault.find_document(key, Part)
    if done is not None:
        return done
    shard = next(shard for shard in scope.shards if shard.id == shard_id)
    dump = _Dump(context, scope)
    with closing(list_all(context.cluster, shard.listings)) as arrivals:
        for arrived in arrivals:
            _take(dump, arrived)
    part = dump.finish(shard, rfc3339(context.clock()))
    return context.vault.settle_document(key, part, Part)


def _take(dump: _Dump, arrived: Arrived | Failed) -> None:
    if isinstance(arrived, Failed):
        _judge(dump, arrived)
    elif arrived.restarted:
        dump.restart(arrived.listing)
    else:
        for raw in arrived.items:
            dump.take(arrived.listing, raw)


def _judge(dump: _Dump, failed: Failed) -> None:
    if worth_retrying(failed.error):
        raise failed.error
    dump.restart(failed.listing)
    reason = str(failed.error).splitlines()[0]
    if isinstance(failed.error, Forbidden):
        reason = f"may not be listed: {reason}"
    dump.left_out.append(LeftOut(failed.listing.title, reason))
