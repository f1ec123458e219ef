"""An opened vault: sealed documents, records and packs over one store.

lifeboat.json     the only clear text: format, version, vault id, kind of encryption
keys/…            wrapped data keys (vault.keyring)
packs/…           records
trees/…           which records a point holds
instances/…       documents (point.layout spells their keys)
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TypeVar

import msgspec
import zstandard

from lifeboat.clock import Clock, rfc3339
from lifeboat.errors import (
    BlobExists,
    BlobMissing,
    Damaged,
    NewerFormat,
    NotAVault,
    UsageError,
    WrongKey,
)
from lifeboat.ports.store import Store
from lifeboat.vault.clear import check_clear, encode_clear, has_sum
from lifeboat.vault.crypto import AES_256_GCM, KEY_BYTES, NONE, AesGcm, Cipher, Plain
from lifeboat.vault.dictionaries import Dictionaries
from lifeboat.vault.documents import pack, unpack
from lifeboat.vault.keyring import WRAPPINGS, KeyRing, find_data_key, put_wrapping
from lifeboat.vault.keys import VaultKey, check_of, key_of
from lifeboat.vault.packs import PackWriter
from lifeboat.vault.trees import Trees
from lifeboat.vault.written import put_surely

HEADER_KEY = "lifeboat.json"
MAJOR, MINOR = 1, 1
FIRST_LABEL = "first key"
_DOCUMENT_MAGIC = b"LBD1"

T = TypeVar("T")


class Header(msgspec.Struct, frozen=True):
    """`lifeboat.json`. Readers refuse a larger major and accept any minor.

    `check` tells the data key from any other (empty without encryption). A public key lets anybody
    make a wrapping, of a data key of their own too; the header, write-once, says which is right.
    """

    format: str
    major: int
    minor: int
    vault: str
    encryption: str
    created: str
    check: str


class Vault:
    """One opened vault. Made by `create_vault` or `open_vault`."""

    def __init__(self, store: Store, header: Header, cipher: Cipher) -> None:
        self.store = store
        self.header = header
        self.cipher = cipher

    @property
    def trees(self) -> Trees:
        """Writes and reads trees in this vault."""
        return Trees(self.store, self.cipher)

    def put_document(self, key: str, document: object) -> None:
        """Seal and store a Struct or dict. Raises BlobExists: documents are never edited."""
        packed = pack(msgspec.json.encode(document))
        sealed = self.cipher.seal(packed, self._context(key))
        put_surely(self.store, key, _DOCUMENT_MAGIC + sealed)

    def get_document(self, key: str, shape: type[T]) -> T:
        """Read a document. Raises BlobMissing, Damaged or NewerFormat."""
        return self.open_document(key, self.store.get(key), shape)

    def open_document(self, key: str, stored: bytes, shape: type[T]) -> T:
        """A document from its stored bytes. Raises Damaged or NewerFormat."""
        _check_document(key, stored)
        packed = self.cipher.open(stored[len(_DOCUMENT_MAGIC) :], self._context(key), key)
        try:
            return msgspec.json.decode(unpack(packed), type=shape)
        except (zstandard.ZstdError, msgspec.DecodeError) as error:
            raise Damaged(f"{key}: is not a {shape.__name__}: {error}") from error

    def find_document(self, key: str, shape: type[T]) -> T | None:
        """As `get_document`, None when there is none."""
        try:
            return self.get_document(key, shape)
        except BlobMissing:
            return None

    def settle_document(self, key: str, document: T, shape: type[T]) -> T:
        """Store `document` unless one is there already; returns the one that is there. This is how
        a retried or doubled task converges on what the first attempt decided."""
        try:
            self.put_document(key, document)
        except BlobExists:
            return self.get_document(key, shape)
        return document

    def writer(self, dictionaries: Dictionaries) -> PackWriter:
        """Stores records; `dictionaries` are those of the point before."""
        return PackWriter(self.store, self.cipher, dictionaries)

    def _context(self, key: str) -> bytes:
        return f"document {self.header.vault} {key}".encode()


def create_vault(
    store: Store,
    secret: str | VaultKey,
    clock: Clock,
    encryption: str = AES_256_GCM,
    label: str = FIRST_LABEL,
) -> Vault:
    """Make a new vault in an empty place; `label` says who holds its first key.

    Raises BlobExists when one is there already, UsageError for a weak or broken key.
    """
    if encryption not in (AES_256_GCM, NONE):
        raise UsageError(f"unknown encryption {encryption!r}, known are {AES_256_GCM} and {NONE}")
    vault_id = secrets.token_hex(16)
    created = rfc3339(clock())
    if store.stat(HEADER_KEY) is not None:
        raise BlobExists(f"{store.describe()} already holds a vault")
    if encryption == NONE:
        header = Header("lifeboat-vault", MAJOR, MINOR, vault_id, encryption, created, "")
        put_surely(store, HEADER_KEY, encode_clear(header))
        return Vault(store, header, Plain(vault_id))
    data_key = secrets.token_bytes(KEY_BYTES)
    check = check_of(data_key)
    header = Header("lifeboat-vault", MAJOR, MINOR, vault_id, encryption, created, check)
    # The key lies there before the header that makes the place a vault.
    put_wrapping(store, vault_id, data_key, _as_key(secret), label, clock)
    put_surely(store, HEADER_KEY, encode_clear(header))
    return Vault(store, header, AesGcm(data_key))


def open_vault(store: Store, secret: str | VaultKey) -> Vault:
    """Open what `create_vault` made. `secret` is a key, or the text that spells one.

    Raises NotAVault, NewerFormat, WrongKey, Damaged, UsageError for a broken key, and what the
    key's keeper raises.
    """
    header = read_header(store)
    if header.encryption == NONE:
        return Vault(store, header, Plain(header.vault))
    key = given_key(store, secret)
    try:
        data_key = find_data_key(store, header.vault, header.check, key)
    except WrongKey as error:
        check_clear(HEADER_KEY, store.get(HEADER_KEY))
        error.message += "".join(f"\n  {problem}" for _, problem in check_opening(store))
        raise
    return Vault(store, header, AesGcm(data_key))


def open_keyring(store: Store, secret: str | VaultKey) -> KeyRing:
    """The wrappings of a vault, to list, add and remove. Raises as `open_vault`."""
    header = read_header(store)
    if header.encryption == NONE:
        raise UsageError(f"{store.describe()} is not encrypted: it has no keys")
    return KeyRing(store, header.vault, header.check, given_key(store, secret))


def given_key(store: Store, secret: str | VaultKey) -> VaultKey:
    """The key that somebody gave for the place. Raises WrongKey for none."""
    if not secret:
        raise WrongKey(f"{store.describe()} is encrypted and no key was given")
    return _as_key(secret)


def _as_key(secret: str | VaultKey) -> VaultKey:
    return key_of(secret) if isinstance(secret, str) else secret


def read_header(store: Store) -> Header:
    """What the place says it is. Raises NotAVault, Damaged, NewerFormat."""
    try:
        stored = store.get(HEADER_KEY)
    except BlobMissing:
        raise NotAVault(
            f"{store.describe()} holds no vault: {HEADER_KEY} is missing",
            hint="check the vault's url, or make a new vault there with `lifeboat vault init`",
        ) from None
    try:
        header = msgspec.json.decode(stored, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"{HEADER_KEY}: is not a vault header: {error}") from error
    if header.major > MAJOR:
        if has_sum(stored):
            check_clear(HEADER_KEY, stored)
        raise NewerFormat(
            f"{store.describe()} is of format {header.major}.{header.minor}, this program reads"
            f" {MAJOR}.x",
            hint="update Lifeboat",
        )
    return header


def check_opening(store: Store) -> Iterator[tuple[str, str]]:
    """The header and the wrappings that are not as they were written: each key and what is wrong.
    A vault may still open then, with another key, or for now."""
    for key in (HEADER_KEY, *(stat.key for stat in store.list(WRAPPINGS))):
        try:
            check_clear(key, store.get(key))
        except (Damaged, BlobMissing) as error:
            yield key, error.message


def _check_document(key: str, stored: bytes) -> None:
    magic = stored[:4]
    if magic == _DOCUMENT_MAGIC:
        return
    if magic[:3] == _DOCUMENT_MAGIC[:3] and magic[3:4].isdigit():
        raise NewerFormat(
            f"{key} is of format {magic[3:4].decode()}, this program reads {MAJOR}",
            hint="update Lifeboat",
        )
    raise Damaged(f"{key}: does not start with {_DOCUMENT_MAGIC.decode()}")
