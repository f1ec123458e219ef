"""Header and wrappings, which lie in clear: JSON whose last field is a sum over what is before it.

Nothing seals them, so that a program without the key can tell what the place is; the sum finds a
changed bit, not somebody who means to deceive.
"""

from __future__ import annotations

import hashlib

import msgspec

from lifeboat.errors import Damaged

_SUM = b',"sum":"'
_DIGITS = 32


def encode_clear(document: object) -> bytes:
    """The document as JSON, with `sum` as its last field."""
    body = msgspec.json.encode(document).removesuffix(b"}")
    return body + _tail(body)


def check_clear(key: str, stored: bytes) -> None:
    """Raises Damaged, naming the key, when a bit is not as it was written."""
    body, _, _ = stored.rpartition(_SUM)
    if not body or stored != body + _tail(body):
        raise Damaged(f"{key}: its sum does not match its contents, the bytes were changed or cut")


def has_sum(stored: bytes) -> bool:
    """Whether there is a sum to compare with: a newer format may have none."""
    return _SUM in stored


def _tail(body: bytes) -> bytes:
    return _SUM + hashlib.sha256(body).hexdigest()[:_DIGITS].encode() + b'"}'
