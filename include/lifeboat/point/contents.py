"""What a point holds: a base, a layer over it, and the changes that its manifest carries itself.

Points of an hour share a base and a layer; each adds only what changed. So an hourly point costs
about as much as the objects that changed, and any object of any point is found with three requests:
manifest, layer, base.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate
from operator import attrgetter

import msgspec

from lifeboat.errors import Damaged
from lifeboat.point.wanted import EVERYTHING, Wanted
from lifeboat.vault.packs import PackReader
from lifeboat.vault.records import Place
from lifeboat.vault.rows import Entry, Key, decode_places, decode_rows, encode_places, encode_rows
from lifeboat.vault.trees import Base, BlobRef, Layer, distances
from lifeboat.vault.vault import Vault

CLUSTER_SCOPE = ""

_layers = msgspec.msgpack.Decoder(Layer)


class TreeRef(msgspec.Struct, frozen=True):
    """Where a point's contents lie. `changes` is a Layer over base and layer, in MessagePack."""

    base: BlobRef
    changes: bytes
    layer: BlobRef | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The tree blobs that the point needs."""
        return (self.base.name, self.layer.name) if self.layer else (self.base.name,)


class Overlay:
    """A layer, or two of them on top of each other, over a base of `rows` rows."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.changed: dict[int, tuple[str, Place]] = {}
        self.gone: set[int] = set()
        self.added: list[Entry] = []

    def copy(self) -> Overlay:
        """One that can be laid over without a change to this one."""
        twin = Overlay(self.rows)
        twin.changed, twin.gone = dict(self.changed), set(self.gone)
        twin.added = list(self.added)
        return twin

    def put(self, layer: Layer, what: str) -> None:
        """Lay one more layer on top; its ordinals count the rows added below it, too."""
        try:
            places = decode_places(layer.places)
            self.changed.update(zip(accumulate(layer.changed), places, strict=True))
        except (IndexError, ValueError) as error:
            raise Damaged(f"{what}: its columns do not fit together: {error}") from error
        self.gone.update(accumulate(layer.gone))
        self.added += decode_rows(layer.added, what)

    @property
    def space(self) -> int:
        """The number of ordinals: rows of the base and rows added."""
        return self.rows + len(self.added)

    def seen(self, ordinal: int, entry: Entry) -> Entry | None:
        """The entry as this overlay shows it; None when it is gone."""
        if ordinal in self.gone:
            return None
        changed = self.changed.get(ordinal)
        return entry if changed is None else entry._replace(record=changed[0], place=changed[1])

    def additions(self) -> Iterator[tuple[int, Entry]]:
        """The added rows that are still there, by ordinal."""
        for ordinal, entry in enumerate(self.added, start=self.rows):
            seen = self.seen(ordinal, entry)
            if seen is not None:
                yield ordinal, seen


class Contents:
    """The opened contents of one point: `lower` shows base and layer, `overlay` the whole."""

    def __init__(self, vault: Vault, ref: TreeRef, beside: Contents | None = None) -> None:
        """`beside` is another point's: what the two share is not read again."""
        self.ref = ref
        shared = beside is not None and beside.ref.base == ref.base
        self.base: Base = beside.base if beside and shared else vault.trees.open_base(ref.base)
        self.lower = Overlay(len(self.base))
        if ref.layer:
            self.lower.put(vault.trees.read_layer(ref.layer), f"tree {ref.layer.name}")
        self.overlay = self.lower.copy()
        self.overlay.put(decode_changes(ref), "the manifest's changes")
        self.dictionaries = self.base.dictionaries
        self._vault = vault
        self._added: dict[Key, int] | None = None

    def reader(self) -> PackReader:
        """Reads this point's records."""
        return PackReader(self._vault.store, self._vault.cipher, self.dictionaries)

    def rows(self) -> Iterator[tuple[int, Entry]]:
        """Every row with its ordinal, in order of ordinals."""
        for ordinal, entry in enumerate(self.base):
            seen = self.overlay.seen(ordinal, entry)
            if seen is not None:
                yield ordinal, seen
        yield from self.overlay.additions()

    def __iter__(self) -> Iterator[Entry]:
        """Every entry, in ascending order of key."""
        return self.select(EVERYTHING)

    def select(self, wanted: Wanted) -> Iterator[Entry]:
        """The wanted entries, in ascending order of key; leaves without any are not read."""
        rows = ((o, e) for o, e in self.base.among(wanted.may_lie) if wanted.matches(e.key))
        shown = (self.overlay.seen(ordinal, entry) for ordinal, entry in rows)
        added = [e for _, e in self.overlay.additions() if wanted.matches(e.key)]
        added.sort(key=attrgetter("key"))
        return heapq.merge((e for e in shown if e is not None), added, key=attrgetter("key"))

    def find(self, key: Key) -> tuple[int, Entry] | None:
        """The row of one object with its ordinal."""
        if self._added is None:
            self._added = {entry.key: o for o, entry in self.overlay.additions()}
        ordinal = self._added.get(key)
        if ordinal is not None:
            entry = self.overlay.added[ordinal - self.overlay.rows]
        else:
            ordinal = self.base.find(key)
            if ordinal is None:
                return None
            entry = self.base.row(ordinal)
        seen = self.overlay.seen(ordinal, entry)
        return None if seen is None else (ordinal, seen)

    def by_namespace(self) -> dict[str, list[Entry]]:
        """Entries of each namespace, sorted; "" is the cluster scope."""
        found: dict[str, list[Entry]] = {}
        for entry in self:
            found.setdefault(entry.namespace, []).append(entry)
        return dict(sorted(found.items()))

    def kinds(self) -> dict[str, int]:
        """How many objects of each kind, as `Deployment.apps`."""
        return dict(sorted(Counter(entry.group_kind for _, entry in self.rows()).items()))

    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that the point holds objects of."""
        return tuple(sorted({entry.namespace for _, entry in self.rows()} - {CLUSTER_SCOPE}))


def decode_changes(ref: TreeRef) -> Layer:
    """The changes that a manifest carries. Raises Damaged."""
    try:
        return _layers.decode(ref.changes)
    except msgspec.DecodeError as error:
        raise Damaged(f"the manifest's changes are no layer: {error}") from error


def make_layer(changed: dict[int, tuple[str, Place]], gone: set[int], added: list[Entry]) -> Layer:
    """A layer in its stored order."""
    ordinals = sorted(changed)
    return Layer(
        changed=distances(ordinals),
        places=encode_places([changed[ordinal] for ordinal in ordinals]),
        gone=distances(sorted(gone)),
        added=encode_rows(sorted(added, key=attrgetter("key"))),
    )
