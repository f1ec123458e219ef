"""Kubernetes label selectors: parsed, matched and written back, without a server.

Grammar and meaning follow the API ("Labels and Selectors"): requirements joined by commas must all
hold; `!=` and `notin` also hold for objects that lack the key. The empty selector holds for all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Operator = Literal["in", "notin", "exists", "absent"]

_PIECE = re.compile(r"\s*(?:(?P<word>[^\s,()=!<>]+)|(?P<sign>==|!=|[=!,()<>]))")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_PREFIX = re.compile(
    r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*"
)


@dataclass(frozen=True)
class Requirement:
    """One condition. `values` is sorted, and empty for `exists` and `absent`."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        if self.operator == "in":
            return self.key in labels and labels[self.key] in self.values
        if self.operator == "notin":
            return self.key not in labels or labels[self.key] not in self.values
        return (self.key in labels) == (self.operator == "exists")

    def to_query(self) -> str:
        if self.operator == "exists":
            return self.key
        if self.operator == "absent":
            return f"!{self.key}"
        if len(self.values) == 1:
            return f"{self.key}{'=' if self.operator == 'in' else '!='}{self.values[0]}"
        return f"{self.key} {self.operator} ({','.join(self.values)})"


@dataclass(frozen=True)
class LabelSelector:
    """All requirements must hold."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        # A loop, as this is asked of every listed object, and all() over one or two is slower.
        for requirement in self.requirements:  # noqa: SIM110
            if not requirement.matches(labels):
                return False
        return True

    def to_query(self) -> str:
        """The selector as the API's `labelSelector` parameter, in one canonical spelling."""
        return ",".join(requirement.to_query() for requirement in self.requirements)


def parse(text: str) -> LabelSelector:
    """`app=web,tier!=db,env in (prod,stage),!legacy`. Raises ValueError saying what is wrong."""
    pieces = list(_pieces(text))
    if not pieces:
        return LabelSelector()
    return LabelSelector(tuple(_Parser(pieces).requirements()))


def _pieces(text: str) -> Iterator[str]:
    position = 0
    text = text.rstrip()
    while position < len(text):
        found = _PIECE.match(text, position)
        assert found, "every character is a word, a sign or white space"
        yield found[0].strip()
        position = found.end()


def _is_word(piece: str) -> bool:
    return piece not in {"==", "!=", "=", "!", ",", "(", ")", "<", ">", ""}


class _Parser:
    """Recursive descent over pieces; an empty piece stands for the end."""

    def __init__(self, pieces: list[str]) -> None:
        self._pieces = [*pieces, ""]
        self._at = 0

    def _peek(self) -> str:
        return self._pieces[self._at]

    def _take(self) -> str:
        piece = self._peek()
        self._at += piece != ""
        return piece

    def requirements(self) -> Iterator[Requirement]:
        while True:
            yield self._requirement()
            piece = self._take()
            if not piece:
                return
            if piece != ",":
                raise ValueError(f"a comma between requirements, before {piece!r}")

    def _requirement(self) -> Requirement:
        if self._peek() == "!":
            self._take()
            return Requirement(self._key(), "absent")
        key = self._key()
        sign = self._peek()
        if sign in {"", ","}:
            return Requirement(key, "exists")
        self._take()
        if sign in {"=", "=="}:
            return Requirement(key, "in", (self._value(),))
        if sign == "!=":
            return Requirement(key, "notin", (self._value(),))
        if sign == "in":
            return Requirement(key, "in", self._values(sign))
        if sign == "notin":
            return Requirement(key, "notin", self._values(sign))
        raise ValueError(f"=, ==, !=, in (...) or notin (...) after {key!r}, not {sign!r}")

    def _key(self) -> str:
        key = self._take()
        prefix, slash, name = key.rpartition("/")
        good = _is_word(key) and key not in {"in", "notin"} and _NAME.fullmatch(name)
        if not good or (slash and not _PREFIX.fullmatch(prefix)):
            raise ValueError(
                f"a label key such as app or app.kubernetes.io/name, not {key or 'the end'!r}"
            )
        return key

    def _value(self) -> str:
        if self._peek() in {"", ","}:
            return ""
        value = self._take()
        if not _is_word(value) or not _NAME.fullmatch(value):
            raise ValueError(
                f"a label value, not {value!r}: at most 63 of a-z, A-Z, 0-9, -, _ and ., beginning"
                " and ending with a letter or digit"
            )
        return value

    def _values(self, operator: str) -> tuple[str, ...]:
        if self._take() != "(":
            raise ValueError(f"values in parentheses after {operator!r}: {operator} (a,b)")
        if self._peek() == ")":
            raise ValueError(f"at least one value: {operator} (a,b)")
        values = {self._listed()}
        while (piece := self._take()) == ",":
            values.add(self._listed())
        if piece != ")":
            raise ValueError(f"a closing parenthesis after the values of {operator!r}")
        return tuple(sorted(values))

    def _listed(self) -> str:
        return "" if self._peek() == ")" else self._value()
