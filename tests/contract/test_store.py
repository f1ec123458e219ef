"""The promises of lifeboat/ports/store.py, kept by every adapter and by the tests' own fake.

Each is tried on a folder, a real Azurite over HTTP, the same behind a stand-in that locks, S3 with
and without Object Lock (moto, over HTTP), and in memory. The promises are those that `lifeboat
vault check` tries on a user's store; below them is what only tests can ask.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from lifeboat.adapters.store_azure import connect_azure
from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.adapters.store_local import LocalStore
from lifeboat.adapters.store_s3 import connect_s3
from lifeboat.adapters.store_s3_settings import S3Settings
from lifeboat.clock import Clock, pause, utc_now
from lifeboat.errors import BlobMissing, Conflict, Unsupported
from lifeboat.ports.store import Store, each_of
from lifeboat.report.store_check import Verdict, check_promise, check_store
from lifeboat.report.store_promises import PROMISES, Promise, Scratch
from tests.support.memory_store import MemoryStore
from tests.support.turned_clock import TurnedClock
from tests.support.worm_azurite import WormAccount


@dataclass
class Place:
    """`open` opens the same empty place anew each time, as another process would."""

    open: Callable[[], Store]
    locks: bool
    frees: bool = True
    clock: Clock = utc_now
    pause: Callable[[float], None] = pause


@pytest.fixture(params=["folder", "azure", "azure-worm", "s3", "s3-locks", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    turned = TurnedClock()
    match request.param:
        case "folder":
            return Place(lambda: LocalStore(tmp_path), locks=False)
        case "azure":
            azure: AzureSettings = request.getfixturevalue("azure_settings")
            return Place(lambda: connect_azure(azure), locks=False, frees=False)
        case "azure-worm":
            account: WormAccount = request.getfixturevalue("worm")
            account.clock = turned
            worm: AzureSettings = request.getfixturevalue("worm_settings")
            return Place(
                lambda: connect_azure(worm, clock=turned),
                locks=True,
                frees=False,
                clock=turned,
                pause=turned.pause,
            )
        case "s3":
            s3: S3Settings = request.getfixturevalue("s3_settings")
            return Place(lambda: connect_s3(s3), locks=False)
        case "s3-locks":
            locking: S3Settings = request.getfixturevalue("s3_locking")
            return Place(lambda: connect_s3(locking), locks=True)
        case _:
            memory = MemoryStore(clock=turned)
            return Place(lambda: memory, locks=True, clock=turned, pause=turned.pause)


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


def keys(store: Store, prefix: str = "") -> list[str]:
    return [found.key for found in store.list(prefix)]


# --- what `lifeboat vault check` tries


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.try_it.__name__)
def test_promise(place: Place, promise: Promise) -> None:
    scratch = Scratch(place.open, place.open(), "check/one/", place.clock, place.pause)
    offered = {"_locks": place.locks, "_frees_at_once": place.frees}
    found = check_promise(promise, scratch)
    expected = offered.get(promise.try_it.__name__, True)
    assert found.verdict == (Verdict.OK if expected else Verdict.NOT_OFFERED), found.detail
    assert expected or found.detail


def test_the_check_removes_its_own_and_nothing_else(place: Place) -> None:
    store = place.open()
    store.put_new("points/mine", b"kept")
    findings = list(check_store(place.open, clock=place.clock, pause=place.pause))
    assert [found for found in findings if found.fatal] == []
    assert findings[-1].verdict is Verdict.OK, findings[-1].detail
    assert keys(store) == ["points/mine"]


# --- what only tests ask


def test_locks_are_kept_or_refused_and_never_left_out(place: Place) -> None:
    store, until = place.open(), place.clock() + timedelta(minutes=1)
    if place.locks:
        store.put_new("packs/a", b"x", immutable_until=until)
        with pytest.raises(Conflict, match="locked until"):
            place.open().delete("packs/a")
        with pytest.raises(BlobMissing):
            store.extend_immutability("packs/b", until)
        return
    with pytest.raises(Unsupported, match="cannot lock"):
        store.put_new("packs/a", b"x", immutable_until=until)
    assert keys(store) == []
    store.put_new("packs/a", b"x")
    with pytest.raises(Unsupported, match="cannot lock"):
        store.extend_immutability("packs/a", until)


def test_a_blob_may_be_locked_later(place: Place) -> None:
    store, until = place.open(), place.clock() + timedelta(minutes=1)
    store.put_new("packs/a", b"x")
    if place.locks:
        store.extend_immutability("packs/a", until)
        with pytest.raises(Conflict, match="Not yet"):
            place.open().delete("packs/a")
    assert store.get("packs/a") == b"x"


def test_a_lock_needs_a_time_zone(store: Store) -> None:
    with pytest.raises(ValueError, match="time zone"):
        store.put_new("packs/a", b"x", immutable_until=datetime(2099, 1, 1))  # noqa: DTZ001
    assert keys(store) == []


def test_calls_come_from_several_threads(store: Store) -> None:
    """As many as any store asks for, and each gets what it asked for."""
    names = [f"points/{number:03}" for number in range(60)]

    def there_and_back(name: str) -> bytes:
        store.put_new(name, name.encode() * 100)
        assert name in keys(store, "points/")
        return store.get_range(name, 0, len(name))

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(there_and_back, names)) == [name.encode() for name in names]
    assert list(each_of(store, store.get, names)) == [name.encode() * 100 for name in names]
    with pytest.raises(BlobMissing):
        list(each_of(store, store.get, ["points/000", "points/gone", "points/001"]))
    assert keys(store, "points/") == names
    list(each_of(store, store.delete, names))
    assert keys(store, "points/") == []


@pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, -1)])
def test_impossible_ranges_are_refused(store: Store, offset: int, length: int) -> None:
    store.put_new("digits", b"0123456789")
    with pytest.raises(ValueError, match="range"):
        store.get_range("digits", offset, length)


def test_a_prefix_is_whole_segments(store: Store) -> None:
    for key in ("points/1", "points2/1", "point/1", "points-old", "x/points/1"):
        store.put_new(key, b"")
    assert keys(store, "points/") == ["points/1"]
    for prefix in ("points", "/", "../", "points//", "./"):
        with pytest.raises(ValueError, match="not a store"):
            store.list(prefix)


BAD_KEYS = [
    *("", "/", ".", "..", "/abs", "../x", "a/../x", "a/./x", "a//b", "a/", ".hidden", "a/.x"),
    *("a\0b", "a\\b", "a\nb", "a b", "a\n", "ä", "a/\u2215x", "\u202e", "%2e%2e/x", "a?b"),
    *("a:b", "a*", "~", "x" * 901),
]


def test_keys_that_are_no_plain_path_are_refused(store: Store) -> None:
    calls: list[Callable[[str], object]] = [
        lambda key: store.put_new(key, b"x"),
        store.get,
        lambda key: store.get_range(key, 0, 1),
        lambda key: store.get_range(key, 0, 0),
        store.stat,
        lambda key: store.extend_immutability(key, utc_now()),
        store.delete,
    ]
    for key in BAD_KEYS:
        for call in calls:
            with pytest.raises(ValueError, match="not a store key"):
                call(key)
    assert keys(store) == []


def test_describe_says_where_without_secrets(store: Store) -> None:
    assert store.describe()
    assert "?" not in store.describe()
    assert "key" not in store.describe().lower()
