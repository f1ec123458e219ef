"""Which objects of a point are restored: by kind and name, by label, one claim, data or settings.

Pure. Everything that is given must hold: `kinds` and `names` and `labels`. Single objects
(`deployment/web`) widen nothing: they are a kind and a name in one word.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Literal

import msgspec

from lifeboat.errors import UsageError
from lifeboat.policy import selectors
from lifeboat.policy.globs import any_matches, check_name_glob
from lifeboat.policy.selection import kind_named
from lifeboat.ports.cluster import Kind

Part = Literal["all", "data", "resources"]
PARTS: tuple[Part, ...] = ("all", "data", "resources")
NAMESPACE, CLAIM, VOLUME = "Namespace", "PersistentVolumeClaim", "PersistentVolume"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What a person picks out of a point; empty fields leave nothing out.

    `objects`: `deployment/web`, `configmaps/settings-*`; `names`: globs over names; `labels`: a
    label selector; `claims`: names of PersistentVolumeClaims, in any of the namespaces. `part`:
    `data` restores claims and their volumes alone, `resources` everything but claims.
    """

    objects: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: str = ""
    claims: tuple[str, ...] = ()
    part: Part = "all"


class Chooser:
    """Applies a choice and the wanted kinds to objects. Namespaces always go along with what lies
    in them: they are chosen by name, elsewhere. Raises UsageError for a choice that says nothing
    sensible."""

    def __init__(self, choice: Choice, kinds: tuple[str, ...] = ()) -> None:
        self._choice, self._kinds = choice, kinds
        self._objects = [_object(text) for text in choice.objects]
        for name in choice.names:
            _check(name)
        try:
            self._labels = selectors.parse(choice.labels)
        except ValueError as error:
            raise UsageError(f"{choice.labels!r} is no label selector: {error}") from None

    @cached_property
    def needs_labels(self) -> bool:
        """Whether an object must be read before it is known to be chosen."""
        return bool(self._choice.labels)

    @cached_property
    def is_whole(self) -> bool:
        """Whether nothing is left out by name, kind or label."""
        return self._choice == Choice() and not self._kinds

    def takes(self, kind: Kind, name: str) -> bool:
        """Whether kind and name are chosen."""
        if kind.group_kind == NAMESPACE:
            return True
        is_claim = kind.group_kind == CLAIM
        if self._choice.part != "all" and is_claim != (self._choice.part == "data"):
            return False
        if is_claim and self._choice.claims and name not in self._choice.claims:
            return False
        if self._kinds and not any(kind_named(text, kind) for text in self._kinds):
            return False
        if self._objects and not any(
            kind_named(text, kind) and any_matches([glob], name) for text, glob in self._objects
        ):
            return False
        return not self._choice.names or any_matches(self._choice.names, name)

    def takes_labels(self, kind: Kind, labels: Mapping[str, str]) -> bool:
        """Whether an object's labels are chosen."""
        return kind.group_kind == NAMESPACE or self._labels.matches(labels)


def parse_part(text: str) -> Part:
    """Raises UsageError naming the known parts."""
    for part in PARTS:
        if text == part:
            return part
    raise UsageError(f"unknown part {text!r}", hint=f"known are {', '.join(PARTS)}")


def _object(text: str) -> tuple[str, str]:
    kind, slash, name = text.partition("/")
    if not (kind and slash and name):
        raise UsageError(f"{text!r} is no object", hint="write KIND/NAME, as deployment/web")
    _check(name)
    return kind, name


def _check(name: str) -> None:
    try:
        check_name_glob(name)
    except ValueError as error:
        raise UsageError(f"{name!r} is no name of objects", hint=f"write {error}") from None
