"""What differs between two JSON objects, field by field, for people.

Pure. A list whose items all have a name (or what stands for one) is compared by it, so that an item
put in front is one difference and not one an item; other lists are compared as a whole, or by
position when they are equally long lists of objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from lifeboat.ports.cluster import Json
from lifeboat.report.kept import Path, kept_field
from lifeboat.report.secrets import Hidden, plain


class _Absent:
    """No such field, which differs from `null`."""


ABSENT = _Absent()

# What tells the items of a list apart, as kubectl's strategic merge does (k8s.io/api, the fields'
# `patchMergeKey`); the first that all items of both lists have, each another, is used.
_NAMES = ("name", "mountPath", "devicePath", "containerPort", "port", "type", "key", "ip", "uid")

_LONG = 100
_AROUND = 12


@dataclass(frozen=True)
class Field:
    """One difference. A value is JSON, ABSENT or Hidden; a segment of `path` is a field, the name
    of a list's item in brackets, or its position."""

    path: Path
    before: Any
    after: Any

    @property
    def by_server(self) -> bool:
        """Whether the server or a controller set this field by itself."""
        return kept_field(self.path, self.before, self.after)

    @property
    def place(self) -> str:
        """`spec.containers[web].ports[0]`, `metadata.labels["app.kubernetes.io/name"]`."""
        return _place(self.path)


def diff(before: Json, after: Json) -> list[Field]:
    """Every difference, in order of path; none exactly when the two are equal as JSON."""
    return list(_diff((), before, after))


def _diff(path: Path, before: Any, after: Any) -> Iterator[Field]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from _diff((*path, name), before.get(name, ABSENT), after.get(name, ABSENT))
    elif isinstance(before, list) and isinstance(after, list):
        yield from _diff_lists(path, before, after)
    elif isinstance(before, dict) and before and after is ABSENT:
        yield from _diff(path, before, {})
    elif isinstance(after, dict) and after and before is ABSENT:
        yield from _diff(path, {}, after)
    elif not _same(before, after):
        yield Field(path, before, after)


def _diff_lists(path: Path, before: list[Any], after: list[Any]) -> Iterator[Field]:
    name = _naming(before, after)
    if name:
        old, new = ({f"[{item[name]}]": item for item in items} for items in (before, after))
        for item in dict.fromkeys((*old, *new)):
            if item in old and item in new:
                yield from _diff((*path, item), old[item], new[item])
            else:
                yield Field((*path, item), old.get(item, ABSENT), new.get(item, ABSENT))
        common = [
            [item for item in one if item in other] for one, other in ((old, new), (new, old))
        ]
        if common[0] != common[1]:
            yield Field((*path, "[order]"), " ".join(common[0]), " ".join(common[1]))
    elif len(before) == len(after) and all(isinstance(i, dict) for i in (*before, *after)):
        for position, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _diff((*path, position), one, other)
    elif len(before) != len(after) or list(_pairs(before, after)):
        yield Field(path, before, after)


def _pairs(before: list[Any], after: list[Any]) -> Iterator[Field]:
    for one, other in zip(before, after, strict=True):
        yield from _diff((), one, other)


def _naming(before: list[Any], after: list[Any]) -> str:
    """The field that names the items of both lists; empty when there is none."""
    if not before and not after:
        return ""
    for name in _NAMES:
        if all(_named_by(name, items) for items in (before, after)):
            return name
    return ""


def _named_by(name: str, items: list[Any]) -> bool:
    names = [item.get(name) for item in items if isinstance(item, dict)]
    usable = len(names) == len(items) and all(type(one) in (str, int) for one in names)
    return usable and len({str(one) for one in names}) == len(names)


def _same(before: Any, after: Any) -> bool:
    """As JSON: `true` is not 1."""
    return type(before) is type(after) and bool(before == after)


def _place(path: Path) -> str:
    text = ""
    for segment in path:
        if isinstance(segment, int):
            text += f"[{segment}]"
        elif segment.startswith("["):
            text += segment
        elif segment.replace("_", "").replace("-", "").isalnum():
            text += f".{segment}" if text else segment
        else:
            text += f'["{segment}"]'
    return text


def spell(field: Field) -> str:
    """One line: `spec.replicas: 2 → 3`; of a hidden value only that it changed, and its size."""
    if isinstance(field.before, Hidden) or isinstance(field.after, Hidden):
        return f"{field.place}: {_spell_hidden(field)}"
    if isinstance(field.before, str) and isinstance(field.after, str):
        line, before, after = _differing_lines(field.before, field.after)
        where = f"{field.place}, from line {line}" if line else field.place
        before, after = _cut_to_difference(before, after)
        return f"{where}: {before} → {after}"
    return f"{field.place}: {value(field.before)} → {value(field.after)}"


def value(what: Any) -> str:
    """A value on one line, cut in the middle when it is long."""
    if what is ABSENT:
        return "(none)"
    if isinstance(what, Hidden):
        return str(what)
    return _cut(msgspec.json.encode(plain(what)).decode())


def _spell_hidden(field: Field) -> str:
    if field.after is ABSENT:
        return f"removed ({field.before.size} bytes)"
    size = field.after.size if isinstance(field.after, Hidden) else 0
    return f"{'added' if field.before is ABSENT else 'changed'} ({size} bytes)"


def _differing_lines(before: str, after: str) -> tuple[int, str, str]:
    """Texts of several lines without the lines that they begin and end with alike, and the number
    of the first that is left, from 1; 0 where the texts stay whole."""
    if "\n" not in before or "\n" not in after:
        return 0, before, after
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    left = ["".join(lines[head : len(lines) - tail]) for lines in (old, new)]
    if all(text.endswith("\n") for text in left):
        left = [text[:-1] for text in left]
    return head + 1, left[0], left[1]


def _alike(one: Sequence[str], other: Sequence[str]) -> int:
    """How many items the two begin with alike."""
    shortest = min(len(one), len(other))
    return next((n for n in range(shortest) if one[n] != other[n]), shortest)


def _cut_to_difference(before: str, after: str) -> tuple[str, str]:
    """Long texts without most of what they begin and end with alike."""
    if max(len(before), len(after)) <= _LONG:
        return value(before), value(after)
    head = _alike(before, after)
    tail = _alike(before[head:][::-1], after[head:][::-1])
    start, end = max(0, head - _AROUND), max(0, tail - _AROUND)
    return _window(before, start, end), _window(after, start, end)


def _window(text: str, start: int, end: int) -> str:
    shown = value(text[start : len(text) - end])
    return f"{'…' if start else ''}{shown}{'…' if end else ''}"


def _cut(text: str) -> str:
    if len(text) <= _LONG:
        return text
    half = _LONG // 2 - 2
    return f"{text[:half]} … {text[-half:]} ({len(text)} characters)"
