"""Wrapping a vault's data key, so that whoever holds one of its keys can open it.

A wrapping is a small write-once blob `keys/<id>`; adding a key adds a wrapping and never touches
data. Two methods: `raw` for a generated 256-bit key (`lifeboat-key-1:…`, what machines use: no
stretching needed), `scrypt` for a passphrase a person can remember (N=2^15, r=8, p=3: 32 MiB, the
OWASP Password Storage Cheat Sheet's setting of that memory size).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lifeboat.errors import UsageError
from lifeboat.vault.crypto import KEY_BYTES

_GENERATED_PREFIX = "lifeboat-key-1:"
_SCRYPT = {"n": 2**15, "r": 8, "p": 3}
_SCRYPT_MEMORY = 128 * 2**15 * 8 + 2**20  # what OpenSSL must be allowed: 128 * N * r and some
_SHORTEST_PASSPHRASE = 12


class Wrapping(msgspec.Struct, frozen=True):
    """One wrapped copy of the data key; binary fields are base64."""

    method: Literal["raw", "scrypt"]
    salt: str
    nonce: str
    wrapped: str
    n: int = 0
    r: int = 0
    p: int = 0


def generate_key() -> str:
    """A new random key in the form that `wrap` takes; whoever loses it loses the vault."""
    return _GENERATED_PREFIX + base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode()


def wrap(data_key: bytes, secret: str, vault_id: str) -> Wrapping:
    """Wraps `data_key` under a generated key or a passphrase. Raises UsageError on a weak one."""
    salt, nonce = os.urandom(16), os.urandom(12)
    generated = _generated_bytes(secret)
    if generated is None and len(secret) < _SHORTEST_PASSPHRASE:
        raise UsageError(
            f"the vault's passphrase has {len(secret)} characters, at least {_SHORTEST_PASSPHRASE}"
            " are needed",
            hint="`lifeboat vault new-key` prints a generated key that no one can guess",
        )
    if generated is None:
        kek = _stretch(secret, salt, **_SCRYPT)
        method: Literal["raw", "scrypt"] = "scrypt"
        params = _SCRYPT
    else:
        kek = _expand(generated, salt)
        method, params = "raw", {}
    wrapped = AESGCM(kek).encrypt(nonce, data_key, _context(vault_id))
    return Wrapping(method, _b64(salt), _b64(nonce), _b64(wrapped), **params)


def unwrap(wrapping: Wrapping, secret: str, vault_id: str) -> bytes | None:
    """The data key, or None when `secret` does not open this wrapping."""
    generated = _generated_bytes(secret)
    salt = base64.b64decode(wrapping.salt)
    if (wrapping.method == "raw") != (generated is not None):
        return None
    if generated is None:
        kek = _stretch(secret, salt, n=wrapping.n, r=wrapping.r, p=wrapping.p)
    else:
        kek = _expand(generated, salt)
    try:
        return AESGCM(kek).decrypt(
            base64.b64decode(wrapping.nonce),
            base64.b64decode(wrapping.wrapped),
            _context(vault_id),
        )
    except InvalidTag:
        return None


def _generated_bytes(secret: str) -> bytes | None:
    if not secret.startswith(_GENERATED_PREFIX):
        return None
    try:
        key = base64.urlsafe_b64decode(secret.removeprefix(_GENERATED_PREFIX).strip())
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise UsageError(
            f"the vault key starts with {_GENERATED_PREFIX} but is not 32 bytes of base64",
            hint="it was probably cut when it was copied",
        )
    return key


def _stretch(passphrase: str, salt: bytes, *, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        passphrase.encode(), salt=salt, n=n, r=r, p=p, maxmem=_SCRYPT_MEMORY, dklen=KEY_BYTES
    )


def _expand(key: bytes, salt: bytes) -> bytes:
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=salt, info=b"lifeboat/1 wrap").derive(key)


def _context(vault_id: str) -> bytes:
    return b"lifeboat/1 data key of " + vault_id.encode()


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()
