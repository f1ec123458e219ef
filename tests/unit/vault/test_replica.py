"""A vault in a second place: same id and data key, keys of its own."""

from __future__ import annotations

import pytest

from lifeboat.clock import utc_now
from lifeboat.errors import BlobExists, UsageError, WrongKey
from lifeboat.vault.crypto import NONE
from lifeboat.vault.keys import generate_key
from lifeboat.vault.replica import create_replica, ensure_same
from lifeboat.vault.vault import create_vault, open_keyring, open_vault
from tests.support.memory_store import MemoryStore

OWN, THERE = generate_key(), generate_key()


def first() -> MemoryStore:
    store = MemoryStore()
    create_vault(store, OWN, utc_now)
    return store


def test_sealed_bytes_of_one_place_open_in_the_other() -> None:
    source, place = first(), MemoryStore()
    made = create_replica(place, THERE, source, OWN, utc_now)
    vault = open_vault(source, OWN)
    vault.put_document("instances/a.b/x", {"text": "hello"})
    place.put_new("instances/a.b/x", source.get("instances/a.b/x"))
    assert made.get_document("instances/a.b/x", dict) == {"text": "hello"}
    assert made.cipher.record_id(b"x") == vault.cipher.record_id(b"x")
    ensure_same(vault, made)
    ensure_same(made, vault)


def test_each_place_has_keys_of_its_own() -> None:
    source, place = first(), MemoryStore()
    create_replica(place, THERE, source, OWN, utc_now)
    with pytest.raises(WrongKey):
        open_vault(place, OWN)
    with pytest.raises(WrongKey):
        open_vault(source, THERE)
    assert len(open_keyring(place, THERE).entries()) == 1


def test_a_copy_of_a_copy_is_a_copy_of_the_first() -> None:
    source, place, third = first(), MemoryStore(), MemoryStore()
    create_replica(place, THERE, source, OWN, utc_now)
    made = create_replica(third, OWN, place, THERE, utc_now)
    ensure_same(open_vault(source, OWN), made)


def test_a_place_that_holds_a_vault_is_left_alone() -> None:
    source, place = first(), first()
    before = dict(place.blobs)
    with pytest.raises(BlobExists, match="already holds a vault"):
        create_replica(place, THERE, source, OWN, utc_now)
    assert place.blobs == before


def test_without_the_sources_key_nothing_is_made() -> None:
    place = MemoryStore()
    for key in (THERE, ""):
        with pytest.raises(WrongKey):
            create_replica(place, THERE, first(), key, utc_now)
    with pytest.raises(WrongKey, match="no key was given"):
        create_replica(place, "", first(), OWN, utc_now)
    assert place.blobs == {}


def test_vaults_made_apart_are_told_apart() -> None:
    one, two = open_vault(first(), OWN), open_vault(first(), OWN)
    with pytest.raises(UsageError, match=r"is no copy of .*another data key"):
        ensure_same(one, two)


def test_a_vault_without_encryption_is_copied_by_its_id() -> None:
    source, place = MemoryStore(), MemoryStore()
    vault = create_vault(source, "", utc_now, NONE)
    with pytest.raises(UsageError, match="is not encrypted, and its copy cannot be"):
        create_replica(place, THERE, source, "", utc_now)
    made = create_replica(place, "", source, "", utc_now)
    ensure_same(vault, made)
    with pytest.raises(UsageError, match="one is none, the other aes-256-gcm"):
        ensure_same(vault, open_vault(first(), OWN))
