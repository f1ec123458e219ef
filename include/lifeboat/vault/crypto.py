"""Sealing bytes and naming contents under a vault's data key.

One 256-bit data key per vault; HKDF-SHA256 (RFC 5869) derives from it one key that encrypts and one
that names contents, so that an id reveals nothing to whoever lacks the key. AES-256-GCM with random
96-bit nonces is safe for 2^32 messages a key (NIST SP 800-38D §8.3); a message is a frame of about
256 KiB, so that bound lies beyond 2^50 bytes of captured objects.
"""

from __future__ import annotations

import hashlib
import os
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from lifeboat.errors import Damaged

KEY_BYTES = 32
CHECK_BYTES = 16
RECORD_ID_BYTES = 8
_NONCE_BYTES = 12

AES_256_GCM = "aes-256-gcm"
NONE = "none"


class Cipher(Protocol):
    """Seals and opens bytes, and names contents. `context` binds bytes to the place they lie in."""

    name: str
    files_password: str
    """Of the restic repository beside the vault's blobs (docs/format.md, "Files of volumes")."""

    def seal(self, plain: bytes, context: bytes) -> bytes: ...

    def open(self, sealed: bytes, context: bytes, what: str) -> bytes:
        """Raises Damaged, naming `what`, when the bytes are not what was sealed there."""
        ...

    def record_id(self, content: bytes) -> str:
        """16 hex digits that only equal contents share (keyed BLAKE2b, RFC 7693).

        An id is compared with that of the same object's previous version only, so a change stays
        unseen once in 2^64 changes; that a record is genuine its sealing proves, not its id.
        """
        ...


class AesGcm:
    """The default: everything in the vault but the format header is encrypted."""

    name = AES_256_GCM

    def __init__(self, data_key: bytes) -> None:
        self._aes = AESGCM(derive(data_key, b"lifeboat/1 encrypt"))
        self._id_key = derive(data_key, b"lifeboat/1 name")
        self.files_password = derive(data_key, b"lifeboat/1 files").hex()

    def seal(self, plain: bytes, context: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aes.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes, what: str) -> bytes:
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._aes.decrypt(nonce, body, context)
        except (InvalidTag, ValueError) as error:
            raise Damaged(
                f"{what}: authentication failed, the bytes were changed or cut"
            ) from error

    def record_id(self, content: bytes) -> str:
        return _name(content, self._id_key)


class Plain:
    """For vaults whose policy says `encryption: none`: the store's own encryption must do."""

    name = NONE

    def __init__(self, vault_id: str) -> None:
        self._id_key = derive(vault_id.encode(), b"lifeboat/1 name")
        self.files_password = derive(vault_id.encode(), b"lifeboat/1 files").hex()

    def seal(self, plain: bytes, context: bytes) -> bytes:
        return _checksum(plain, context) + plain

    def open(self, sealed: bytes, context: bytes, what: str) -> bytes:
        check, plain = sealed[:CHECK_BYTES], sealed[CHECK_BYTES:]
        if check != _checksum(plain, context):
            raise Damaged(f"{what}: checksum failed, the bytes were changed or cut")
        return plain

    def record_id(self, content: bytes) -> str:
        return _name(content, self._id_key)


def derive(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose from a random one; keys of other purposes tell nothing of it."""
    return HKDF(hashes.SHA256(), KEY_BYTES, salt=None, info=purpose).derive(key)


def _name(content: bytes, key: bytes) -> str:
    return hashlib.blake2b(content, key=key, digest_size=RECORD_ID_BYTES).hexdigest()


def _checksum(plain: bytes, context: bytes) -> bytes:
    return hashlib.blake2b(context + b"\0" + plain, digest_size=CHECK_BYTES).digest()
