"""Objects as they may be shown on a terminal, which is often logged: Secrets without their values.

Annotations of a Secret are hidden with its data, since tools keep copies of the values in them
(kubectl's `last-applied-configuration` is one).
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec

from lifeboat.ports.cluster import Json

MASK = "(masked)"
_SHORTEST = 4
"""Characters of a value that is masked: replacing shorter ones would blot out everything."""
_QUOTED = re.compile(r"Invalid value: .*", re.DOTALL)


class Mask:
    """Replaces values of Secrets."""

    def __init__(self, secrets: frozenset[str]) -> None:
        ordered = sorted(secrets, key=lambda secret: (-len(secret), secret))
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text


def values_of(secret: Json) -> frozenset[str]:
    """Every value as it is, in base64 and line by line: a log that quotes a password is common."""
    found = set()
    for encoded in (secret.get("data") or {}).values():
        try:
            plain = base64.b64decode(encoded).decode()
        except (binascii.Error, UnicodeDecodeError):
            plain = ""
        found |= {encoded, plain, *(line.strip() for line in plain.splitlines())}
    for text in (secret.get("stringData") or {}).values():
        found |= {text, *(line.strip() for line in text.splitlines())}
    return frozenset(text for text in found if len(text) >= _SHORTEST)


def reason_without(body: Json, reason: str) -> str:
    """A server's reason for refusing an object, which may quote a value of it; that of a Secret is
    not told."""
    if not is_secret(body):
        return reason
    return Mask(values_of(body))(_QUOTED.sub("invalid value", reason))


class Hidden:
    """A value that is not shown; equal to another exactly when the values are. `size` in bytes.

    No dataclass: msgspec writes those out, with every field.
    """

    def __init__(self, size: int, value: Any) -> None:
        self.size = size
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hidden) and self._value == other._value

    def __hash__(self) -> int:
        return hash(str(self._value))

    def __str__(self) -> str:
        return f"<{self.size} bytes>"

    __repr__ = __str__


def is_secret(body: Json) -> bool:
    """Whether the object's values are secrets by its kind."""
    return body.get("apiVersion") == "v1" and body.get("kind") == "Secret"


def hide(body: Json) -> Json:
    """The object; of a Secret each value of data, stringData and annotations as a Hidden."""
    if not is_secret(body):
        return body
    shown = {**body}
    for name, size in (("data", _decoded), ("stringData", _length)):
        if isinstance(body.get(name), dict):
            shown[name] = {key: Hidden(size(v), v) for key, v in body[name].items()}
    metadata = body.get("metadata") or {}
    if isinstance(metadata.get("annotations"), dict):
        hidden = {key: Hidden(_length(v), v) for key, v in metadata["annotations"].items()}
        shown["metadata"] = {**metadata, "annotations": hidden}
    return shown


def masked(body: Json) -> Json:
    """As `hide`, with `<12 bytes>` in place of each value: plain JSON, to be shown."""
    shown: Json = plain(hide(body))
    return shown


def plain(value: Any) -> Any:
    """JSON with each Hidden in it as `<12 bytes>`."""
    return msgspec.to_builtins(value, enc_hook=_size_alone)


def _size_alone(value: Any) -> str:
    if isinstance(value, Hidden):
        return str(value)
    raise NotImplementedError(f"JSON has no {type(value).__name__}")


def _decoded(value: Any) -> int:
    try:
        return len(base64.b64decode(value, validate=True))
    except (binascii.Error, TypeError, ValueError):
        return _length(value)


def _length(value: Any) -> int:
    return len(str(value).encode())
