"""The wrapping method `x25519`: a pair of keys, whose public half is enough to add a wrapping.

So an offline recovery key can be added where its private half never was. The construction is HPKE
(RFC 9180) as `cryptography` has it: base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
AES-256-GCM, a fresh ephemeral key each time, info `lifeboat/1 wrap`. It seals a random KEK for the
recipient.

`lifeboat-recipient-1:…` is the public half, `lifeboat-identity-1:…` the private one: the 32 bytes
of RFC 7748 and the first 4 bytes of their SHA-256, as URL-safe base64. The checksum is there since
a mistyped recipient would make a wrapping that nobody can ever open, noticed on the worst day.
"""

from __future__ import annotations

import base64
import hashlib
import os
from typing import Any

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from lifeboat.errors import Damaged, UsageError
from lifeboat.vault.crypto import KEY_BYTES
from lifeboat.vault.key_params import as_params, read_params

RECIPIENT = "lifeboat-recipient-1:"
IDENTITY = "lifeboat-identity-1:"
_CHECKSUM = 4
_INFO = b"lifeboat/1 wrap"
_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class _Params(msgspec.Struct, frozen=True):
    recipient: str
    sealed: bytes  # HPKE's enc, then the ciphertext of the KEK


class Recipient:
    """The public half."""

    method = "x25519"

    def __init__(self, key: X25519PublicKey) -> None:
        self._key = key

    @classmethod
    def parse(cls, text: str) -> Recipient:
        """From what `text()` gave. Raises UsageError for anything else."""
        if not text.startswith(RECIPIENT):
            raise UsageError(
                f"a recipient starts with {RECIPIENT}",
                hint="`lifeboat vault new-identity` makes one, and the identity that opens it",
            )
        return cls(X25519PublicKey.from_public_bytes(_decode(text, RECIPIENT, "recipient")))

    def text(self) -> str:
        """Public: it may be mailed, printed and stored."""
        return _encode(self._key.public_bytes_raw(), RECIPIENT)

    def new_kek(self) -> tuple[bytes, dict[str, Any]]:
        kek = os.urandom(KEY_BYTES)
        sealed = _SUITE.encrypt(kek, self._key, info=_INFO)
        return kek, as_params(_Params(self.text(), sealed))


class Identity:
    """The private half, which opens what was wrapped for its recipient."""

    method = Recipient.method

    def __init__(self, key: X25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> Identity:
        return cls(X25519PrivateKey.generate())

    @classmethod
    def parse(cls, text: str) -> Identity:
        """From what `text()` gave. Raises UsageError when it was cut or mistyped."""
        return cls(X25519PrivateKey.from_private_bytes(_decode(text, IDENTITY, "identity")))

    def text(self) -> str:
        """The private half itself, to be kept safe."""
        return _encode(self._key.private_bytes_raw(), IDENTITY)

    @property
    def recipient(self) -> Recipient:
        return Recipient(self._key.public_key())

    def new_kek(self) -> tuple[bytes, dict[str, Any]]:
        return self.recipient.new_kek()

    def find_kek(self, params: dict[str, Any]) -> bytes | None:
        read = read_params(params, _Params)
        if read.recipient != self.recipient.text():
            return None
        try:
            kek = _SUITE.decrypt(read.sealed, self._key, info=_INFO)
        except (InvalidTag, ValueError):  # ValueError: no point of the curve, or too short
            kek = b""
        if len(kek) != KEY_BYTES:
            raise Damaged("it is made for this identity, but what is sealed for it was changed")
        return kek


def _encode(raw: bytes, prefix: str) -> str:
    return prefix + base64.urlsafe_b64encode(raw + _checksum(raw)).decode()


def _decode(text: str, prefix: str, what: str) -> bytes:
    try:
        whole = base64.urlsafe_b64decode(text.removeprefix(prefix).strip())
    except ValueError:
        whole = b""
    raw, check = whole[:KEY_BYTES], whole[KEY_BYTES:]
    if len(raw) != KEY_BYTES or check != _checksum(raw):
        raise UsageError(
            f"the {what} starts with {prefix} but its checksum does not fit",
            hint="it was probably cut or mistyped when it was copied",
        )
    return raw


def _checksum(raw: bytes) -> bytes:
    return hashlib.sha256(raw).digest()[:_CHECKSUM]
