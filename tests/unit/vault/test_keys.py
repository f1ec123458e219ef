"""The keys of a vault: rotation, and everything that may lie below keys/ and must not mislead."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lifeboat.errors import (
    Conflict,
    Damaged,
    Forbidden,
    KeyUnavailable,
    LifeboatError,
    UsageError,
    WrongKey,
)
from lifeboat.vault.clear import encode_clear
from lifeboat.vault.key_x25519 import Identity
from lifeboat.vault.keyring import KeyRing
from lifeboat.vault.keys import (
    AZURE_KEY_VAULT,
    Wrapping,
    generate_key,
    key_of,
    read_wrapping,
    recipient_of,
    unwrap,
    wrap,
)
from lifeboat.vault.vault import create_vault, open_keyring, open_vault
from tests.support.memory_store import MemoryStore

PASSPHRASE = "correct horse battery staple"


def now() -> datetime:
    return datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def key() -> str:
    return generate_key()


@pytest.fixture
def store(key: str) -> MemoryStore:
    """With a vault in it, and a document."""
    made = MemoryStore()
    create_vault(made, key, now, label="machine").put_document("a/b", {"x": 1})
    return made


def stored_keys(store: MemoryStore) -> list[str]:
    return [stat.key for stat in store.list("keys/")]


def only_id(ring: KeyRing) -> str:
    (entry,) = ring.entries()
    return entry.id


def wrapping_of(store: MemoryStore) -> tuple[str, Wrapping]:
    (name,) = stored_keys(store)
    return name, read_wrapping(store.get(name), name)


def change(store: MemoryStore, **fields: Any) -> None:
    """Change the only wrapping behind the vault's back."""
    name, wrapping = wrapping_of(store)
    store.blobs[name] = msgspec.json.encode(msgspec.structs.replace(wrapping, **fields))


class TestRotation:
    def test_a_rotation_touches_nothing_but_wrappings(self, store: MemoryStore, key: str) -> None:
        before = {name: data for name, data in store.blobs.items() if not name.startswith("keys/")}
        identity = Identity.generate()
        ring = open_keyring(store, key)
        added, opened = ring.add(identity, "offline recovery", now)
        assert opened
        assert (added.label, added.method) == ("offline recovery", "x25519")
        assert (added.created, added.opens) == ("2026-11-22T00:00:00Z", False)
        first = next(entry.id for entry in ring.entries() if entry.label == "machine")
        open_keyring(store, identity).remove(first, force=False)
        with pytest.raises(WrongKey):
            open_vault(store, key)
        assert open_vault(store, identity.text()).get_document("a/b", dict) == {"x": 1}
        after = {name: data for name, data in store.blobs.items() if not name.startswith("keys/")}
        assert after == before

    def test_the_public_half_is_enough_to_add(self, store: MemoryStore, key: str) -> None:
        identity = Identity.generate()
        recipient = recipient_of(identity.recipient.text())
        added, opened = open_keyring(store, key).add(recipient, "offline recovery", now)
        assert not opened
        assert added.public == identity.recipient.text()
        assert open_vault(store, identity).get_document("a/b", dict) == {"x": 1}

    @pytest.mark.parametrize("public_half", [True, False])
    def test_what_was_stored_wrong_is_not_called_added(
        self, store: MemoryStore, key: str, public_half: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ring = open_keyring(store, key)
        put = MemoryStore.put_new

        def spoil(self: MemoryStore, name: str, data: bytes) -> None:
            read = msgspec.json.decode(data, type=Wrapping)
            bad = read.wrapped[:-1] + bytes([read.wrapped[-1] ^ 1])
            put(self, name, encode_clear(msgspec.structs.replace(read, wrapped=bad)))

        monkeypatch.setattr(MemoryStore, "put_new", spoil)
        identity = Identity.generate()
        with pytest.raises(Damaged, match="was written but does not open"):
            ring.add(identity.recipient if public_half else identity, "x", now)

    def test_the_last_wrapping_of_the_key_at_hand_stays_unless_forced(
        self, store: MemoryStore, key: str
    ) -> None:
        ring = open_keyring(store, key)
        ident = only_id(ring)
        ring.add(Identity.generate().recipient, "somebody else", now)
        with pytest.raises(Conflict, match="last wrapping that the key you gave opens"):
            ring.remove(ident, force=False)
        open_vault(store, key)
        assert ring.remove(ident, force=True).label == "machine"
        with pytest.raises(WrongKey):
            open_vault(store, key)

    def test_another_wrapping_of_the_key_at_hand_lets_one_go(
        self, store: MemoryStore, key: str
    ) -> None:
        ring = open_keyring(store, key)
        ring.add(key_of(key), "the same again", now)
        ring.remove(ring.entries()[0].id, force=False)
        open_vault(store, key)

    def test_a_wrong_id_or_label_is_told(self, store: MemoryStore, key: str) -> None:
        ring = open_keyring(store, key)
        with pytest.raises(UsageError, match=only_id(ring)):
            ring.remove("nothing", force=True)
        for label in ("", "x" * 81, "red \x1b[31m"):
            with pytest.raises(UsageError, match="printable"):
                ring.add(key_of(key), label, now)
        assert len(stored_keys(store)) == 1

    def test_an_unencrypted_vault_has_no_keys(self) -> None:
        plain = MemoryStore()
        create_vault(plain, "", now, "none")
        with pytest.raises(UsageError, match="not encrypted"):
            open_keyring(plain, "anything at all")


def _beside(store: MemoryStore) -> dict[str, bytes]:
    """Everything that may lie beside a good wrapping, by the words it is named with."""
    _, good = wrapping_of(store)
    newer = msgspec.structs.replace(good, method="kyber", params={"new": {"nested": [1]}})
    ugly = msgspec.structs.replace(good, label="\x1b[2J")
    return {
        "is not a wrapped key: JSON": b"{ no json",
        "is not a wrapped key: Input": b"",
        "missing required field": b"{}",
        "cannot be printed": msgspec.json.encode(ugly),
        "a wrapping never is": b" " * 70_000,
        "does not know the method": msgspec.json.encode(newer),
    }


class TestWhatLiesBesideAGoodWrapping:
    def test_it_is_named_and_the_others_are_tried(self, store: MemoryStore, key: str) -> None:
        name, _ = wrapping_of(store)
        vault = name.rpartition("-")[0]
        beside = _beside(store)
        for number, data in enumerate(beside.values()):
            store.put_new(f"{vault}-{number:08d}", data)
            store.put_new(f"{vault}-zz{number:06d}", data)
        store.put_new(f"keys/{'0' * 32}-00000000", b"of a vault that lost the race")
        open_vault(store, key)
        entries = open_keyring(store, key).entries()
        assert len([entry for entry in entries if entry.problem]) == 12
        assert [entry.opens for entry in entries].count(True) == 1
        with pytest.raises(WrongKey) as wrong:
            open_vault(store, generate_key())
        for words in beside:
            assert words in wrong.value.message
        assert "\x1b" not in str(wrong.value)

    def test_a_genuine_one_of_a_newer_program_says_so(self, store: MemoryStore, key: str) -> None:
        newer = _Keeper()
        newer.method = "kyber"
        added, _ = open_keyring(store, key).add(newer, "next year", now)
        assert added.problem == "made by a newer program"
        assert added.opens is False

    def test_it_can_be_removed(self, store: MemoryStore, key: str) -> None:
        name, _ = wrapping_of(store)
        store.put_new(f"{name.rpartition('-')[0]}-broken", b"{")
        open_keyring(store, key).remove("broken", force=False)
        assert stored_keys(store) == [name]

    def test_a_swapped_label_is_noticed(self, store: MemoryStore, key: str) -> None:
        change(store, label="offline recovery")
        (entry,) = open_keyring(store, key).entries()
        assert entry.opens
        assert "forged or changed" in entry.problem

    def test_a_wrapping_under_anothers_id_is_noticed(self, store: MemoryStore, key: str) -> None:
        name, _ = wrapping_of(store)
        store.put_new(f"{name.rpartition('-')[0]}-other", store.get(name))
        problems = {entry.id: entry.problem for entry in open_keyring(store, key).entries()}
        assert "forged" in problems.pop("other")
        assert list(problems.values()) == [""]

    def test_anothers_data_key_for_a_public_key_is_not_taken(self) -> None:
        """Anybody can wrap for a recipient; points must not be sealed under their key."""
        identity = Identity.generate()
        store = MemoryStore()
        vault = create_vault(store, identity, now).header.vault
        forged = wrap(bytes(32), identity.recipient, vault, ident="0", label="me", created="now")
        store.put_new(f"keys/{vault}-0", msgspec.json.encode(forged))
        vault_opened = open_vault(store, identity)
        vault_opened.put_document("a/b", {})
        store.delete(next(name for name in stored_keys(store) if not name.endswith("-0")))
        with pytest.raises(WrongKey, match="it was forged"):
            open_vault(store, identity)


class TestScryptBounds:
    @pytest.mark.parametrize(
        ("n", "r", "p", "says"),
        [
            (2**40, 8, 1, "ask for more"),
            (2**15, 2**20, 1, "ask for more"),
            (2**15, 8, 2**20, "ask for more"),
            (2**15 + 1, 8, 1, "no power of two"),
            (1, 8, 1, ">= 2"),
            (2**15, 0, 1, ">= 1"),
            (-(2**15), 8, 3, ">= 2"),
            (2**70, 8, 3, "ask for more"),
        ],
    )
    def test_a_forged_wrapping_cannot_exhaust_the_reader(
        self, n: int, r: int, p: int, says: str
    ) -> None:
        store = MemoryStore()
        create_vault(store, PASSPHRASE, now)
        _, wrapping = wrapping_of(store)
        change(store, params={**wrapping.params, "n": n, "r": r, "p": p})
        with pytest.raises(WrongKey, match=says):
            open_vault(store, PASSPHRASE)

    def test_stronger_parameters_within_bounds_are_obeyed(self) -> None:
        """So that a later version may raise them. The oracle is hashlib's scrypt itself."""
        wrapping = wrap(bytes(32), key_of(PASSPHRASE), "v", ident="0", label="me", created="now")
        kek = hashlib.scrypt(
            PASSPHRASE.encode(), salt=b"s" * 16, n=2**16, r=8, p=1, maxmem=2**27, dklen=32
        )
        sealed = AESGCM(kek).encrypt(wrapping.nonce, b"d" * 32, b"lifeboat/1 data key of v")
        params = {"salt": "c3Nzc3Nzc3Nzc3Nzc3Nzcw==", "n": 2**16, "r": 8, "p": 1}
        stronger = msgspec.structs.replace(wrapping, wrapped=sealed, params=params)
        assert unwrap(stronger, key_of(PASSPHRASE), "v") == b"d" * 32


class TestSpelling:
    """Every spelling that is wrong says so without showing what was given."""

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (generate_key()[:-9], "not 32 bytes"),
            ("lifeboat-key-1:äöü", "not 32 bytes"),
            (Identity.generate().text()[:-5], "checksum"),
            ("lifeboat-identity-1:AAAA", "checksum"),
            (Identity.generate().recipient.text(), "opens nothing"),
            ("lifeboat-key-2:c2VjcmV0", "update Lifeboat"),
            ("azurekv:http://x/keys/y", "azurekv:https://"),
        ],
        ids=["cut", "letters", "cut identity", "short", "recipient", "newer", "http"],
    )
    def test_of_a_key(self, text: str, says: str) -> None:
        with pytest.raises(UsageError, match=says) as caught:
            key_of(text)
        assert text not in str(caught.value)

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            (Identity.generate().text(), "private half"),
            (Identity.generate().recipient.text()[:-5], "checksum"),
            (generate_key(), "starts with lifeboat-recipient-1:"),
            (PASSPHRASE, "starts with lifeboat-recipient-1:"),
        ],
        ids=["identity", "cut", "generated key", "passphrase"],
    )
    def test_of_a_recipient(self, text: str, says: str) -> None:
        with pytest.raises(UsageError, match=says) as caught:
            recipient_of(text)
        assert text not in str(caught.value)

    def test_one_mistyped_letter_of_a_recipient_is_noticed(self) -> None:
        text = Identity.generate().recipient.text()
        for position in range(len("lifeboat-recipient-1:"), len(text)):
            other = "A" if text[position] != "A" else "B"
            with pytest.raises(UsageError, match="mistyped"):
                recipient_of(text[:position] + other + text[position + 1 :])

    def test_a_weak_passphrase_is_refused_without_showing_it(self) -> None:
        with pytest.raises(UsageError, match="at least 12") as weak:
            create_vault(MemoryStore(), "hunter2", now)
        assert "hunter2" not in str(weak.value)


class _Keeper:
    """A key whose keeper does not play along; only what it raises matters."""

    method = AZURE_KEY_VAULT

    def __init__(self, *raised: LifeboatError) -> None:
        self._raised = list(raised)

    def new_kek(self) -> tuple[bytes, dict[str, Any]]:
        return bytes(32), {"key": "https://somewhere"}

    def find_kek(self, params: dict[str, Any]) -> bytes | None:
        if self._raised:
            raise self._raised.pop(0)
        return bytes(32)


class TestAKeeperThatFails:
    @pytest.fixture
    def twice(self) -> MemoryStore:
        """Two wrappings for the keeper."""
        store = MemoryStore()
        create_vault(store, _Keeper(), now)
        open_keyring(store, _Keeper()).add(_Keeper(), "again", now)
        return store

    def test_the_next_wrapping_is_tried(self, twice: MemoryStore) -> None:
        open_vault(twice, _Keeper(Forbidden("no")))

    def test_what_can_be_tried_again_is_told_first(self, twice: MemoryStore) -> None:
        with pytest.raises(KeyUnavailable):
            open_vault(twice, _Keeper(Forbidden("no"), KeyUnavailable("later")))
        with pytest.raises(Forbidden):
            open_vault(twice, _Keeper(Forbidden("no"), Forbidden("no")))

    def test_nothing_is_removed_while_it_cannot_be_asked(self, twice: MemoryStore) -> None:
        ring = open_keyring(twice, _Keeper())
        ident = ring.entries()[0].id
        ring = open_keyring(twice, keeper := _Keeper())
        keeper._raised = [KeyUnavailable("later")] * 9
        with pytest.raises(KeyUnavailable):
            ring.remove(ident, force=False)
        assert len(stored_keys(twice)) == 2
