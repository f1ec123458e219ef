"""Transforms, read and applied: which rules are for an object, what they make of it, what to say.

Pure. A restore keeps the texts in its request, so that the plan that is approved says what is
applied, and a file that is edited later changes nothing.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from lifeboat.errors import PolicyError, Problem, TransformFailed
from lifeboat.point.wanted import Wanted
from lifeboat.policy import selectors
from lifeboat.policy.document import parse_document
from lifeboat.policy.globs import any_matches
from lifeboat.policy.load import read_document, validated
from lifeboat.ports.cluster import Json
from lifeboat.report.diff import Field, diff, spell
from lifeboat.report.secrets import hide
from lifeboat.restore.transforms.maps import apply_maps
from lifeboat.restore.transforms.merge import merge_patch
from lifeboat.restore.transforms.model import IDENTITY, Maps, Match, Rule, Transform
from lifeboat.restore.transforms.patch import CannotApply, TestFailed, equals, json_patch
from lifeboat.restore.transforms.pointers import values
from lifeboat.restore.transforms.strategic import built_in, strategic_merge

FOLDER = "transforms"


class TransformText(msgspec.Struct, frozen=True):
    """A transform as it was written, and what it is called: its file without the ending."""

    name: str
    text: str


def read_transform(include: Path, written: str) -> TransformText:
    """By its path, or by the name of a file in `<include>/transforms`. Raises PolicyError when it
    cannot be read or is no transform."""
    path = Path(written)
    if not path.suffix:
        path = include / FOLDER / f"{written}.yaml"
    found = TransformText(path.stem, read_document(path).text)
    _parse(found, str(path))
    return found


def transform_names(include: Path) -> list[str]:
    """The names of all files in `<include>/transforms`, sorted; no folder gives none."""
    return sorted(path.stem for path in (include / FOLDER).glob("*.yaml"))


class Transforms:
    """Several transforms, one after the other. Raises PolicyError with every problem."""

    def __init__(self, texts: Iterable[TransformText] = ()) -> None:
        self._parts: list[_Part] = []
        problems: list[Problem] = []
        for text in texts:
            try:
                self._parts += _parts(text.name, _parse(text, text.name))
            except PolicyError as error:
                problems += error.problems
        if problems:
            raise PolicyError(problems)

    def __bool__(self) -> bool:
        return bool(self._parts)

    def apply(self, body: Json, source_namespace: str) -> tuple[Json, list[str]]:
        """The changed object, and a line for each changed field, of a Secret without its values.
        `body` is not changed; `source_namespace` is where it was captured, empty for none.

        Raises TransformFailed, naming the transform and the field.
        """
        changes: list[str] = []
        for part, before, after in self._steps(body, source_namespace):
            changes += [f"{part.title}: {spell(field)}" for field in _fields(before, after)]
            body = after
        return body, changes

    def _steps(self, body: Json, namespace: str) -> Iterator[tuple[_Part, Json, Json]]:
        for part in self._parts:
            if part.fits(body, namespace):
                after = part.applied(body)
                yield part, body, after
                body = after


class _Part:
    """The maps of one transform, or one of its rules."""

    def __init__(self, title: str, does: Maps | Rule) -> None:
        self.title = title
        self._does = does
        self._kinds = Wanted()
        if isinstance(does, Rule):
            self._kinds = Wanted(does.when.kinds)
            self._labels = selectors.parse(does.when.labels)

    def fits(self, body: Json, namespace: str) -> bool:
        if not isinstance(self._does, Rule):
            return True
        when, metadata = self._does.when, body["metadata"]
        group = body["apiVersion"].rpartition("/")[0]
        return (
            self._kinds.names(group, body["kind"])
            and re.search(when.name_regex, metadata.get("name", "")) is not None
            and (not when.namespaces or any_matches(when.namespaces, namespace))
            and self._labels.matches(metadata.get("labels") or {})
            and all(_matches(body, match) for match in when.matches)
        )

    def applied(self, body: Json) -> Json:
        try:
            after = self._applied(copy.deepcopy(body))
        except (CannotApply, ValueError) as error:
            raise TransformFailed(f"{self.title}: {error}") from None
        for field in IDENTITY:
            if _at(after, field) != _at(body, field):
                raise TransformFailed(
                    f"{self.title}: it changes {field}",
                    hint="a transform changes what is in an object; rename namespaces by a mapping",
                )
        return after

    def _applied(self, body: Json) -> Json:
        group_kind = _group_kind(body)
        if isinstance(self._does, Maps):
            apply_maps(body, group_kind, self._does)
            return body
        rule = self._does
        if rule.json_patch:
            body = _patched(body, rule)
        if rule.merge_patch:
            body = merge_patch(body, copy.deepcopy(rule.merge_patch))
        if rule.strategic_patch:
            if not built_in(group_kind):
                raise CannotApply(
                    f"strategicPatch: {group_kind} is a custom resource, whose lists have no merge"
                    " keys; use jsonPatch or mergePatch"
                )
            body = strategic_merge(body, copy.deepcopy(rule.strategic_patch), group_kind)
        return body


def _parse(text: TransformText, source: str) -> Transform:
    return validated(parse_document(source, text.text.encode()), Transform)


def _parts(name: str, transform: Transform) -> Iterator[_Part]:
    if transform.maps != Maps():
        yield _Part(f"transform {name}", transform.maps)
    for position, rule in enumerate(transform.rules, start=1):
        yield _Part(f"transform {name}, {rule.name or f'rule {position}'}", rule)


def _patched(body: Json, rule: Rule) -> Json:
    try:
        patched = json_patch(copy.deepcopy(body), rule.json_patch)
    except TestFailed:
        return body
    if not isinstance(patched, dict):
        raise CannotApply("jsonPatch: what is left is no object")
    return patched


def _matches(body: Json, match: Match) -> bool:
    if match.wants_value:
        return equals(body, match.path, match.value)
    found = values(body, match.path)
    if match.regex:
        return any(isinstance(one, str) and re.search(match.regex, one) for one in found)
    return bool(found) == match.exists


def _fields(before: Json, after: Json) -> list[Field]:
    return diff(hide(before), hide(after))


def _group_kind(body: Json) -> str:
    group = body["apiVersion"].rpartition("/")[0]
    return f"{body['kind']}.{group}" if group else str(body["kind"])


def _at(body: Json, dotted: str) -> object:
    found: object = body
    for step in dotted.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found
