"""Wrapping a vault's data key, so that whoever holds one of its keys can open it.

A wrapping is a small write-once blob (vault.keyring says where); adding a key adds a wrapping and
never touches data. Every method works alike: it makes or finds a key encryption key (KEK) of its
own, and the data key lies sealed under that, bound to the vault's id. The methods:

| method | key | module |
|---|---|---|
| `raw` | a generated key, `lifeboat-key-1:…` | key_raw |
| `scrypt` | a passphrase | key_scrypt |
| `x25519` | `lifeboat-recipient-1:…` wraps, `lifeboat-identity-1:…` opens | key_x25519 |
| `azure-key-vault` | a key that Azure Key Vault keeps | adapters.key_azure, given by wiring |
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from typing import Any, Protocol, runtime_checkable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lifeboat.errors import Damaged, UsageError
from lifeboat.vault.crypto import CHECK_BYTES, KEY_BYTES, derive
from lifeboat.vault.key_raw import GENERATED, GeneratedKey
from lifeboat.vault.key_scrypt import Passphrase
from lifeboat.vault.key_x25519 import IDENTITY, RECIPIENT, Identity, Recipient

AZURE_KEY_VAULT = "azure-key-vault"
METHODS = frozenset({GeneratedKey.method, Passphrase.method, Identity.method, AZURE_KEY_VAULT})
LONGEST_LABEL = 80
_LONGEST_PUBLIC = 300
_OURS = re.compile(r"lifeboat-[a-z]+-[0-9]+:")


class Lock(Protocol):
    """What can close: enough to add a wrapping for somebody."""

    @property
    def method(self) -> str: ...

    def new_kek(self) -> tuple[bytes, dict[str, Any]]:
        """A fresh 32-byte KEK, and the public parameters by which `find_kek` finds it again."""
        ...


@runtime_checkable
class VaultKey(Lock, Protocol):
    """What can also open."""

    def find_kek(self, params: dict[str, Any]) -> bytes | None:
        """The KEK of a wrapping of this method, None when it was made for another key. A passphrase
        cannot tell: it gives some KEK always. Raises Damaged for parameters that make no sense, and
        what the key's keeper raises (Unauthorized, Forbidden, NotFound, Throttled, …)."""
        ...


class Wrapping(msgspec.Struct, frozen=True):
    """One wrapped copy of the data key, as it is stored; bytes are base64.

    `label` says who holds the key; `params` belong to the method. `proof` can be made and checked
    only by who has the data key, so a label cannot be swapped unnoticed.
    """

    method: str
    label: str
    created: str
    params: dict[str, Any]
    nonce: bytes
    wrapped: bytes
    proof: bytes

    @property
    def public(self) -> str:
        """What names the key without being secret: the recipient, or the Key Vault key's id."""
        return str(self.params.get("recipient") or self.params.get("key") or "")


def generate_key() -> str:
    """A new random key, as text that `key_of` takes; whoever loses it loses what it opens."""
    return GeneratedKey(os.urandom(KEY_BYTES)).text()


def key_of(text: str) -> VaultKey:
    """The key that `text` spells. Raises UsageError for one that is cut or cannot open anything."""
    if text.startswith(GENERATED):
        return GeneratedKey.parse(text)
    if text.startswith(IDENTITY):
        return Identity.parse(text)
    if text.startswith(RECIPIENT):
        raise UsageError(
            "this is a recipient, the public half: it adds a wrapping but opens nothing",
            hint=f"give the private half, {IDENTITY}…, which its holder keeps",
        )
    if _OURS.match(text):
        raise UsageError(
            f"this program knows no key of the kind {text.partition(':')[0]}",
            hint="update Lifeboat",
        )
    if text.startswith("azurekv:"):
        raise UsageError(
            "a Key Vault key is named like this: azurekv:https://NAME.vault.azure.net/keys/KEY"
        )
    return Passphrase(text)


def recipient_of(text: str) -> Lock:
    """The recipient that `text` spells. Raises UsageError for anything else, without showing it."""
    if text.startswith(IDENTITY):
        raise UsageError(
            "this is an identity, the private half: its holder should keep it to themselves",
            hint=f"a recipient ({RECIPIENT}…) is enough here; new-identity printed both",
        )
    return Recipient.parse(text)


def wrap(
    data_key: bytes, key: Lock, vault: str, *, ident: str, label: str, created: str
) -> Wrapping:
    """Wraps `data_key` for the holder of `key`. Raises UsageError for a weak key or a bad label."""
    if not _is_label(label):
        raise UsageError(
            f"the label has to be 1 to {LONGEST_LABEL} printable characters, such as: ops laptop"
        )
    kek, params = key.new_kek()
    nonce = os.urandom(12)
    sealed = AESGCM(kek).encrypt(nonce, data_key, _context(vault))
    bare = Wrapping(key.method, label, created, params, nonce, sealed, b"")
    return msgspec.structs.replace(bare, proof=_proof(bare, data_key, ident))


def unwrap(wrapping: Wrapping, key: VaultKey, vault: str) -> bytes | None:
    """The data key, or None when `key` does not open this wrapping. Raises as `find_kek`."""
    if wrapping.method != key.method:
        return None
    kek = key.find_kek(wrapping.params)
    if kek is None:
        return None
    try:
        return AESGCM(kek).decrypt(wrapping.nonce, wrapping.wrapped, _context(vault))
    except (InvalidTag, ValueError):  # ValueError: a nonce of a length that there is not
        return None


def read_wrapping(stored: bytes, where: str) -> Wrapping:
    """A stored wrapping, of any method. Raises Damaged, naming `where`."""
    try:
        wrapping = msgspec.json.decode(stored, type=Wrapping)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"{where}: is not a wrapped key: {error}") from None
    shown = (wrapping.method, wrapping.created, wrapping.public)
    if not (_is_label(wrapping.label) and all(_is_shown(text) for text in shown)):
        # A terminal would obey the escape sequences that a stranger may have put there.
        raise Damaged(f"{where}: is not a wrapped key: its label or method cannot be printed")
    return wrapping


def is_genuine(wrapping: Wrapping, data_key: bytes, ident: str) -> bool:
    """Whether a holder of the data key made the wrapping, under this id, as it is now."""
    return hmac.compare_digest(wrapping.proof, _proof(wrapping, data_key, ident))


def check_of(data_key: bytes) -> str:
    """What the vault's header says of its data key: 32 hex digits that tell nothing else of it."""
    return derive(data_key, b"lifeboat/1 check")[:CHECK_BYTES].hex()


def _proof(wrapping: Wrapping, data_key: bytes, ident: str) -> bytes:
    said = [
        ident,
        wrapping.method,
        wrapping.label,
        wrapping.created,
        wrapping.params,
        wrapping.nonce,
        wrapping.wrapped,
    ]
    text = msgspec.json.encode(said, order="sorted")
    key = derive(data_key, b"lifeboat/1 wrapping")
    return hashlib.blake2b(text, key=key, digest_size=CHECK_BYTES).digest()


def _context(vault: str) -> bytes:
    return b"lifeboat/1 data key of " + vault.encode()


def _is_label(text: str) -> bool:
    return 0 < len(text) <= LONGEST_LABEL and text.isprintable()


def _is_shown(text: str) -> bool:
    return len(text) <= _LONGEST_PUBLIC and text.isprintable()
