"""Which frames the points of an instance need, what each is to hold, and who loses what with one.

Read base by base: points that share one are looked at together, and each layer is held by itself,
so that memory grows with the frames (some hundred bytes each, and 8 a record), not with the rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from lifeboat.errors import BlobMissing, Damaged, NewerFormat
from lifeboat.point.contents import Overlay, decode_changes
from lifeboat.point.manifest import Manifest
from lifeboat.vault.crypto import RECORD_ID_BYTES, Cipher
from lifeboat.vault.dictionaries import Dictionaries
from lifeboat.vault.records import Place, open_frame
from lifeboat.vault.rows import Entry
from lifeboat.vault.trees import Base, BlobRef, tree_key
from lifeboat.vault.vault import Vault

UNREADABLE = (Damaged, BlobMissing, NewerFormat)
"""What reading a damaged blob raises; anything else is no damage."""

Frame = tuple[str, int, int, int]
"""Pack, offset, length, number of records."""

Lost = Callable[[str, Place], bool]
"""Whether the record of this id at this place cannot be read."""

_UNKNOWN = bytes(RECORD_ID_BYTES)


class Broken(NamedTuple):
    """A tree that cannot be read: its key, why, the points over it, and what they lose."""

    key: str
    reason: str
    points: tuple[str, ...]
    lost: str


class Loss(NamedTuple):
    """An object that a point has lost with a pack."""

    point: str
    pack: str
    title: str


class Frames:
    """The frames that are needed, by pack; `noted` is what each is to hold."""

    def __init__(self) -> None:
        self._wanted: dict[str, dict[Frame, bytearray]] = defaultdict(dict)
        self._more: dict[Frame, set[tuple[int, str]]] = defaultdict(set)
        self._dictionaries: dict[Frame, Dictionaries] = {}

    def note(self, record: str, place: Place, dictionaries: Dictionaries) -> None:
        frame = place[:4]
        frames = self._wanted[place.pack]
        wanted = frames.get(frame)
        if wanted is None:
            wanted = frames[frame] = bytearray(RECORD_ID_BYTES * place.lines)
            self._dictionaries[frame] = dictionaries
        at = RECORD_ID_BYTES * place.line
        known, name = wanted[at : at + RECORD_ID_BYTES], bytes.fromhex(record)
        if known == _UNKNOWN:
            wanted[at : at + RECORD_ID_BYTES] = name
        elif known != name:
            self._more[frame].add((place.line, record))  # two rows disagree: one of them is wrong

    def packs(self) -> list[str]:
        """Names of the packs that hold needed frames, sorted."""
        return sorted(self._wanted)

    def of(self, pack: str) -> list[Frame]:
        """The needed frames of a pack, in the order in which they lie."""
        return sorted(self._wanted[pack])

    def dictionaries(self, frame: Frame) -> Dictionaries:
        """Those of a base whose points need the frame."""
        return self._dictionaries[frame]

    def noted(self, frame: Frame) -> Iterator[tuple[int, str]]:
        """Every line that is needed and the record that is to be there."""
        wanted = self._wanted[frame[0]][frame]
        for line in range(frame[3]):
            name = wanted[RECORD_ID_BYTES * line : RECORD_ID_BYTES * (line + 1)]
            if name != _UNKNOWN:
                yield line, name.hex()
        yield from self._more.get(frame, ())


def misplaced(cipher: Cipher, frame: Frame, body: bytes, frames: Frames) -> list[tuple[int, str]]:
    """Opens a frame of a pack, given the pack's bytes from its start; returns line and id of each
    record that is to be there and is not. Raises Damaged when the frame does not open."""
    pack, offset, length, _ = frame
    sealed = body[offset : offset + length]
    if len(sealed) != length:
        raise Damaged(f"pack {pack}: ends at byte {len(body)}, a frame ends at {offset + length}")
    records = open_frame(cipher, Place(*frame, 0), sealed, frames.dictionaries(frame))
    return [
        (line, record)
        for line, record in frames.noted(frame)
        if line >= len(records) or cipher.record_id(records[line]) != record
    ]


class Shelf:
    """A base with all points over it, by their layers."""

    def __init__(self, base: BlobRef) -> None:
        self.base = base
        self.stacks: dict[BlobRef | None, list[Manifest]] = defaultdict(list)

    @property
    def points(self) -> tuple[str, ...]:
        return tuple(manifest.point for manifest in chain(*self.stacks.values()))


def shelves(manifests: Iterable[Manifest]) -> list[Shelf]:
    """The points by what they share."""
    found: dict[BlobRef, Shelf] = {}
    for manifest in manifests:
        tree = manifest.tree
        found.setdefault(tree.base, Shelf(tree.base)).stacks[tree.layer].append(manifest)
    return list(found.values())


def survey(vault: Vault, shelf: Shelf, frames: Frames) -> Iterator[Broken]:
    """Note every frame that a point of the shelf needs; yields what cannot be read, and goes on."""
    try:
        base = vault.trees.open_base(shelf.base)
    except UNREADABLE as error:
        yield Broken(tree_key(shelf.base.name), error.message, shelf.points, "everything")
        return
    yield from _start(vault, shelf.base, shelf.points)
    hidden: set[int] | None = None
    for layer, manifests in shelf.stacks.items():
        points = tuple(manifest.point for manifest in manifests)
        try:
            lower = _lower(vault, len(base), layer)
        except UNREADABLE as error:
            assert layer is not None
            yield Broken(tree_key(layer.name), error.message, points, "everything")
            continue
        if layer:
            yield from _start(vault, layer, points)
        covered = _note_stack(frames, base.dictionaries, lower, manifests)
        hidden = covered if hidden is None else hidden & covered
    yield from _note_base(shelf, base, frames, hidden or set())


def losses(vault: Vault, shelf: Shelf, lost: Lost) -> Iterator[Loss]:
    """The objects of the shelf's points whose records are lost. What cannot be read at all `survey`
    has named."""
    try:
        base = vault.trees.open_base(shelf.base)
    except UNREADABLE:
        return
    below = dict(_lost_rows(base, lost))
    for layer, manifests in shelf.stacks.items():
        try:
            lower = _lower(vault, len(base), layer)
        except UNREADABLE:
            continue
        under = _shown(below, lower) | dict(_lost_in(lower, base, lower, lost))
        for manifest in manifests:
            top = _changes(lower, manifest)
            found = _shown(under, top) | dict(_lost_in(top, base, lower, lost))
            for _, (title, pack) in sorted(found.items()):
                yield Loss(manifest.point, pack, title)


def title(entry: Entry) -> str:
    """`ConfigMap shop/settings`: how people name an object."""
    return f"{entry.group_kind} {entry.namespace}/{entry.name}".replace(" /", " ")


def _start(vault: Vault, ref: BlobRef, points: tuple[str, ...]) -> Iterator[Broken]:
    """A damage that no reader meets."""
    try:
        vault.trees.check_start(ref)
    except UNREADABLE as error:
        yield Broken(tree_key(ref.name), error.message, points, "")


def _lower(vault: Vault, rows: int, layer: BlobRef | None) -> Overlay:
    lower = Overlay(rows)
    if layer:
        lower.put(vault.trees.read_layer(layer), f"tree {layer.name}")
    return lower


def _note_stack(
    frames: Frames, dictionaries: Dictionaries, lower: Overlay, manifests: list[Manifest]
) -> set[int]:
    """Note what a layer and the changes over it add; returns the ordinals that no point shows."""
    hidden: set[int] | None = None
    for manifest in manifests:
        top = _changes(lower, manifest)
        hides = top.gone | top.changed.keys()
        hidden = hides if hidden is None else hidden & hides
        _note_added(frames, dictionaries, top, set())
    covered = hidden or set()
    _note_added(frames, dictionaries, lower, covered)
    return covered | lower.gone | lower.changed.keys()


def _changes(lower: Overlay, manifest: Manifest) -> Overlay:
    top = Overlay(lower.space)
    top.put(decode_changes(manifest.tree), "the manifest's changes")
    return top


def _note_added(
    frames: Frames, dictionaries: Dictionaries, overlay: Overlay, hidden: set[int]
) -> None:
    for ordinal, (record, place) in overlay.changed.items():
        if ordinal not in overlay.gone and ordinal not in hidden:
            frames.note(record, place, dictionaries)
    for ordinal, entry in overlay.additions():
        if ordinal not in hidden:
            frames.note(entry.record, entry.place, dictionaries)


def _note_base(shelf: Shelf, base: Base, frames: Frames, hidden: set[int]) -> Iterator[Broken]:
    for start, key, count in base.leaves():
        try:
            rows = base.leaf_at(start)
        except UNREADABLE as error:
            kind, namespace, name = key[2:]
            lost = f"{count} objects from {kind} {namespace}/{name} on".replace(" /", " ")
            yield Broken(tree_key(shelf.base.name), error.message, shelf.points, lost)
            continue
        for ordinal, entry in enumerate(rows, start):
            if ordinal not in hidden:
                frames.note(entry.record, entry.place, base.dictionaries)


def _lost_rows(base: Base, lost: Lost) -> Iterator[tuple[int, tuple[str, str]]]:
    for start, _, _ in base.leaves():
        try:
            rows = base.leaf_at(start)
        except UNREADABLE:
            continue
        for ordinal, entry in enumerate(rows, start):
            if lost(entry.record, entry.place):
                yield ordinal, (title(entry), entry.place.pack)


def _lost_in(
    overlay: Overlay, base: Base, lower: Overlay, lost: Lost
) -> Iterator[tuple[int, tuple[str, str]]]:
    """What an overlay itself puts there and is lost, by ordinal."""
    for ordinal, (record, place) in overlay.changed.items():
        if ordinal not in overlay.gone and lost(record, place):
            yield ordinal, (_title_of(ordinal, base, lower), place.pack)
    for ordinal, entry in overlay.additions():
        if lost(entry.record, entry.place):
            yield ordinal, (title(entry), entry.place.pack)


def _title_of(ordinal: int, base: Base, lower: Overlay) -> str:
    try:
        rows = len(base)
        return title(base.row(ordinal) if ordinal < rows else lower.added[ordinal - rows])
    except UNREADABLE:
        return f"object {ordinal} of tree {base.ref.name}, whose name is lost, too"


def _shown(found: dict[int, tuple[str, str]], above: Overlay) -> dict[int, tuple[str, str]]:
    """What of these rows an overlay above them leaves to be seen."""
    return {o: one for o, one in found.items() if o not in above.changed and o not in above.gone}
