"""What differs between two points, object by object, by the ids of their records.

No record is read. Points that share a base are told apart by their layers and changes, and only
leaves with a differing row are read; points on different bases are merged row by row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from lifeboat.point.contents import Contents, Overlay
from lifeboat.point.wanted import EVERYTHING, Wanted
from lifeboat.vault.rows import Entry, Key

After = TypeVar("After")


class Difference(NamedTuple, Generic[After]):
    """An object that is only in one of two points, or has another record in each; None is where it
    is not. `after` is an Entry, or what else somebody compares a point with."""

    key: Key
    before: Entry | None
    after: After | None


def compare(
    before: Contents, after: Contents, wanted: Wanted = EVERYTHING
) -> list[Difference[Entry]]:
    """What differs of the wanted objects, in ascending order of key."""
    if before.ref == after.ref:
        return []
    if before.ref.base == after.ref.base:
        return across_versions(_compare_overlays(before, after, wanted))
    return across_versions(_merge(before.select(wanted), after.select(wanted)))


def across_versions(found: Iterable[Difference[After]]) -> list[Difference[After]]:
    """The same, with an object that went at one API version and came at another as one that is
    there on both sides: after an upgrade of the cluster the server shows it at a newer one."""
    told = {difference.key: difference for difference in found}
    gone = {_name(d.key): d for d in told.values() if d.after is None}
    for key, came in list(told.items()):
        went = gone.get(_name(key)) if came.before is None else None
        if went is not None:
            del told[went.key]
            told[key] = came._replace(before=went.before)
    return list(told.values())


def _name(key: Key) -> tuple[str, ...]:
    """The key without its version."""
    return (key[0], *key[2:])


def _compare_overlays(
    before: Contents, after: Contents, wanted: Wanted
) -> Iterator[Difference[Entry]]:
    rows: list[dict[Key, Entry]] = [{}, {}]
    overlays = (before.overlay, after.overlay)
    for ordinal in _differing(*overlays):
        entry = before.base.row(ordinal)
        for overlay, found in zip(overlays, rows, strict=True):
            seen = overlay.seen(ordinal, entry)
            if seen is not None:
                found[seen.key] = seen
    for overlay, found in zip(overlays, rows, strict=True):
        found.update((entry.key, entry) for _, entry in overlay.additions())
    for key in sorted(rows[0].keys() | rows[1].keys()):
        if wanted.matches(key):
            yield from _told(key, rows[0].get(key), rows[1].get(key))


def _differing(one: Overlay, other: Overlay) -> list[int]:
    """Rows of the base that the two show differently, as far as can be told without it."""
    touched = one.changed.keys() | other.changed.keys() | one.gone | other.gone
    return sorted(
        ordinal
        for ordinal in touched
        if ordinal < one.rows
        and (
            (ordinal in one.gone) != (ordinal in other.gone)
            or one.changed.get(ordinal) != other.changed.get(ordinal)
        )
    )


def _merge(before: Iterator[Entry], after: Iterator[Entry]) -> Iterator[Difference[Entry]]:
    left, right = next(before, None), next(after, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.key < right.key):
            assert left is not None  # one of the two is there
            yield Difference(left.key, left, None)
            left = next(before, None)
        elif left is None or right.key < left.key:
            yield Difference(right.key, None, right)
            right = next(after, None)
        else:
            yield from _told(left.key, left, right)
            left, right = next(before, None), next(after, None)


def _told(key: Key, before: Entry | None, after: Entry | None) -> Iterator[Difference[Entry]]:
    if (before and before.record) != (after and after.record):
        yield Difference(key, before, after)
