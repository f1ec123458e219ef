"""The contents of the next point, from those of the previous one and from what a run saw.

Small changes go into the manifest itself; when they grow beyond a bound they become a layer, and
when the layer does, a new base. The bounds keep the sum of the three near its least: with n rows,
changes are rewritten with every point, a layer every few dozen points, a base every few hundred.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

import msgspec

from lifeboat.point.contents import Contents, Overlay, TreeRef, make_layer
from lifeboat.vault.records import Place
from lifeboat.vault.rows import Entry
from lifeboat.vault.trees import Layer, Trees

_FEWEST = 32
_NEW = -1


@dataclass(frozen=True)
class Seen:
    """What a run saw: `kept` marks (1) the ordinals of the previous point that are unchanged;
    `stored` iterates over everything else, each with its ordinal in the previous point or -1, in
    ascending order of key, as often as it is called; `count` is how many those are."""

    kept: bytearray
    count: int
    stored: Callable[[], Iterator[tuple[int, Entry]]]


def most_changes(rows: int) -> int:
    """Rows that a manifest carries before they become a layer."""
    return max(_FEWEST, int(rows**0.5))


def most_in_layer(rows: int) -> int:
    """Rows of a layer before it becomes a base."""
    return max(_FEWEST, int(rows**0.833))


def next_tree(
    trees: Trees, previous: Contents | None, seen: Seen, dictionaries: Sequence[bytes]
) -> TreeRef:
    """Store what has to be stored and return where the contents of the new point lie."""
    if previous is not None and tuple(dictionaries) == previous.dictionaries.stored:
        lost = previous.overlay.space - seen.kept.count(1)
        if max(lost, seen.count) <= most_in_layer(len(previous.base)) + len(previous.overlay.gone):
            small = _revise(trees, previous, seen)
            if small is not None:
                return small
    entries = heapq.merge(
        _unchanged(previous, seen.kept) if previous else iter(()),
        (entry for _, entry in seen.stored()),
        key=attrgetter("key"),
    )
    return TreeRef(trees.write_base(entries, dictionaries), _pack({}, set(), []))


def _unchanged(previous: Contents, kept: bytearray) -> Iterator[Entry]:
    overlay = previous.overlay
    shown = (overlay.seen(o, entry) for o, entry in enumerate(previous.base) if kept[o])
    added = sorted((e for o, e in overlay.additions() if kept[o]), key=attrgetter("key"))
    return heapq.merge((e for e in shown if e is not None), added, key=attrgetter("key"))


def _revise(trees: Trees, previous: Contents, seen: Seen) -> TreeRef | None:
    """The same base under new changes or a new layer; None when a new base is due."""
    lower, overlay = previous.lower, previous.overlay
    changed = {
        ordinal: place
        for ordinal, place in overlay.changed.items()
        if seen.kept[ordinal] and lower.changed.get(ordinal) != place
    }
    added = [e for o, e in overlay.additions() if o >= lower.space and seen.kept[o]]
    for ordinal, entry in seen.stored():
        if _NEW < ordinal < lower.space:
            changed[ordinal] = (entry.record, entry.place)
        else:
            added.append(entry)
    lost = {o for o in range(lower.space) if not seen.kept[o]}
    gone = lost - changed.keys() - lower.gone
    if len(changed) + len(gone) + len(added) <= most_changes(lower.rows):
        return msgspec.structs.replace(previous.ref, changes=_pack(changed, gone, added))
    whole = _merged(lower, changed, gone, added)
    if len(whole) > most_in_layer(lower.rows):
        return None
    return TreeRef(previous.ref.base, _pack({}, set(), []), trees.write_layer(whole))


def _merged(
    lower: Overlay, changed: dict[int, tuple[str, Place]], gone: set[int], added: list[Entry]
) -> Layer:
    """A layer over the base alone: the one there was, with changes laid over it."""
    whole = lower.copy()
    whole.changed.update(changed)
    whole.gone |= gone
    return make_layer(
        {o: p for o, p in whole.changed.items() if o < lower.rows and o not in whole.gone},
        {o for o in whole.gone if o < lower.rows},
        [*(entry for _, entry in whole.additions()), *added],
    )


def _pack(changed: dict[int, tuple[str, Place]], gone: set[int], added: list[Entry]) -> bytes:
    return msgspec.msgpack.encode(make_layer(changed, gone, added))
