"""The promises of lifeboat/ports/store.py, kept by every adapter and by the tests' own fake.

Each test runs on a folder, on a real Azurite over HTTP, and in memory.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from lifeboat.adapters.store_azure import connect_azure
from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.adapters.store_local import LocalStore
from lifeboat.clock import utc_now
from lifeboat.errors import BlobExists, BlobMissing
from lifeboat.ports.store import Store
from tests.support.memory_store import MemoryStore

Opener = Callable[[], Store]


@pytest.fixture(params=["folder", "azure", "memory"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same empty place anew each time, as another process would."""
    match request.param:
        case "folder":
            return lambda: LocalStore(tmp_path)
        case "azure":
            settings: AzureSettings = request.getfixturevalue("azure_settings")
            return lambda: connect_azure(settings)
        case _:
            memory = MemoryStore()
            return lambda: memory


@pytest.fixture
def store(open_store: Opener) -> Store:
    return open_store()


def keys(store: Store, prefix: str = "") -> list[str]:
    return [found.key for found in store.list(prefix)]


def test_what_was_put_is_read_back(store: Store, open_store: Opener) -> None:
    store.put_new("packs/3f/abc", b"bytes \x00\xff")
    for reader in (store, open_store()):
        assert reader.get("packs/3f/abc") == b"bytes \x00\xff"
        assert keys(reader) == ["packs/3f/abc"]


def test_an_empty_blob_is_a_blob(store: Store) -> None:
    store.put_new("empty", b"")
    assert store.get("empty") == b""
    assert store.get_range("empty", 0, 10) == b""
    found = store.stat("empty")
    assert found is not None
    assert found.size == 0
    assert keys(store) == ["empty"]


def test_eight_mebibytes(store: Store) -> None:
    data = os.urandom(8 << 20)
    store.put_new("packs/large", data)
    assert store.get("packs/large") == data
    assert store.get_range("packs/large", 5 << 20, 4096) == data[5 << 20 :][:4096]


def test_nothing_is_overwritten(store: Store) -> None:
    store.put_new("a/b", b"first")
    for data in (b"second", b"first"):
        with pytest.raises(BlobExists):
            store.put_new("a/b", data)
    assert store.get("a/b") == b"first"


@pytest.mark.parametrize(
    ("offset", "length", "expected"),
    [
        (0, 3, b"012"),
        (4, 3, b"456"),
        (7, 100, b"789"),
        (10, 5, b""),
        (99, 5, b""),
        (3, 0, b""),
        (0, 10, b"0123456789"),
    ],
)
def test_ranges(store: Store, offset: int, length: int, expected: bytes) -> None:
    store.put_new("r/digits", b"0123456789")
    assert store.get_range("r/digits", offset, length) == expected


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, -1)])
def test_impossible_ranges_are_refused(store: Store, offset: int, length: int) -> None:
    store.put_new("digits", b"0123456789")
    with pytest.raises(ValueError, match="range"):
        store.get_range("digits", offset, length)


def test_a_missing_blob(store: Store) -> None:
    store.put_new("points/one", b"")
    for key in ("nothing", "points/two", "points", "nowhere/at/all"):
        with pytest.raises(BlobMissing):
            store.get(key)
        with pytest.raises(BlobMissing):
            store.get_range(key, 0, 0)
        with pytest.raises(BlobMissing):
            store.get_range(key, 5, 5)
        assert store.stat(key) is None
    assert keys(store, "nowhere/") == []


def test_delete_is_idempotent_and_frees_the_name(store: Store) -> None:
    store.put_new("points/a/manifest", b"old")
    store.put_new("points/b/manifest", b"other")
    for _ in range(2):
        store.delete("points/a/manifest")
    for never in ("never/was", "points", "points/a", "points/b/manifest/below"):
        store.delete(never)
    assert keys(store) == ["points/b/manifest"]
    store.put_new("points/a/manifest", b"new")
    assert store.get("points/a/manifest") == b"new"


def test_stat_tells_size_and_creation(store: Store) -> None:
    before = utc_now() - timedelta(seconds=2)  # HTTP dates are whole seconds
    store.put_new("k/x", b"12345")
    found = store.stat("k/x")
    assert found is not None
    assert (found.key, found.size) == ("k/x", 5)
    assert before <= found.created <= utc_now() + timedelta(seconds=2)
    assert found.created.utcoffset() == timedelta(0)
    assert list(store.list("k/")) == [found]


def test_listing_is_ordered_by_key_not_by_folder(store: Store) -> None:
    # '-' and '.' sort before '/', '0' and letters after it.
    names = ["a-b", "a-b.c", "a.b", "a/b", "a/b-c/d", "a/b.c", "a/c", "a/c0", "a0", "a=b", "B", "b"]
    for name in reversed(names):
        store.put_new(name, b"")
    assert keys(store) == sorted(names)
    assert keys(store, "a/") == ["a/b", "a/b-c/d", "a/b.c", "a/c", "a/c0"]


def test_a_prefix_is_whole_segments(store: Store) -> None:
    for key in ("points/1", "points2/1", "point/1", "points-old", "x/points/1"):
        store.put_new(key, b"")
    assert keys(store, "points/") == ["points/1"]
    for prefix in ("points", "/", "../", "points//", "./"):
        with pytest.raises(ValueError, match="not a store"):
            store.list(prefix)


@pytest.mark.parametrize(
    "key",
    [
        *("", "/", ".", "..", "/abs", "../x", "a/../x", "a/./x", "a//b", "a/", ".hidden", "a/.x"),
        *("a\0b", "a\\b", "a\nb", "a b", "a\n", "ä", "a/\u2215x", "\u202e", "%2e%2e/x", "a?b"),
        *("a:b", "a*", "~", "x" * 901),
    ],
)
def test_keys_that_are_no_plain_path_are_refused(store: Store, key: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.put_new(key, b"x"),
        lambda: store.get(key),
        lambda: store.get_range(key, 0, 1),
        lambda: store.stat(key),
        lambda: store.delete(key),
    ]
    for call in calls:
        with pytest.raises(ValueError, match="not a store key"):
            call()
    assert keys(store) == []


def test_of_racing_writers_exactly_one_wins(open_store: Opener) -> None:
    writers = 6
    barrier = threading.Barrier(writers)
    stores = [open_store() for _ in range(writers)]

    def write(number: int) -> list[str]:
        won = []
        for turn in range(8):
            barrier.wait(timeout=60)
            try:
                stores[number].put_new(f"race/{turn}/manifest", f"writer {number}".encode())
            except BlobExists:
                continue
            won.append(f"race/{turn}/manifest")
        return won

    with ThreadPoolExecutor(writers) as pool:
        wins = list(pool.map(write, range(writers)))
    assert sorted(key for won in wins for key in won) == keys(stores[0])
    assert len(keys(stores[0])) == 8
    for number, won in enumerate(wins):
        for key in won:
            assert stores[0].get(key) == f"writer {number}".encode()


def test_writers_and_deleters_of_neighbours_do_not_meet(open_store: Opener) -> None:
    """A folder emptied by one hand while the other fills it."""
    rounds = 60

    def churn(name: str) -> None:
        store = open_store()
        for _ in range(rounds):
            store.put_new(f"d/e/f/{name}", name.encode())
            assert store.get(f"d/e/f/{name}") == name.encode()
            store.delete(f"d/e/f/{name}")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(churn, ["one", "two", "three"]))
    assert keys(open_store()) == []


def test_describe_says_where_without_secrets(store: Store) -> None:
    assert store.describe()
    assert "?" not in store.describe()
    assert "key" not in store.describe().lower()
