"""Trees: everything that a point holds, as blobs of sorted rows.

A *base* is a whole tree: leaves of some thousand rows each, and a root that tells where each leaf
begins, with the dictionaries that frames may name. A *layer* is what changed since a base. Both are
write-once blobs of their own, shared by every point that was made while they held.
"""

from __future__ import annotations

import secrets
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from operator import itemgetter
from typing import TypeVar

import msgspec
import zstandard

from lifeboat.errors import Damaged
from lifeboat.ports.store import Store
from lifeboat.vault.crypto import Cipher
from lifeboat.vault.dictionaries import Dictionaries
from lifeboat.vault.rows import (
    Entry,
    Key,
    Places,
    Rows,
    decode_rows,
    encode_rows,
    pack_names,
)
from lifeboat.vault.written import put_surely

MAGIC = b"LBT1"
ROOT = "trees/"
_LEAF_ROWS = 2048
_LEVEL = 9
_LARGEST = 1 << 30
_WHOLE_BYTES = 512 * 1024  # a tree up to this size is read with one request
_LEAVES_KEPT = 12

T = TypeVar("T")


def tree_key(name: str) -> str:
    """The store key of a base or a layer."""
    return f"{ROOT}{name[:2]}/{name}"


class BlobRef(msgspec.Struct, frozen=True):
    """A base or a layer: its name, size, number of rows, and where its root begins."""

    name: str
    size: int
    root: int
    rows: int


class Layer(msgspec.Struct, array_like=True, frozen=True):
    """What changed since a base, or since a base and a layer over it.

    Ordinals count the rows of the base, then those that the layer below added: `changed` ones have
    a new record at `places`, `gone` ones are no longer there, `added` rows are new. Ordinals are
    sorted, and each but the first is written as its distance from the one before (`distances`).
    """

    changed: list[int]
    places: Places
    gone: list[int]
    added: Rows

    def __len__(self) -> int:
        return len(self.changed) + len(self.gone) + len(self.added.name)


def distances(ordinals: list[int]) -> list[int]:
    """Ascending numbers as the first and the steps between them, which are small."""
    return [after - before for before, after in pairwise([0, *ordinals])]


class _Root(msgspec.Struct, array_like=True, frozen=True):
    """Per leaf: the key of its first row, its offset, length and number of rows."""

    leaves: list[tuple[Key, int, int, int]]
    dictionaries: list[bytes]


class Trees:
    """Writes and reads the blobs of trees over one store."""

    def __init__(self, store: Store, cipher: Cipher) -> None:
        self._store = store
        self._cipher = cipher

    def write_base(self, entries: Iterable[Entry], dictionaries: Sequence[bytes]) -> BlobRef:
        """Store a base from entries in ascending order of key; holds one leaf at a time."""
        name, body = _new_blob()
        leaves: list[tuple[Key, int, int, int]] = []
        left = iter(entries)
        while leaf := list(islice(left, _LEAF_ROWS)):
            sealed = self._seal(name, len(body), encode_rows(leaf))
            leaves.append((leaf[0].key, len(body), len(sealed), len(leaf)))
            body += sealed
        root = len(body)
        body += self._seal(name, root, _Root(leaves, list(dictionaries)))
        put_surely(self._store, tree_key(name), bytes(body))
        return BlobRef(name, len(body), root, sum(leaf[3] for leaf in leaves))

    def write_layer(self, layer: Layer) -> BlobRef:
        """Store a layer as a blob of its own."""
        name, body = _new_blob()
        root = len(body)
        body += self._seal(name, root, layer)
        put_surely(self._store, tree_key(name), bytes(body))
        return BlobRef(name, len(body), root, len(layer))

    def read_layer(self, ref: BlobRef) -> Layer:
        """Raises Damaged or BlobMissing, both naming the tree."""
        sealed = self._store.get_range(tree_key(ref.name), ref.root, ref.size - ref.root)
        return self._open(ref.name, ref.root, sealed, Layer)

    def check_start(self, ref: BlobRef) -> None:
        """Raises Damaged when a tree does not begin as it was written, or has another size. No
        reader looks there: whoever refers to a tree says where its parts lie."""
        key = tree_key(ref.name)
        stat = self._store.stat(key)
        size = ref.size if stat is None else stat.size
        _check_whole(ref, self._store.get_range(key, 0, len(MAGIC)), size)

    def check_base(self, ref: BlobRef, stored: bytes) -> None:
        """Raises Damaged unless these bytes are the whole base, as it was written."""
        _check_whole(ref, stored)
        root = self._open(ref.name, ref.root, stored[ref.root :], _Root)
        for _, offset, length, _ in root.leaves:
            self.read_leaf(ref.name, offset, length, stored)

    def check_layer(self, ref: BlobRef, stored: bytes) -> None:
        """Raises Damaged unless these bytes are the whole layer, as it was written."""
        _check_whole(ref, stored)
        self._open(ref.name, ref.root, stored[ref.root :], Layer)

    def open_base(self, ref: BlobRef) -> Base:
        """One request for the whole of a small tree, for the root of a large one."""
        start = 0 if ref.size <= _WHOLE_BYTES else ref.root
        held = self._store.get_range(tree_key(ref.name), start, ref.size - start)
        root = self._open(ref.name, ref.root, held[ref.root - start :], _Root)
        return Base(self, ref, root.leaves, root.dictionaries, b"" if start else held)

    def read_leaf(self, name: str, offset: int, length: int, held: bytes) -> Rows:
        """The rows of a leaf, from the bytes at hand or by one request."""
        sealed = held[offset : offset + length]
        if not held:
            sealed = self._store.get_range(tree_key(name), offset, length)
        return self._open(name, offset, sealed, Rows)

    def _seal(self, name: str, offset: int, part: object) -> bytes:
        packed = zstandard.ZstdCompressor(level=_LEVEL).compress(msgspec.msgpack.encode(part))
        return self._cipher.seal(packed, _context(name, offset))

    def _open(self, name: str, offset: int, sealed: bytes, shape: type[T]) -> T:
        what = f"tree {name} at byte {offset}"
        packed = self._cipher.open(sealed, _context(name, offset), what)
        try:
            plain = zstandard.ZstdDecompressor().decompress(packed, max_output_size=_LARGEST)
            return msgspec.msgpack.decode(plain, type=shape)
        except (zstandard.ZstdError, msgspec.DecodeError) as error:
            raise Damaged(f"{what}: is not what it should be: {error}") from error


class Base:
    """An opened base: reads leaves when they are asked for and keeps the latest few."""

    def __init__(
        self,
        trees: Trees,
        ref: BlobRef,
        leaves: list[tuple[Key, int, int, int]],
        dictionaries: list[bytes],
        held: bytes,
    ) -> None:
        self.ref = ref
        self.dictionaries = Dictionaries(dictionaries)
        self._trees = trees
        self._leaves = leaves
        self._held = held
        self._starts = [0]
        for leaf in leaves:
            self._starts.append(self._starts[-1] + leaf[3])
        self._kept: OrderedDict[int, dict[Key, int]] = OrderedDict()
        self._rows: dict[int, list[Entry]] = {}

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[Entry]:
        """All rows, in order, a leaf at a time."""
        for index in range(len(self._leaves)):
            yield from self._leaf(index)[0]

    def packs(self) -> set[str]:
        """The packs of all rows; takes no row apart."""
        named: set[str] = set()
        for _, offset, length, _ in self._leaves:
            rows = self._trees.read_leaf(self.ref.name, offset, length, self._held)
            named.update(pack_names(rows.places))
        return named

    def among(self, may_lie: Callable[[Key, Key | None], bool]) -> Iterator[tuple[int, Entry]]:
        """Rows with their positions, in order, of the leaves that may hold what is sought: asked
        with the key of a leaf's first row and that of the next leaf's (None after the last)."""
        for index, leaf in enumerate(self._leaves):
            following = self._leaves[index + 1 : index + 2]
            if may_lie(leaf[0], following[0][0] if following else None):
                yield from enumerate(self._leaf(index)[0], start=self._starts[index])

    def row(self, ordinal: int) -> Entry:
        """One row by its position."""
        index = bisect_right(self._starts, ordinal) - 1
        return self._leaf(index)[0][ordinal - self._starts[index]]

    def leaves(self) -> Iterator[tuple[int, Key, int]]:
        """Of each leaf the ordinal and the key of its first row, and how many rows it has."""
        for start, (key, _, _, rows) in zip(self._starts, self._leaves, strict=False):
            yield start, key, rows

    def leaf_at(self, ordinal: int) -> list[Entry]:
        """The rows of the leaf that a position lies in. Raises Damaged or BlobMissing."""
        return self._leaf(bisect_right(self._starts, ordinal) - 1)[0]

    def find(self, key: Key) -> int | None:
        """The position of a row, None when there is none of this key."""
        index = bisect_right(self._leaves, key, key=itemgetter(0)) - 1
        if index < 0:
            return None
        place = self._leaf(index)[1].get(key)
        return None if place is None else self._starts[index] + place

    def _leaf(self, index: int) -> tuple[list[Entry], dict[Key, int]]:
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._rows[index], self._kept[index]
        _, offset, length, _ = self._leaves[index]
        stored = self._trees.read_leaf(self.ref.name, offset, length, self._held)
        rows = decode_rows(stored, f"tree {self.ref.name}")
        self._rows[index] = rows
        self._kept[index] = {entry.key: place for place, entry in enumerate(rows)}
        if len(self._kept) > _LEAVES_KEPT:
            gone, _ = self._kept.popitem(last=False)
            del self._rows[gone]
        return rows, self._kept[index]


def _check_whole(ref: BlobRef, stored: bytes, size: int | None = None) -> None:
    """`size` is the blob's where `stored` is only its start."""
    found = len(stored) if size is None else size
    if found != ref.size:
        raise Damaged(f"tree {ref.name}: has {found} bytes, {ref.size} were written")
    if not stored.startswith(MAGIC):
        raise Damaged(f"tree {ref.name}: does not start with {MAGIC.decode()}")


def _new_blob() -> tuple[str, bytearray]:
    return secrets.token_hex(8), bytearray(MAGIC)


def _context(name: str, offset: int) -> bytes:
    return f"tree {name} {offset}".encode()
