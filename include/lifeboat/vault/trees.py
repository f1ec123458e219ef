"""Trees: the sorted list of what a point holds of one namespace, or of the cluster scope.

A tree is a record itself. It names packs by position in its own small table, so that the 32 digits
of a pack's name stand in it once, and an unchanged namespace gives the very same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from lifeboat.errors import Damaged
from lifeboat.vault.records import Place


class Entry(NamedTuple):
    """One object: its group, version and kind as captured, its name, and where its record lies."""

    group: str
    version: str
    kind: str
    name: str
    record: str
    place: Place

    @property
    def group_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind


_Row = tuple[str, str, str, str, str, int, int, int, int, int]


class _TreeDocument(msgspec.Struct, frozen=True):
    """`namespace` is "" for the cluster scope; a row is group, version, kind, name, record id, then
    the place with the pack as an index into `packs`."""

    namespace: str
    packs: list[str]
    rows: list[_Row]


_decoder = msgspec.json.Decoder(_TreeDocument)


def encode_tree(namespace: str, entries: Iterable[Entry]) -> bytes:
    """The record of a tree; entries are sorted here, so their order does not matter."""
    ordered = sorted(entries)
    packs = sorted({entry.place.pack for entry in ordered})
    position = {pack: index for index, pack in enumerate(packs)}
    rows = [(*entry[:5], position[entry.place.pack], *entry.place[1:]) for entry in ordered]
    return msgspec.json.encode(_TreeDocument(namespace, packs, rows))


def decode_tree(content: bytes, what: str) -> tuple[str, list[Entry]]:
    """Namespace and entries. Raises Damaged, naming `what`, when the record is no tree."""
    try:
        document = _decoder.decode(content)
        entries = [
            Entry(*row[:5], Place(document.packs[row[5]], *row[6:])) for row in document.rows
        ]
    except (msgspec.DecodeError, IndexError) as error:
        raise Damaged(f"{what}: is not a tree: {error}") from error
    return document.namespace, entries
