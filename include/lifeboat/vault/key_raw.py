"""The wrapping method `raw`: a generated 256-bit key, what machines use.

`lifeboat-key-1:` and 32 random bytes as URL-safe base64. Nothing to guess, so nothing to stretch:
KEK = HKDF-SHA256(key, salt, info `lifeboat/1 wrap`).
"""

from __future__ import annotations

import base64
import os
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lifeboat.errors import UsageError
from lifeboat.vault.crypto import KEY_BYTES
from lifeboat.vault.key_params import as_params, read_params

GENERATED = "lifeboat-key-1:"


class _Params(msgspec.Struct, frozen=True):
    salt: bytes


class GeneratedKey:
    """A key that no one can guess; whoever loses it loses what it opens."""

    method = "raw"

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def parse(cls, text: str) -> GeneratedKey:
        """From what `text()` gave. Raises UsageError when it was cut."""
        try:
            key = base64.urlsafe_b64decode(text.removeprefix(GENERATED).strip())
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise UsageError(
                f"the vault key starts with {GENERATED} but is not 32 bytes of base64",
                hint="it was probably cut when it was copied",
            )
        return cls(key)

    def text(self) -> str:
        """The key itself, to be kept safe."""
        return GENERATED + base64.urlsafe_b64encode(self._key).decode()

    def new_kek(self) -> tuple[bytes, dict[str, Any]]:
        salt = os.urandom(16)
        return self._expand(salt), as_params(_Params(salt))

    def find_kek(self, params: dict[str, Any]) -> bytes | None:
        return self._expand(read_params(params, _Params).salt)

    def _expand(self, salt: bytes) -> bytes:
        return HKDF(hashes.SHA256(), KEY_BYTES, salt=salt, info=b"lifeboat/1 wrap").derive(
            self._key
        )
