"""Captures one shard: lists, strips, stores what is new, and leaves a Part for commit.

The previous point of the same instance is the only dedupe index: an object whose record is the same
keeps its place, and nothing of it is written. Memory does not grow with the cluster: rows of the
previous point are read leaf by leaf in the order in which listings arrive, and rows of what was
stored are spilled into documents.
"""

from __future__ import annotations

import gc
import secrets
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from operator import itemgetter

import msgspec

from lifeboat.clock import rfc3339
from lifeboat.errors import Forbidden
from lifeboat.point import layout
from lifeboat.point.capture import listed
from lifeboat.point.contents import Contents
from lifeboat.point.manifest import LeftOut, open_contents, read_manifest
from lifeboat.policy.selection import opted_out
from lifeboat.ports.cluster import Kind
from lifeboat.ports.fields import Fields
from lifeboat.steps import owned
from lifeboat.steps.context import Context
from lifeboat.steps.listing import Arrived, Failed, list_all, worth_retrying
from lifeboat.steps.needs import Needs
from lifeboat.steps.scope import Listing, Part, Scope, Shard, SpilledRows, StoredRows
from lifeboat.steps.sieve import Sieve
from lifeboat.steps.strip import Stripped, strip
from lifeboat.vault.dictionaries import SAMPLE_BYTES, Dictionaries
from lifeboat.vault.packs import Slot
from lifeboat.vault.rows import Entry, Key, encode_rows

_SPILL_ROWS = 16_384  # some 10 MiB; most shards keep their rows in memory
_SAMPLES_A_KIND = 48
_SAMPLE_BYTES_A_KIND = SAMPLE_BYTES // 4

_Row = tuple[Key, int, str, Slot]


@dataclass
class _Caught:
    """What came of one listing so far; void when it is listed anew."""

    kept: array[int] = field(default_factory=lambda: array("L"))
    rows: list[_Row] = field(default_factory=list)
    spilled: list[SpilledRows] = field(default_factory=list)
    opted_out: list[tuple[str, str]] = field(default_factory=list)
    objects: int = 0
    object_bytes: int = 0
    new: int = 0


class _Samples:
    """Records to train a dictionary on: of every kind as many as of the others, up to a size, in
    whatever order they came."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._kinds: dict[str, list[bytes]] = {}
        self._bytes: Counter[str] = Counter()

    def offer(self, kind: str, content: bytes) -> None:
        if not self._wanted:
            return
        found = self._kinds.setdefault(kind, [])
        held = self._bytes[kind] + len(content)
        if len(found) < _SAMPLES_A_KIND and held <= _SAMPLE_BYTES_A_KIND:
            found.append(content)
            self._bytes[kind] = held

    def chosen(self) -> tuple[bytes, ...]:
        """Kind after kind, by name. What does not fit any more leaves room for what is smaller."""
        kinds = sorted(self._kinds)
        taken: dict[str, list[bytes]] = {kind: [] for kind in kinds}
        left = SAMPLE_BYTES // 2
        for turn in zip_longest(*(self._kinds[kind] for kind in kinds), fillvalue=b""):
            for kind, content in zip(kinds, turn, strict=True):
                if content and len(content) <= left:
                    taken[kind].append(content)
                    left -= len(content)
        return tuple(content for kind in kinds for content in taken[kind])


class _Dump:
    def __init__(self, context: Context, scope: Scope, shard: Shard) -> None:
        self._sieve = Sieve(context.instance.policy.select, scope.namespaces)
        self._needs = Needs() if scope.needed else None
        self._vault = context.vault
        self._scope, self._shard = scope, shard
        self._previous: Contents | None = None
        if scope.previous:
            manifest = read_manifest(context.vault, scope.instance, scope.previous)
            self._previous = open_contents(context.vault, manifest)
        known = self._previous.dictionaries if self._previous else Dictionaries()
        self._writer = context.vault.writer(known)
        self._samples = _Samples(wanted=not known.stored)
        self._sparse = frozenset(scope.sparse)
        self._caught: dict[Listing, _Caught] = {}
        self._held = 0
        self._attempt = secrets.token_hex(4)
        self._spills = 0
        self.left_out: list[LeftOut] = []

    def restart(self, listing: Listing) -> None:
        voided = self._caught.pop(listing, None)
        self._sieve.void(listing)
        self._held -= len(voided.rows) if voided else 0

    def take(self, listing: Listing, page: Iterable[Fields]) -> None:
        caught = self._caught.setdefault(listing, _Caught())
        takes = self._sieve.of(listing)
        taken = []
        for fields in page:
            item = strip(listing.kind, fields)
            if not takes(item):
                continue
            mark = opted_out(item.labels, item.annotations)
            if mark:
                caught.opted_out.append((f"{item.namespace}/{item.name}".lstrip("/"), mark))
                continue
            taken.append(item)
            self._keep(caught, listing.kind, item)
        if self._needs:
            self._needs.see(listing.kind, taken)

    def _keep(self, caught: _Caught, kind: Kind, item: Stripped) -> None:
        key = key_of(kind, item)
        record = self._vault.cipher.record_id(item.content)
        caught.objects += 1
        caught.object_bytes += len(item.content)
        known = self._previous.find(key) if self._previous else None
        if known and known[1].record == record and known[1].place.pack not in self._sparse:
            caught.kept.append(known[0])
            return
        slot = self._writer.add(item.content)
        self._samples.offer(kind.group_kind, item.content)
        caught.rows.append((key, known[0] if known else -1, record, slot))
        caught.new += 1
        self._held += 1
        if self._held >= _SPILL_ROWS:
            self._spill()

    def _spill(self) -> None:
        """Put all rows held into documents, one a listing: a listing can still be voided."""
        self._writer.flush()
        scope = self._scope
        for caught in self._caught.values():
            if not caught.rows:
                continue
            self._spills += 1
            document = layout.spilled(
                scope.instance, scope.point, self._shard.id, self._attempt, self._spills
            )
            self._vault.put_document(document, _stored(caught.rows))
            caught.spilled.append(SpilledRows(document, min(caught.rows)[0]))
            caught.rows = []
        self._held = 0

    def finish(self, now: str) -> Part:
        self._writer.close()
        for listing, caught in self._caught.items():
            self._tell_opted_out(listing, caught)
        self._tell_withheld()
        for listing, counts in self._sieve.owned.items():
            self.left_out += owned.told(listing.kind, counts)
        every = self._caught.values()
        return Part(
            shard=self._shard.id,
            kept=self._kept(),
            spilled=tuple(spilled for caught in every for spilled in caught.spilled),
            stored=_stored([row for caught in every for row in caught.rows]),
            objects=sum(caught.objects for caught in every),
            object_bytes=sum(caught.object_bytes for caught in every),
            new_objects=sum(caught.new for caught in every),
            new_bytes=self._writer.written,
            left_out=tuple(self.left_out),
            captured_to=now,
            samples=self._samples.chosen(),
            packs=tuple(self._writer.packs),
            needs=self._needs.told() if self._needs else {},
        )

    def _kept(self) -> list[int]:
        marks = bytearray(self._previous.overlay.space if self._previous else 0)
        for caught in self._caught.values():
            for ordinal in caught.kept:
                marks[ordinal] = 1
        return _runs(marks)

    def _tell_opted_out(self, listing: Listing, caught: _Caught) -> None:
        for name, mark in caught.opted_out:
            what = f"{listing.kind.group_kind} {name}"
            self.left_out.append(LeftOut(what, mark, severity="note"))

    def _tell_withheld(self) -> None:
        for what, source in sorted(self._sieve.withheld.items()):
            reason = f"what was captured needs it, but {source} leaves it out"
            self.left_out.append(LeftOut(what, reason, severity="note"))


def key_of(kind: Kind, item: Stripped) -> Key:
    """The key of a listed object's row."""
    return (kind.group, kind.version, kind.kind, item.namespace, item.name)


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
    return context.vault.settle_document(key, capture(context, scope, shard), Part)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Nothing that a dump makes refers back to what made it; looking for that in hundreds of
    thousands of rows takes a tenth of the processor's time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@_without_collector()
def capture(context: Context, scope: Scope, shard: Shard) -> Part:
    """Lists and stores what a shard names; the caller settles the part."""
    dump = _Dump(context, scope, shard)
    most = context.instance.policy.requests_a_dump
    first = last = rfc3339(context.clock())
    versions: set[str] = set()
    with closing(list_all(context.cluster, shard.listings, most)) as arrivals:
        for arrived in arrivals:
            _take(dump, arrived)
            if isinstance(arrived, Arrived):
                last = rfc3339(context.clock())
                versions.add(arrived.version)
    part = dump.finish(rfc3339(context.clock()))
    return msgspec.structs.replace(part, listed=listed(versions, first, last))


def _take(dump: _Dump, arrived: Arrived | Failed) -> None:
    if isinstance(arrived, Failed):
        _judge(dump, arrived)
    elif arrived.restarted:
        dump.restart(arrived.listing)
    else:
        dump.take(arrived.listing, arrived.items)


def _judge(dump: _Dump, failed: Failed) -> None:
    if worth_retrying(failed.error):
        raise failed.error
    dump.restart(failed.listing)
    dump.left_out.append(refusal(failed))


def refusal(failed: Failed) -> LeftOut:
    """What a listing that was refused leaves out, and why."""
    reason = str(failed.error).splitlines()[0]
    if isinstance(failed.error, Forbidden):
        reason = f"may not be listed: {reason}"
    return LeftOut(failed.listing.title, reason)


def _stored(rows: Iterable[_Row]) -> StoredRows:
    """Sorted, and the last of an object that was listed twice."""
    ordered = sorted({row[0]: row for row in rows}.values(), key=itemgetter(0))
    entries = [Entry(*key, record, slot.place) for key, _, record, slot in ordered]
    return StoredRows([row[1] for row in ordered], msgspec.msgpack.encode(encode_rows(entries)))


def _runs(marks: bytearray) -> list[int]:
    """Where the ones are: start, length, start, length, …"""
    found: list[int] = []
    end = 0
    while (start := marks.find(1, end)) >= 0:
        end = marks.find(0, start)
        end = len(marks) if end < 0 else end
        found += [start, end - start]
    return found
