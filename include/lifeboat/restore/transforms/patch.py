"""JSON patches (RFC 6902), done by the library jsonpatch; here are `*` in paths, replacing a part
of a text, and messages without values, since an object may be a Secret."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from jsonpatch import JsonPatchException, JsonPatchTestFailed, apply_patch
from jsonpointer import JsonPointerException

from lifeboat.restore.transforms.model import Operation
from lifeboat.restore.transforms.pointers import expand, values


class TestFailed(Exception):  # noqa: N818 - a condition that does not hold, no error
    """An operation `test` found another value: the patch is not meant for this object."""

    __test__ = False  # pytest would collect it


class CannotApply(Exception):  # noqa: N818 - told as a part of a sentence
    """An operation that is not possible on this object; says which and where."""


def json_patch(body: Any, operations: Sequence[Operation]) -> Any:
    """The patched object, which may be another one; `body` is used up.

    Raises TestFailed, and CannotApply with the position of the operation.
    """
    for position, operation in enumerate(operations):
        try:
            for plain in _plain(body, operation):
                body = apply_patch(body, [plain], in_place=True)
        except JsonPatchTestFailed:
            raise TestFailed from None
        except (JsonPatchException, JsonPointerException):
            raise CannotApply(
                f"jsonPatch[{position}]: {operation.op} of {_where(operation)}: nothing is there,"
                " or nothing of that kind can be"
            ) from None
        except _NotText as error:
            raise CannotApply(f"jsonPatch[{position}]: {error} is no text") from None
    return body


def equals(body: Any, pointer: str, value: Any) -> bool:
    """Whether what is there is this value, as JSON compares; with `*`, one of them."""
    for plain in expand(body, pointer):
        try:
            apply_patch(body, [{"op": "test", "path": plain, "value": value}], in_place=True)
        except JsonPatchTestFailed:
            continue
        return True
    return False


class _NotText(Exception):  # noqa: N818 - told as a part of a sentence
    """The pointer at which something else than text is."""


def _plain(body: Any, operation: Operation) -> Iterable[dict[str, Any]]:
    """The operation as the library knows it, once for each place that its path stands for."""
    known = operation.model_dump(by_alias=True, include=operation.model_fields_set - {"regex"})
    if operation.op == "move":  # into one place
        return [known]
    paths = expand(body, operation.path)
    if operation.op == "remove":
        paths.reverse()  # the positions of what is still to go stay
    if operation.regex:
        return [_replaced(body, operation, path) for path in paths]
    return [{**known, "path": path} for path in paths]


def _replaced(body: Any, operation: Operation, path: str) -> dict[str, Any]:
    found = values(body, path)
    if not found:
        raise JsonPointerException
    if not isinstance(found[0], str):
        raise _NotText(path)
    text = re.sub(operation.regex, str(operation.value), found[0])
    return {"op": "replace", "path": path, "value": text}


def _where(operation: Operation) -> str:
    return f"{operation.from_} to {operation.path}" if operation.from_ else operation.path
