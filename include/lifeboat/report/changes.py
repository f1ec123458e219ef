"""Changes of objects between a point and a later one, or the cluster, as lines and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from lifeboat.ports.cluster import Json
from lifeboat.report.diff import ABSENT, Field, diff, spell
from lifeboat.report.kept import is_copy, made_in_every_namespace, may_be_copy
from lifeboat.report.secrets import hide, plain
from lifeboat.vault.rows import Key

How = Literal["added", "removed", "changed"]
HOWS: tuple[How, ...] = ("added", "removed", "changed")

Counts = dict[str, dict[How, int]]
"""How many objects of each kind were added, removed and changed."""


@dataclass(frozen=True)
class ObjectChange:
    """One object: what people wrote (`fields`), and what the server and controllers set by
    themselves. Both are empty where an object was added or removed, or was not looked into;
    `copy` says that a controller, or each new namespace, makes the object by itself."""

    key: Key
    how: How
    fields: tuple[Field, ...] = ()
    by_server: tuple[Field, ...] = ()
    copy: bool = False

    @property
    def kind(self) -> str:
        """`Deployment.apps`."""
        return f"{self.key[2]}.{self.key[0]}" if self.key[0] else self.key[2]

    @property
    def recreated(self) -> bool:
        """Whether it is another object of the same name: deleted and made anew."""
        return any(field.path == ("metadata", "uid") for field in self.by_server)

    @property
    def of_itself(self) -> bool:
        """Whether the cluster does this by itself, with nothing that somebody wrote or removed."""
        return self.copy or bool(self.by_server and not self.fields)


def needs_record(key: Key) -> bool:
    """Whether only the record of an added or removed object says if it came and went by itself."""
    return may_be_copy(key)


def unread(key: Key, before: object, after: object) -> ObjectChange:
    """A change that is told without a look into records; None is a side without the object."""
    if before is not None and after is not None:
        return ObjectChange(key, "changed")
    how: How = "added" if before is None else "removed"
    return ObjectChange(key, how, copy=made_in_every_namespace(key))


def looked_into(key: Key, before: bytes | None, after: bytes | None) -> ObjectChange:
    """What differs between two records of one object; values of Secrets stay hidden. None is a side
    without the object."""
    if before is None or after is None:
        change = unread(key, before, after)
        copy = any(record is not None and is_copy(key, record) for record in (before, after))
        return replace(change, copy=change.copy or copy)
    old, new = (hide(msgspec.json.decode(record, type=Json)) for record in (before, after))
    fields = diff(old, new)
    return ObjectChange(
        key,
        "changed",
        tuple(field for field in fields if not field.by_server),
        tuple(field for field in fields if field.by_server),
        is_copy(key, before) and is_copy(key, after),
    )


def lines(change: ObjectChange, *, everything: bool) -> Iterator[str]:
    """The object, and a line for each field; with `everything` also what the server set, last."""
    namespace, name = change.key[3:]
    note = "  (deleted and made anew)" if change.recreated else ""
    yield f"{change.how:8} {change.kind} {namespace + '/' if namespace else ''}{name}{note}"
    for field in change.fields:
        yield f"    {spell(field)}"
    if change.by_server and everything:
        yield "    set by the server and controllers:"
        for field in change.by_server:
            yield f"      {spell(field)}"


def as_document(change: ObjectChange, *, everything: bool) -> dict[str, object]:
    """The same as JSON; whole values, those of Secrets as `<12 bytes>`, absent ones not at all."""
    document: dict[str, object] = {
        "kind": change.kind, "namespace": change.key[3], "name": change.key[4],
        "change": change.how,
    }  # fmt: skip
    if change.how == "changed":
        document["fields"] = [_field(field) for field in change.fields]
        if everything:
            document["set_by_server"] = [_field(field) for field in change.by_server]
    return document


def tally(counts: Counts, change: ObjectChange) -> None:
    """Count one more."""
    numbers = counts.setdefault(change.kind, dict.fromkeys(HOWS, 0))
    numbers[change.how] += 1


def _field(field: Field) -> dict[str, object]:
    document: dict[str, object] = {"path": field.place}
    for name, what in (("before", field.before), ("after", field.after)):
        if what is not ABSENT:
            document[name] = plain(what)
    return document
