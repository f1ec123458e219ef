"""What pydantic found wrong, told to a person: file, line, field, what was found, what is right.

A value is shown only where it cannot be a secret.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from lifeboat.errors import Problem
from lifeboat.policy.document import Document
from lifeboat.policy.fields import HIDDEN, REFUSED, Strict

Path = tuple[str | int, ...]

_SENSITIVE = frozenset({"key", "connectionString", "connection", "kubeconfig", "url"})
_TYPES = {
    "string_type": "text; put numbers and other words in quotes",
    "int_type": "a whole number, such as 7",
    "float_type": "a number, such as 0.02",
    "bool_type": "a switch: true or false",
    "tuple_type": "a list, such as [a, b]",
    "dict_type": "a mapping of key: value",
}


def to_problems(error: ValidationError, document: Document, model: type[Strict]) -> list[Problem]:
    """One Problem for each error, by line."""
    details = error.errors(include_url=False)
    wrong = {detail["loc"] for detail in details}
    problems = [
        _problem(detail, document, model)
        for detail in details
        # A list whose items are all wrong is also "too short": the items tell it better.
        if not (
            detail["type"] == "too_short" and any(_below(path, detail["loc"]) for path in wrong)
        )
    ]
    return sorted(problems, key=lambda problem: (problem.line or 0, problem.field))


def paths_of(error: ValidationError) -> Iterator[Path]:
    """Where in the document each error lies."""
    for detail in error.errors(include_url=False):
        at = detail.get("ctx", {})["at"] if detail["type"] == REFUSED else ()
        yield (*detail["loc"], *at)


def _below(path: Path, around: Path) -> bool:
    return len(path) > len(around) and path[: len(around)] == around


def problem_at(document: Document, path: Path, found: str, expected: str) -> Problem:
    """A Problem at `path` of the document."""
    place = document.place(path)
    return Problem(place.file, place.line, dotted(place.path), found, expected)


def dotted(path: Path) -> str:
    """`("clusters", 0, "name")` as `clusters[0].name`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def closest(word: str, known: Iterable[str]) -> str:
    """` (did you mean "retention"?)` when one of `known` is near, else empty."""
    names = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), names, n=1)
    return f' (did you mean "{names[near[0]]}"?)' if near else ""


def _problem(detail: ErrorDetails, document: Document, model: type[Strict]) -> Problem:
    path: Path = detail["loc"]
    context: Mapping[str, Any] = detail.get("ctx", {})
    if detail["type"] == REFUSED:
        path = (*path, *context["at"])
        found = context["found"] or _shown(path, detail["input"])
        return problem_at(document, path, found, context["expected"])
    if detail["type"] == "extra_forbidden":
        return problem_at(document, path, f'the unknown key "{path[-1]}"', _known(model, path))
    if detail["type"] == "missing":
        return problem_at(document, path, "nothing", _described("a value", model, path))
    expected = _expected(detail["type"], context, model, path)
    return problem_at(document, path, _shown(path, detail["input"]), expected)


def _expected(kind: str, context: Mapping[str, Any], model: type[Strict], path: Path) -> str:
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in ("model_type", "model_attributes_type"):
        shape = _model_at(model, path)
        keys = ", ".join(_fields(shape)) if shape else ""
        return f"a mapping with the keys {keys}"
    if kind == "literal_error":
        return f"one of {context['expected']}"
    if kind == "greater_than_equal":
        return _described(f"{context['ge']} or more", model, path)
    if kind in ("too_short", "string_too_short"):
        return _described("at least one item", model, path)
    return _described("another value", model, path)


def _known(model: type[Strict], path: Path) -> str:
    shape = _model_at(model, path[:-1])
    keys = list(_fields(shape)) if shape else []
    return f"one of {', '.join(keys)}{closest(str(path[-1]), keys)}"


def _described(expected: str, model: type[Strict], path: Path) -> str:
    """`expected`, with the field's own description behind it."""
    names = tuple(step for step in path if isinstance(step, str))
    shape = _model_at(model, names[:-1])
    field = _fields(shape).get(names[-1]) if shape and names else None
    return f"{expected}. {field.description}" if field and field.description else expected


def _fields(model: type[Strict]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_at(model: type[Strict], path: Path) -> type[Strict] | None:
    """The model that is validated at `path` below `model`."""
    shape: type[Strict] | None = model
    by_name = False  # the step is a name that a person chose, not a field
    for step in path:
        if isinstance(step, int) or shape is None or by_name:
            by_name = False
            continue
        field = _fields(shape).get(step)
        by_name = field is not None and typing.get_origin(field.annotation) is dict
        shape = _strict_in(field.annotation) if field else None
    return shape


def _strict_in(annotation: Any) -> type[Strict] | None:
    if isinstance(annotation, type) and issubclass(annotation, Strict):
        return annotation
    inner = (_strict_in(argument) for argument in typing.get_args(annotation))
    return next((found for found in inner if found), None)


def _shown(path: Path, value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "an empty list" if not value else "a list"
    if _SENSITIVE & set(path):
        return HIDDEN
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
