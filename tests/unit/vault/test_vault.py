"""Opening vaults: wrong places, wrong keys and newer formats are told apart, each with a way on."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from lifeboat.errors import BlobExists, BlobMissing, Damaged, NewerFormat, NotAVault, WrongKey
from lifeboat.vault.dictionaries import Dictionaries
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import HEADER_KEY, Header, Vault, check_opening, create_vault, open_vault
from tests.support.memory_store import MemoryStore


class Note(msgspec.Struct):
    text: str


def now() -> datetime:
    return datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def key() -> str:
    return generate_key()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def vault(store: MemoryStore, key: str) -> Vault:
    return create_vault(store, key, now)


def test_what_was_made_opens_and_its_documents_read(
    vault: Vault, store: MemoryStore, key: str
) -> None:
    vault.put_document("instances/a.b/gaps/x", Note("hello"))
    assert open_vault(store, key).get_document("instances/a.b/gaps/x", Note) == Note("hello")


def test_nothing_readable_lies_in_an_encrypted_vault(vault: Vault, store: MemoryStore) -> None:
    vault.put_document("instances/a.b/gaps/x", Note("top-secret-password"))
    writer = vault.writer(Dictionaries())
    writer.add(b"top-secret-password")
    writer.close()
    stored = b"".join(store.get(stat.key) for stat in store.list(""))
    assert b"top-secret-password" not in stored


def test_an_empty_place_is_no_vault(store: MemoryStore, key: str) -> None:
    with pytest.raises(NotAVault, match="vault init"):
        open_vault(store, key)


def test_a_wrong_or_missing_key_is_told(vault: Vault, store: MemoryStore) -> None:
    with pytest.raises(WrongKey, match="none of the 1 wrappings"):
        open_vault(store, generate_key())
    with pytest.raises(WrongKey, match="no key was given"):
        open_vault(store, "")


def test_a_second_vault_is_not_made_over_the_first(
    vault: Vault, store: MemoryStore, key: str
) -> None:
    with pytest.raises(BlobExists):
        create_vault(store, key, now)


def test_a_newer_major_is_refused_and_a_newer_minor_read(store: MemoryStore, key: str) -> None:
    vault = create_vault(store, key, now)
    for major, minor in ((2, 0), (1, 9)):
        store.delete(HEADER_KEY)
        header = msgspec.structs.replace(vault.header, major=major, minor=minor)
        store.put_new(HEADER_KEY, msgspec.json.encode(header))
        if major == 2:
            with pytest.raises(NewerFormat, match=r"format 2\.0.*\n.*[Uu]pdate"):
                open_vault(store, key)
        else:
            open_vault(store, key)


def test_a_broken_header_is_damage_not_a_traceback(store: MemoryStore, key: str) -> None:
    store.put_new(HEADER_KEY, b"{}")
    with pytest.raises(Damaged, match=HEADER_KEY):
        open_vault(store, key)


def test_documents_are_never_edited_and_settle_returns_the_first(vault: Vault) -> None:
    vault.put_document("a/b", Note("first"))
    with pytest.raises(BlobExists):
        vault.put_document("a/b", Note("second"))
    assert vault.settle_document("a/b", Note("second"), Note) == Note("first")


def test_a_document_moved_to_another_key_does_not_open(vault: Vault, store: MemoryStore) -> None:
    vault.put_document("a/b", Note("first"))
    store.put_new("a/c", store.get("a/b"))
    with pytest.raises(Damaged, match="a/c"):
        vault.get_document("a/c", Note)


def test_newer_foreign_and_missing_documents(vault: Vault, store: MemoryStore) -> None:
    store.put_new("a/newer", b"LBD2whatever")
    store.put_new("a/foreign", b"{}")
    with pytest.raises(NewerFormat, match="a/newer is of format 2"):
        vault.get_document("a/newer", Note)
    with pytest.raises(Damaged, match="a/foreign"):
        vault.get_document("a/foreign", Note)
    with pytest.raises(BlobMissing):
        vault.get_document("a/missing", Note)
    assert vault.find_document("a/missing", Note) is None


def test_an_unencrypted_vault_says_so_and_needs_no_key(store: MemoryStore) -> None:
    create_vault(store, "", now, "none").put_document("a/b", Note("x"))
    header = msgspec.json.decode(store.get(HEADER_KEY), type=Header)
    assert header.encryption == "none"
    assert open_vault(store, "").get_document("a/b", Note) == Note("x")


def test_one_damaged_wrapping_keeps_nobody_out_who_holds_another_key(
    store: MemoryStore, key: str
) -> None:
    create_vault(store, key, now).put_document("a/b", Note("x"))
    (good,) = [name for name in store.blobs if name.startswith("keys/")]
    for bad in (b"{", b"\xff", store.blobs[good].replace(b'"raw"', b'"raw "')):
        store.blobs["keys/0"] = bad
        assert open_vault(store, key).get_document("a/b", Note) == Note("x")
        assert [name for name, _ in check_opening(store)] == ["keys/0"]
        with pytest.raises(WrongKey, match="keys/0"):
            open_vault(store, generate_key())


def test_a_vault_that_does_not_open_names_the_damaged_blob(store: MemoryStore, key: str) -> None:
    create_vault(store, key, now)
    assert list(check_opening(store)) == []
    whole = store.blobs[HEADER_KEY]
    store.blobs[HEADER_KEY] = whole.replace(b'"vault":"', b'"vault":"0')
    with pytest.raises(Damaged, match=HEADER_KEY):
        open_vault(store, key)
    store.blobs[HEADER_KEY] = whole.replace(b'"major":1', b'"major":3')
    with pytest.raises(Damaged, match=HEADER_KEY):
        open_vault(store, key)
    store.blobs[HEADER_KEY] = whole
    with pytest.raises(WrongKey):
        open_vault(store, generate_key())
