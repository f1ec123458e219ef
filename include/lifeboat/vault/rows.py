"""Rows: what a point holds of one object, and the compact form of many of them.

A row's columns are stored apart, since equal things then lie side by side and compress well; packs,
frames, kinds and namespaces are named by position in small tables. MessagePack, not JSON: record
ids and pack names are random bytes, and half of an hourly point is made of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

import msgspec

from lifeboat.errors import Damaged
from lifeboat.vault.crypto import RECORD_ID_BYTES
from lifeboat.vault.records import Place

_PACK_BYTES = 8

Key = tuple[str, str, str, str, str]


class Entry(NamedTuple):
    """One object: its group, version and kind as captured, its namespace ("" for the cluster
    scope) and name, and where its record lies."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str
    record: str
    place: Place

    @property
    def key(self) -> Key:
        """What rows are sorted by: kinds together, as listings arrive."""
        return self[:5]

    @property
    def group_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


class Places(msgspec.Struct, array_like=True, frozen=True):
    """Where records lie: per record its id and line, and its frame by position in a table."""

    packs: bytes
    frame_pack: list[int]
    frame_offset: list[int]
    frame_length: list[int]
    frame_lines: list[int]
    records: bytes
    frame: list[int]
    line: list[int]


class Rows(msgspec.Struct, array_like=True, frozen=True):
    """Many entries, in the order they were given."""

    kinds: list[tuple[str, str, str]]
    namespaces: list[str]
    kind: list[int]
    namespace: list[int]
    name: list[str]
    places: Places


def encode_places(found: Sequence[tuple[str, Place]]) -> Places:
    """Record ids and places, in order."""
    frames: dict[tuple[str, int, int, int], int] = {}
    frame = [frames.setdefault(place[:4], len(frames)) for _, place in found]
    packs = {pack: index for index, pack in enumerate(dict.fromkeys(f[0] for f in frames))}
    return Places(
        packs=b"".join(map(bytes.fromhex, packs)),
        frame_pack=[packs[f[0]] for f in frames],
        frame_offset=[f[1] for f in frames],
        frame_length=[f[2] for f in frames],
        frame_lines=[f[3] for f in frames],
        records=b"".join(bytes.fromhex(record) for record, _ in found),
        frame=frame,
        line=[place.line for _, place in found],
    )


def decode_places(places: Places) -> list[tuple[str, Place]]:
    """The inverse of `encode_places`. Raises IndexError on a table that is too short."""
    packs = pack_names(places)
    frames = zip(
        [packs[index] for index in places.frame_pack],
        places.frame_offset,
        places.frame_length,
        places.frame_lines,
        strict=True,
    )
    table = list(frames)
    records = split_hex(places.records, RECORD_ID_BYTES)
    return [
        (record, Place(*table[frame], line))
        for record, frame, line in zip(records, places.frame, places.line, strict=True)
    ]


def pack_names(places: Places) -> list[str]:
    """The packs that these records lie in."""
    return split_hex(places.packs, _PACK_BYTES)


def encode_rows(entries: Iterable[Entry]) -> Rows:
    """Entries in the order given."""
    ordered = list(entries)
    kinds: dict[tuple[str, str, str], int] = {}
    namespaces: dict[str, int] = {}
    return Rows(
        kind=[kinds.setdefault(entry[:3], len(kinds)) for entry in ordered],
        namespace=[namespaces.setdefault(e.namespace, len(namespaces)) for e in ordered],
        name=[entry.name for entry in ordered],
        places=encode_places(list(map(itemgetter(5, 6), ordered))),
        kinds=list(kinds),
        namespaces=list(namespaces),
    )


def decode_rows(rows: Rows, what: str) -> list[Entry]:
    """The inverse of `encode_rows`. Raises Damaged, naming `what`."""
    try:
        return [
            Entry(*rows.kinds[kind], rows.namespaces[namespace], name, record, place)
            for kind, namespace, name, (record, place) in zip(
                rows.kind, rows.namespace, rows.name, decode_places(rows.places), strict=True
            )
        ]
    except (IndexError, ValueError) as error:
        raise Damaged(f"{what}: its columns do not fit together: {error}") from error


def split_hex(data: bytes, width: int) -> list[str]:
    """Consecutive names of `width` bytes, as hex digits."""
    text, digits = data.hex(), 2 * width
    return [text[start : start + digits] for start in range(0, len(text), digits)]
