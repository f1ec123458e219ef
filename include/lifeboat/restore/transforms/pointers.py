"""JSON pointers (RFC 6901) in which `*` stands for each item of a list.

No list has an item called `*`, so nothing that RFC 6901 can say is lost; where the value is an
object, `*` is the field of this name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jsonpointer import EndOfList, JsonPointer, JsonPointerException

EACH = "*"


def expand(body: Any, pointer: str) -> list[str]:
    """The plain pointers that it stands for in `body`, in order; without `*` the pointer itself,
    whether there is something or not."""
    parts = JsonPointer(pointer).parts
    return [pointer] if EACH not in parts else list(_expand(body, parts, ()))


def _expand(body: Any, parts: list[str], done: tuple[str, ...]) -> Iterator[str]:
    if EACH not in parts:
        yield str(JsonPointer.from_parts((*done, *parts)))
        return
    step, rest = parts[0], parts[1:]
    if step == EACH and isinstance(body, list):
        for position, item in enumerate(body):
            yield from _expand(item, rest, (*done, str(position)))
    elif isinstance(body, (dict, list)):
        inside = JsonPointer.from_parts([step]).resolve(body, None)
        yield from _expand(inside, rest, (*done, step))


def values(body: Any, pointer: str) -> list[Any]:
    """What is there: nothing, the value, or with `*` those of all items that have it."""
    found = []
    for plain in expand(body, pointer):
        try:
            found.append(JsonPointer(plain).resolve(body))
        except JsonPointerException:
            continue
    return [one for one in found if not isinstance(one, EndOfList)]
