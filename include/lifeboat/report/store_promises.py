"""The promises of lifeboat/ports/store.py, each as something that can be tried on a store.

One place for all: `lifeboat vault check` tries them on a user's store, tests/contract on every
adapter. Each works in an empty scratch prefix and leaves cleaning up to the caller.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

from lifeboat.clock import Clock, pause, utc_now
from lifeboat.errors import BlobExists, BlobMissing, Conflict, Forbidden
from lifeboat.ports.store import Store

_LARGE = 8 << 20  # bytes; what a pack of the vault may grow to
_WRITERS = 6
_RACES = 8
_CHURN = 20
_SKEW = timedelta(seconds=60)
_LOCK_SECONDS = (6, 60)  # the longer one is tried when the shorter ran out under our hands


@dataclass(frozen=True)
class Scratch:
    """A prefix of its own in one store. `open` opens the place anew, as another process would."""

    open: Callable[[], Store]
    store: Store
    prefix: str
    clock: Clock = utc_now
    pause: Callable[[float], None] = pause

    def key(self, name: str) -> str:
        """The key of a scratch blob."""
        return self.prefix + name

    def keys(self, below: str = "") -> list[str]:
        """What a listing shows, without the prefix."""
        found = self.store.list(self.prefix + below)
        return [blob.key.removeprefix(self.prefix) for blob in found]


class Broken(Exception):  # noqa: N818 - what was found, not a type of error
    """The promise is not kept; the message says what was seen."""


class NotOffered(Exception):  # noqa: N818
    """The store, or this credential, does not do it; the message says why."""


@dataclass(frozen=True)
class Promise:
    """`says` in one line; `meaning` is what follows when it is not kept; `try_it` tries it."""

    says: str
    meaning: str
    try_it: Callable[[Scratch], None] = field(repr=False)
    needed: bool = True


def _expect(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Broken(otherwise)


def _expect_missing(call: Callable[[], object], what: str) -> None:
    try:
        call()
    except BlobMissing:
        return
    raise Broken(f"{what} answers as if there were a blob")


def _expect_taken(store: Store, key: str, data: bytes) -> None:
    try:
        store.put_new(key, data)
    except BlobExists:
        return
    raise Broken(f"a second write of {key} was accepted")


def _delete(store: Store, key: str) -> None:
    try:
        store.delete(key)
    except Forbidden as error:
        raise NotOffered(f"this credential may not delete: {error.message}") from None


# --- the promises


def _reads_back(s: Scratch) -> None:
    blobs = {"deep/er/blob": b"bytes \x00\xff", "empty": b""}
    for name, data in blobs.items():
        s.store.put_new(s.key(name), data)
    for reader in (s.store, s.open()):
        for name, data in blobs.items():
            _expect(reader.get(s.key(name)) == data, f"{name}: other bytes came back")
            found = reader.stat(s.key(name))
            _expect(found is not None, f"{name}: not there right after it was written")
            _expect(found is None or found.size == len(data), f"{name}: stat tells a wrong size")
        listed = sorted(blob.key.removeprefix(s.prefix) for blob in reader.list(s.prefix))
        _expect(listed == sorted(blobs), f"wrote {sorted(blobs)}, but a listing shows {listed}")


def _large_blobs(s: Scratch) -> None:
    data = secrets.token_bytes(_LARGE)
    s.store.put_new(s.key("large"), data)
    _expect(s.store.get(s.key("large")) == data, "8 MiB came back changed")
    middle = s.store.get_range(s.key("large"), 5 << 20, 4096)
    _expect(middle == data[5 << 20 :][:4096], "a range of 8 MiB came back changed")


def _never_overwrites(s: Scratch) -> None:
    s.store.put_new(s.key("a/b"), b"first")
    for data in (b"second", b"first"):
        _expect_taken(s.store, s.key("a/b"), data)
    _expect(s.store.get(s.key("a/b")) == b"first", "the second write replaced the first")


def _one_winner(s: Scratch) -> None:
    barrier = threading.Barrier(_WRITERS)
    stores = [s.open() for _ in range(_WRITERS)]

    def write(number: int) -> set[str]:
        won = set()
        for turn in range(_RACES):
            name = f"race/{turn}"
            barrier.wait(timeout=120)
            try:
                stores[number].put_new(s.key(name), f"writer {number}".encode())
            except BlobExists:
                continue
            except BaseException:
                barrier.abort()  # nobody waits for a writer that is gone
                raise
            won.add(name)
        return won

    with ThreadPoolExecutor(_WRITERS) as pool:
        running = [pool.submit(write, number) for number in range(_WRITERS)]
    failures = [failed for each in running if (failed := each.exception()) is not None]
    for failed in failures:
        if not isinstance(failed, threading.BrokenBarrierError):
            raise failed
    wins = [each.result() for each in running]
    for turn in range(_RACES):
        name = f"race/{turn}"
        winners = [number for number, won in enumerate(wins) if name in won]
        _expect(len(winners) == 1, f"{len(winners)} of {_WRITERS} writers were told they won")
        read = s.store.get(s.key(name))
        _expect(read == f"writer {winners[0]}".encode(), "the loser's bytes are in the blob")


def _ranges(s: Scratch) -> None:
    key = s.key("digits")
    s.store.put_new(key, b"0123456789")
    for offset, length in ((0, 3), (4, 3), (7, 100), (10, 5), (99, 5), (3, 0), (0, 10)):
        read = s.store.get_range(key, offset, length)
        expected = b"0123456789"[offset : offset + length]
        _expect(read == expected, f"bytes {offset}+{length}: got {read!r}, expected {expected!r}")


def _missing(s: Scratch) -> None:
    s.store.put_new(s.key("points/one"), b"")
    for name in ("nothing", "points/two", "points", "nowhere/at/all"):
        key = s.key(name)
        _expect_missing(lambda key=key: s.store.get(key), "get")  # type: ignore[misc]
        for offset, length in ((0, 0), (5, 5)):
            _expect_missing(
                lambda key=key, at=offset, n=length: s.store.get_range(key, at, n),  # type: ignore[misc]
                "a range read",
            )
        _expect(s.store.stat(key) is None, "stat answers as if there were a blob")
    _expect(s.keys("nowhere/") == [], "a listing of nothing shows blobs")


def _ordered_listing(s: Scratch) -> None:
    # '-' and '.' sort before '/', '0' and letters after it.
    names = ["a-b", "a-b.c", "a.b", "a/b", "a/b-c/d", "a/b.c", "a/c", "a/c0", "a0", "a=b", "B", "b"]
    for name in reversed(names):
        s.store.put_new(s.key(name), b"")
    listed = s.keys()
    _expect(listed == sorted(names), f"listed as {listed}, expected {sorted(names)}")
    below = s.keys("a/")
    expected = [name for name in sorted(names) if name.startswith("a/")]
    _expect(below == expected, f"below a/: listed {below}, expected {expected}")


def _deletes(s: Scratch) -> None:
    s.store.put_new(s.key("a/manifest"), b"old")
    s.store.put_new(s.key("b/manifest"), b"other")
    for name in ("a/manifest", "a/manifest", "never/was", "a", "b/manifest/below"):
        _delete(s.store, s.key(name))
    _expect(s.keys() == ["b/manifest"], f"after the deletes a listing shows {s.keys()}")
    _expect_missing(lambda: s.store.get(s.key("a/manifest")), "get of a deleted blob")
    s.store.put_new(s.key("a/manifest"), b"new")
    _expect(s.store.get(s.key("a/manifest")) == b"new", "the name gives the old bytes again")


def _neighbours(s: Scratch) -> None:
    def churn(name: str) -> None:
        store = s.open()
        for _ in range(_CHURN):
            store.put_new(s.key(f"d/e/f/{name}"), name.encode())
            _expect(store.get(s.key(f"d/e/f/{name}")) == name.encode(), "other bytes came back")
            _delete(store, s.key(f"d/e/f/{name}"))

    with ThreadPoolExecutor(3) as pool:
        for running in [pool.submit(churn, name) for name in ("one", "two", "three")]:
            running.result()
    _expect(s.keys() == [], f"left behind: {s.keys()}")


def _clocks_agree(s: Scratch) -> None:
    before = s.clock() - _SKEW
    s.store.put_new(s.key("now"), b"")
    after = s.clock() + _SKEW
    found = s.store.stat(s.key("now"))
    if found is None:
        raise Broken("not there right after it was written")
    _expect(
        before <= found.created <= after,
        f"it says {found.created:%Y-%m-%dT%H:%M:%SZ}, this machine {s.clock():%Y-%m-%dT%H:%M:%SZ}",
    )


def _locks(s: Scratch) -> None:
    traits = s.store.traits()
    if traits.immutability is False:
        raise NotOffered("; ".join(traits.notes))
    try:
        if not any(_lock_holds(s, seconds) for seconds in _LOCK_SECONDS):
            raise NotOffered("the store is too slow to tell: a lock of a minute ran out meanwhile")
    except Forbidden as error:
        raise NotOffered(f"this credential may not lock, or not delete: {error.message}") from None


def _lock_holds(s: Scratch, seconds: int) -> bool:
    """False when the lock ran out before it could be tried."""
    key = s.key(f"locked-{seconds}")
    first = s.clock() + timedelta(seconds=seconds)
    last = first + timedelta(seconds=seconds)
    s.store.put_new(key, b"locked", immutable_until=first)
    s.store.extend_immutability(key, last)
    s.store.extend_immutability(key, first)  # shortens nothing
    for moment in (s.clock(), first + timedelta(seconds=1)):
        s.pause(max(0.0, (moment - s.clock()).total_seconds()))
        if not _refuses_delete(s.store, key):
            _expect(s.clock() >= last, "a locked blob was deleted")
            return False
        _expect(s.store.get(key) == b"locked", "a refused delete damaged the blob")
    # Two seconds for clocks and rounding.
    s.pause(max(0.0, (last - s.clock()).total_seconds() + 2))
    _expect(not _refuses_delete(s.store, key), "a blob whose lock ran out cannot be deleted")
    return True


def _refuses_delete(store: Store, key: str) -> bool:
    try:
        store.delete(key)
    except Conflict:
        return True
    return False


def _frees_at_once(s: Scratch) -> None:
    traits = s.store.traits()
    if traits.keeps_deleted is None:
        raise NotOffered("; ".join((*traits.notes, "whether it keeps versions cannot be asked")))
    if traits.keeps_deleted:
        raise NotOffered("; ".join(traits.notes))


PROMISES: tuple[Promise, ...] = (
    Promise(
        "what was written is read back and listed at once",
        "a point could be committed whose data is not there",
        _reads_back,
    ),
    Promise("blobs of 8 MiB come back whole", "packs could not be stored", _large_blobs),
    Promise(
        "nothing is ever overwritten", "a later write could destroy a point", _never_overwrites
    ),
    Promise(
        "of racing writers exactly one wins",
        "two runs could each believe that they made the point",
        _one_winner,
    ),
    Promise("single ranges can be read", "no object could be read without its pack", _ranges),
    Promise(
        "what is not there is said to be missing",
        "a lost blob would look like an empty one",
        _missing,
    ),
    Promise(
        "a listing is whole and in order of keys",
        "points could be overlooked, and prune could take data that they need",
        _ordered_listing,
    ),
    Promise(
        "a deleted blob is gone, and deleting it again is no error",
        "prune and reconcile need a credential that may delete",
        _deletes,
    ),
    Promise(
        "writers and deleters of neighbours do not meet",
        "a backup could fail while prune runs",
        _neighbours,
    ),
    Promise(
        "its clock agrees with this one to a minute",
        "the grace ages that protect a running backup from reconcile would be wrong",
        _clocks_agree,
    ),
    Promise(
        "a locked blob cannot be deleted before its time",
        "whoever may delete in the store can delete every point at any time",
        _locks,
        needed=False,
    ),
    Promise(
        "deleting frees the space at once",
        "prune does not make the store smaller until its own rules remove what was deleted",
        _frees_at_once,
        needed=False,
    ),
)
"""Every promise, in the order in which they are tried; numbers in scratch prefixes follow it."""
