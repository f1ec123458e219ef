"""Puts together what the shards of one run saw, without holding all of it."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import msgspec

from lifeboat.errors import Damaged
from lifeboat.point.contents import Contents
from lifeboat.point.successor import Seen
from lifeboat.steps.scope import Part, StoredRows
from lifeboat.vault.rows import Entry, Key, Rows, decode_rows
from lifeboat.vault.vault import Vault

_rows = msgspec.msgpack.Decoder(Rows)


def gather(vault: Vault, parts: Sequence[Part], previous: Contents | None) -> Seen:
    """What all parts saw, against the previous point."""
    kept = bytearray(previous.overlay.space if previous else 0)
    for part in parts:
        for start, length in zip(part.kept[::2], part.kept[1::2], strict=True):
            kept[start : start + length] = b"\1" * length
    count = sum(part.new_objects for part in parts)
    return Seen(kept, count, lambda: _merge(vault, parts))


def _merge(vault: Vault, parts: Sequence[Part]) -> Iterator[tuple[int, Entry]]:
    """Stored rows of all parts by key; a spilled document is opened when its first row is due."""
    waiting = [(spilled.first, spilled.document) for part in parts for spilled in part.spilled]
    heapq.heapify(waiting)
    open_runs: list[tuple[Key, int, int, Entry, Iterator[tuple[int, Entry]]]] = []
    for number, part in enumerate(parts):
        _push(open_runs, number, _decode(part.stored, part.shard))
    number, last = len(parts), None
    while open_runs or waiting:
        if waiting and (not open_runs or waiting[0][0] <= open_runs[0][0]):
            _, document = heapq.heappop(waiting)
            number += 1
            _push(open_runs, number, _decode(vault.get_document(document, StoredRows), document))
            continue
        key, run, ordinal, entry, rest = heapq.heappop(open_runs)
        _push(open_runs, run, rest)
        if key != last:
            yield ordinal, entry
        last = key


def _push(
    runs: list[tuple[Key, int, int, Entry, Iterator[tuple[int, Entry]]]],
    number: int,
    rows: Iterator[tuple[int, Entry]],
) -> None:
    for ordinal, entry in rows:
        heapq.heappush(runs, (entry.key, number, ordinal, entry, rows))
        return


def _decode(stored: StoredRows, what: str) -> Iterator[tuple[int, Entry]]:
    try:
        entries = decode_rows(_rows.decode(stored.rows), what)
        return iter(list(zip(stored.ordinals, entries, strict=True)))
    except (msgspec.DecodeError, ValueError) as error:
        raise Damaged(f"{what}: its rows cannot be read: {error}") from error
