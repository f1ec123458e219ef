"""A store in memory that keeps the port's promises, with faults on order and a record of calls.

Passes the same contract suite as the real ones. Used where a test must decide which call fails.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from lifeboat.clock import Clock, utc_now
from lifeboat.errors import BlobExists, BlobMissing
from lifeboat.ports.store import (
    BlobStat,
    Traits,
    check_key,
    check_prefix,
    check_range,
    lock_end,
    locked,
)


@dataclass(frozen=True)
class Call:
    """One call of the port: the method's name and the key or prefix it was given."""

    method: str
    key: str


@dataclass
class _Fault:
    method: str
    error: Exception
    times: int
    after: bool


@dataclass
class MemoryStore:
    """`blobs` and `locks` may be changed by a test, to damage or to look; `calls` is every call in
    order."""

    clock: Clock = utc_now
    blobs: dict[str, bytes] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    locks: dict[str, datetime] = field(default_factory=dict)
    _created: dict[str, BlobStat] = field(default_factory=dict)
    _faults: list[_Fault] = field(default_factory=list)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def fail_next(
        self, method: str, error: Exception, times: int = 1, *, after: bool = False
    ) -> None:
        """The next `times` calls of `method` raise `error`; with `after`, once they are done.

        Faults of one method are used up in the order they were given.
        """
        if not callable(getattr(self, method, None)):
            raise ValueError(f"the store port has no method {method!r}")
        self._faults.append(_Fault(method, error, times, after))

    in_flight = 1  # calls come in an order that tests can count on

    def twin(self, clock: Clock) -> MemoryStore:
        """Another store that holds the same blobs, with a clock of its own."""
        return MemoryStore(
            clock, dict(self.blobs), locks=dict(self.locks), _created=dict(self._created)
        )

    def describe(self) -> str:
        """No place at all."""
        return "memory"

    def traits(self) -> Traits:
        """It locks by its own clock."""
        return Traits(immutability=True, keeps_deleted=False)

    def put_new(self, key: str, data: bytes, *, immutable_until: datetime | None = None) -> None:
        """Create the blob. Raises BlobExists."""
        check_key(key)
        end = None if immutable_until is None else lock_end(immutable_until)
        with self._called("put_new", key):
            if key in self.blobs:
                raise BlobExists(f"{key} is already in memory")
            self.blobs[key] = bytes(data)
            self._created[key] = BlobStat(key, len(data), self.clock())
            if end is not None:
                self.locks[key] = end

    def extend_immutability(self, key: str, until: datetime) -> None:
        """Lock until `until`, unless it is locked for longer. Raises BlobMissing."""
        check_key(key)
        with self._called("extend_immutability", key):
            self._read(key)
            self.locks[key] = max(lock_end(until), self.locks.get(key, lock_end(until)))

    def get(self, key: str) -> bytes:
        """The whole blob. Raises BlobMissing."""
        check_key(key)
        with self._called("get", key):
            return self._read(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer only at the blob's end. Raises BlobMissing."""
        check_key(key)
        check_range(offset, length)
        with self._called("get_range", key):
            return self._read(key)[offset : offset + length]

    def stat(self, key: str) -> BlobStat | None:
        """None when there is no such blob."""
        check_key(key)
        with self._called("stat", key):
            return self._stat(key) if key in self.blobs else None

    def list(self, prefix: str) -> Iterator[BlobStat]:
        """All blobs below `prefix` as they are now, in ascending order of key."""
        check_prefix(prefix)
        with self._called("list", prefix):
            found = [self._stat(key) for key in sorted(self.blobs) if key.startswith(prefix)]
        return iter(found)

    def delete(self, key: str) -> None:
        """Remove the blob if it is there. Raises Conflict while it is locked."""
        check_key(key)
        with self._called("delete", key):
            until = self.locks.get(key)
            if key in self.blobs and until is not None and until > self.clock():
                raise locked(key, until)
            self.locks.pop(key, None)
            self.blobs.pop(key, None)
            self._created.pop(key, None)

    def _read(self, key: str) -> bytes:
        if key not in self.blobs:
            raise BlobMissing(f"{key} is not in memory")
        return self.blobs[key]

    def _stat(self, key: str) -> BlobStat:
        """The size is read anew: a test may have truncated the blob."""
        created = self._created[key].created if key in self._created else self.clock()
        return BlobStat(key, len(self.blobs[key]), created)

    @contextmanager
    def _called(self, method: str, key: str) -> Iterator[None]:
        with self._lock:
            self.calls.append(Call(method, key))
            fault = next((f for f in self._faults if f.method == method), None)
            if fault is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._faults.remove(fault)
                if not fault.after:
                    raise fault.error
            try:
                yield
            finally:
                if fault is not None:
                    raise fault.error  # whatever the answer was, it got lost
