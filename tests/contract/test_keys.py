"""What every way to wrap a data key promises, on all; Key Vault over HTTPS with real RSA."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from lifeboat.errors import (
    Damaged,
    Forbidden,
    KeyUnavailable,
    LifeboatError,
    NotFound,
    Throttled,
    Unauthorized,
    UsageError,
    WrongKey,
)
from lifeboat.vault.key_x25519 import Identity
from lifeboat.vault.keyring import KeyRing
from lifeboat.vault.keys import VaultKey, Wrapping, generate_key, key_of, unwrap, wrap
from lifeboat.vault.vault import create_vault, open_keyring, open_vault
from tests.support.key_vault import TOKEN, KeyVault, key_vault
from tests.support.memory_store import MemoryStore
from tests.support.static_credential import StaticCredential

DATA_KEY = bytes(range(32))
PASSPHRASE = "correct horse battery staple"
Make = Callable[[], VaultKey]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeyVault]:
    with key_vault(tmp_path_factory.mktemp("kv")) as vault:
        vault.new_version()
        vault.new_version("other")
        yield vault


@pytest.fixture
def azure(shared: KeyVault) -> KeyVault:
    """Nothing left over of other tests: no failures, no calls; keys may stay."""
    shared.failures.clear()
    shared.asked.clear()
    shared.may_read = True
    return shared


def _closed(key: VaultKey, vault: str = "vault-1") -> Wrapping:
    return wrap(DATA_KEY, key, vault, ident="1a2b3c4d", label="ops", created="2026-11-22T00:00:00Z")


@pytest.fixture(params=["raw", "scrypt", "x25519", "azure-key-vault"])
def pair(request: pytest.FixtureRequest, azure: KeyVault) -> tuple[VaultKey, VaultKey]:
    """A key of each method, and another one of the same method."""
    made: dict[str, Callable[[], tuple[VaultKey, VaultKey]]] = {
        "raw": lambda: (key_of(generate_key()), key_of(generate_key())),
        "scrypt": lambda: (key_of(PASSPHRASE), key_of(PASSPHRASE + "!")),
        "x25519": lambda: (Identity.generate(), Identity.generate()),
        "azure-key-vault": lambda: (azure.key(), azure.key(name="other")),
    }
    key, other = made[request.param]()
    assert key.method == other.method == request.param
    return key, other


class TestEveryMethod:
    def test_opens_what_it_closed_for_this_vault_only(
        self, pair: tuple[VaultKey, VaultKey]
    ) -> None:
        key, _ = pair
        wrapping = _closed(key)
        assert unwrap(wrapping, key, "vault-1") == DATA_KEY
        moved = _outcome(wrapping, key, "vault-2")
        assert moved is None or isinstance(moved, Damaged)

    def test_another_key_of_the_method_opens_nothing(self, pair: tuple[VaultKey, VaultKey]) -> None:
        key, other = pair
        assert unwrap(_closed(key), other, "vault-1") is None

    def test_two_wrappings_have_nothing_in_common(self, pair: tuple[VaultKey, VaultKey]) -> None:
        key, _ = pair
        first, second = _closed(key), _closed(key)
        assert first.wrapped != second.wrapped
        assert first.nonce != second.nonce
        assert DATA_KEY.hex() not in msgspec.json.encode(first).hex()

    def test_a_changed_wrapping_opens_nothing(self, pair: tuple[VaultKey, VaultKey]) -> None:
        key, _ = pair
        wrapping = _closed(key)
        for changed in _changed(wrapping):
            outcome = _outcome(changed, key, "vault-1")
            assert outcome is None or isinstance(outcome, Damaged), changed

    def test_parameters_of_nonsense_are_damage(self, pair: tuple[VaultKey, VaultKey]) -> None:
        key, _ = pair
        for params in ({}, {"salt": 1}, {"salt": "%", "n": "x"}, {"recipient": [], "key": {}}):
            wrapping = msgspec.structs.replace(_closed(key), params=params)
            assert isinstance(_outcome(wrapping, key, "vault-1"), Damaged)

    def test_a_vault_of_it_opens_again(self, pair: tuple[VaultKey, VaultKey]) -> None:
        key, other = pair
        store = MemoryStore()
        create_vault(store, key, store.clock).put_document("a/b", {"x": 1})
        assert open_vault(store, key).get_document("a/b", dict) == {"x": 1}
        with pytest.raises(WrongKey, match=key.method):
            open_vault(store, other)


def _outcome(wrapping: Wrapping, key: VaultKey, vault: str) -> bytes | LifeboatError | None:
    try:
        return unwrap(wrapping, key, vault)
    except LifeboatError as error:
        return error


def _changed(wrapping: Wrapping) -> Iterator[Wrapping]:
    """One with each of its bytes fields flipped at its end, parameters included."""

    def flip(data: bytes) -> bytes:
        return data[:-1] + bytes([data[-1] ^ 1])

    yield msgspec.structs.replace(wrapping, wrapped=flip(wrapping.wrapped))
    yield msgspec.structs.replace(wrapping, nonce=flip(wrapping.nonce))
    yield msgspec.structs.replace(wrapping, nonce=b"")
    for name in {"salt", "sealed", "wrapped_kek"} & wrapping.params.keys():
        value = msgspec.convert(wrapping.params[name], bytes)
        params = {**wrapping.params, name: msgspec.to_builtins(flip(value))}
        yield msgspec.structs.replace(wrapping, params=params)


class TestKeyVault:
    def test_a_new_version_wraps_and_the_old_wrappings_still_open(self, azure: KeyVault) -> None:
        name = "rotated"
        old = azure.new_version(name)
        store = MemoryStore()
        create_vault(store, azure.key(name=name), store.clock)
        new = azure.new_version(name)
        ring = open_keyring(store, azure.key(name=name))
        added, opened = ring.add(azure.key(name=name), "the new version", store.clock)
        assert opened
        assert added.public == f"{azure.url}/keys/{name}/{new}"
        first = next(entry for entry in ring.entries() if entry.id != added.id)
        assert first.public.endswith(old)
        ring.remove(first.id, force=False)
        del azure.keys[f"{name}/{old}"]
        open_vault(store, azure.key(name=name))

    def test_a_deleted_version_does_not_stand_in_the_way_of_another(self, azure: KeyVault) -> None:
        name = "half-deleted"
        old = azure.new_version(name)
        store = MemoryStore()
        create_vault(store, azure.key(name=name), store.clock)
        azure.new_version(name)
        ring = open_keyring(store, azure.key(name=name))
        del azure.keys[f"{name}/{old}"]
        for _ in range(4):  # ids are random: tried before the dead one or after it
            ring.add(azure.key(name=name), "the new version", store.clock)
        open_vault(store, azure.key(name=name))
        dead = [entry for entry in ring.entries() if entry.opens is None]
        assert [entry.public.endswith(old) for entry in dead] == [True]
        assert "404" in dead[0].problem

    def test_a_version_can_be_pinned(self, azure: KeyVault) -> None:
        name = "pinned"
        old = azure.new_version(name)
        azure.new_version(name)
        wrapping = _closed(azure.key(old, name))
        assert wrapping.public.endswith(old)
        assert unwrap(wrapping, azure.key(name=name), "vault-1") == DATA_KEY
        assert unwrap(_closed(azure.key(name=name)), azure.key(old, name), "vault-1") is None

    @pytest.mark.parametrize(
        ("status", "code", "raised", "says"),
        [
            (403, "Forbidden", Forbidden, "Key Vault Crypto User"),
            (404, "KeyNotFound", NotFound, "recover it"),
            (429, "Throttled", Throttled, "429"),
            (500, "InternalError", KeyUnavailable, "500"),
            (503, "Unavailable", KeyUnavailable, "503"),
        ],
    )
    def test_refusals_keep_their_meaning(
        self, azure: KeyVault, status: int, code: str, raised: type[LifeboatError], says: str
    ) -> None:
        store = MemoryStore()
        create_vault(store, azure.key(), store.clock)
        azure.fail(status, code, times=20)
        with pytest.raises(raised, match=says) as caught:
            open_vault(store, azure.key())
        assert caught.value.retryable == (status in (429, 500, 503))

    def test_a_short_throttle_is_waited_out_and_a_long_one_told(self, azure: KeyVault) -> None:
        wrapping = _closed(azure.key())
        azure.fail(429, "Throttled", times=3, retry_after="0")  # two for reading the key
        assert unwrap(wrapping, azure.key(), "vault-1") == DATA_KEY
        azure.fail(429, "Throttled", times=2, retry_after="3600")
        with pytest.raises(Throttled) as caught:
            unwrap(wrapping, azure.key(), "vault-1")
        assert caught.value.retry_after == 3600

    def test_a_refused_token_is_unauthorized(self, azure: KeyVault) -> None:
        wrapping = _closed(azure.key())
        with pytest.raises(Unauthorized, match="401"):
            unwrap(wrapping, azure.key(credential=StaticCredential("stale")), "vault-1")
        assert not [call for call in azure.asked if "unwrap" in call]

    def test_nobody_there_can_be_tried_again(self, azure: KeyVault, tmp_path: Path) -> None:
        with key_vault(tmp_path) as other:
            other.new_version()
            gone = other.key()
            wrapping = _closed(gone)
        with pytest.raises(KeyUnavailable):
            unwrap(wrapping, gone, "vault-1")

    def test_without_the_right_to_read_the_key_a_version_must_be_named(
        self, azure: KeyVault
    ) -> None:
        azure.may_read = False
        with pytest.raises(UsageError, match="name the version"):
            _closed(azure.key())
        version = azure.newest["lifeboat"]
        wrapping = _closed(azure.key(version))
        assert unwrap(wrapping, azure.key(), "vault-1") == DATA_KEY

    def test_a_wrapping_cannot_send_the_token_elsewhere(
        self, azure: KeyVault, tmp_path: Path
    ) -> None:
        with key_vault(tmp_path) as thief:
            thief.new_version()
            planted = _closed(thief.key())
            thief.asked.clear()
            assert unwrap(planted, azure.key(), "vault-1") is None
            assert thief.asked == []
        assert azure.asked == []

    def test_one_unwrap_opens_a_vault(self, azure: KeyVault) -> None:
        store = MemoryStore()
        create_vault(store, azure.key(), store.clock)
        azure.asked.clear()
        open_vault(store, azure.key())
        assert [call.rpartition("/")[2] for call in azure.asked if "POST" in call] == ["unwrapkey"]

    def test_a_domain_that_is_no_key_vault_is_refused(self, azure: KeyVault) -> None:
        """As wiring makes it: the challenge's domain has to be the vault's own."""
        from lifeboat.adapters.key_azure import AzureVaultKey

        strict = AzureVaultKey(
            f"{azure.url}/keys/lifeboat",
            "",
            StaticCredential(TOKEN),
            connection_verify=str(azure.ca),
        )
        with pytest.raises(UsageError, match="challenge resource"):
            strict.new_kek()
        assert azure.asked == []

    def test_a_forged_wrapping_for_its_public_key_is_not_taken(self, azure: KeyVault) -> None:
        store = MemoryStore()
        vault = create_vault(store, azure.key(), store.clock).header.vault
        stolen = bytes(32)
        forged = wrap(stolen, azure.key(), vault, ident="00000000", label="me", created="now")
        store.put_new(f"keys/{vault}-00000000", msgspec.json.encode(forged))
        ring: KeyRing = open_keyring(store, azure.key())
        entries = {entry.id: entry for entry in ring.entries()}
        assert "forged" in entries["00000000"].problem
        assert [entry.opens for entry in entries.values()].count(True) == 1
