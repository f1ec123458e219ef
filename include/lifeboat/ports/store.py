"""What a vault needs of the place its bytes lie in.

A key is a relative path of `/`-separated segments (`packs/3f/…`); `check_key` is the only judge of
what a key may look like, and every adapter calls it first, so no name can leave the store's root.

Guarantees every adapter keeps (report/store_promises.py tries them on any store, and
tests/contract/test_store.py against all of ours):
- `put_new` is atomic create-if-absent: of two racing writers exactly one returns, the other gets
  `BlobExists`; a crash leaves the whole blob or none; after it returns, `get` and `list` see it.
- nothing ever overwrites: there is no other way to write.
- `delete` of a missing blob is not an error; of an immutable one it raises `Conflict`, which means
  "not yet", and the blob stays in its place.
- immutability is an offer, not a duty: `traits` says whether it is made, and who asks for it where
  it is not gets `Unsupported`. A lock that was asked for is never silently left out.
- calls may come from several threads at once.
- errors are of lifeboat.errors: StoreUnavailable (retryable), StoreReadOnly, StoreFull, Forbidden,
  Unauthorized, BlobMissing, BlobExists, NotAVault (the root itself does not exist).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from lifeboat.clock import rfc3339
from lifeboat.errors import Conflict
from lifeboat.ports.parallel import each

T = TypeVar("T")
R = TypeVar("R")

_SEGMENT = re.compile(r"[A-Za-z0-9_@=+-][A-Za-z0-9._@=+-]*")
_LONGEST_KEY = 900  # Azure allows blob names of 1,024 characters; the rest is for the user's prefix


def is_key(name: str) -> bool:
    """Whether `name` is a plain relative path; a listing passes over whatever is not."""
    return len(name) <= _LONGEST_KEY and all(map(_SEGMENT.fullmatch, name.split("/")))


def check_key(key: str) -> str:
    """Returns `key`; raises ValueError for anything that is not a plain relative path."""
    if not is_key(key):
        raise ValueError(f"not a store key: {key[:120]!r}")
    return key


def check_prefix(prefix: str) -> str:
    """Returns `prefix`; raises ValueError unless it is empty or whole segments ending in `/`."""
    if prefix and not prefix.endswith("/"):
        raise ValueError(f"not a store prefix (it must end in '/'): {prefix[:120]!r}")
    if prefix:
        check_key(prefix[:-1])
    return prefix


def check_range(offset: int, length: int) -> None:
    """Raises ValueError for a range that no blob can have."""
    if offset < 0 or length < 0:
        raise ValueError(f"not a byte range: offset {offset}, length {length}")


def lock_end(until: datetime) -> datetime:
    """`until` in UTC, up to a whole second as HTTP's dates are; ValueError without a time zone."""
    if until.tzinfo is None:
        raise ValueError(f"not a moment: {until} has no time zone")
    whole = until.astimezone(UTC).replace(microsecond=0)
    return whole + timedelta(seconds=1) if until.microsecond else whole


def locked(key: str, until: datetime) -> Conflict:
    """The error for deleting what is immutable; the same words from every adapter."""
    return Conflict(
        f"{key} is locked until {rfc3339(until)}",
        hint="Not yet: it can be deleted when its lock has run out.",
    )


@dataclass(frozen=True)
class BlobStat:
    """One stored blob: its key, size in bytes and the moment the store created it (UTC)."""

    key: str
    size: int
    created: datetime


@dataclass(frozen=True)
class Traits:
    """What a store offers beyond the guarantees. None: the credential may not ask.

    `immutability`: it keeps single blobs from everybody until a date. `keeps_deleted`: it keeps
    what was deleted for a while (versions, soft delete), so deleting frees no space at once.
    `notes`: what a person should know about them, a sentence each.
    """

    immutability: bool | None
    keeps_deleted: bool | None
    notes: tuple[str, ...] = ()


class Store(Protocol):
    """A flat, write-once key space."""

    @property
    def in_flight(self) -> int:
        """How many requests at once make many of them faster: 1 where no network lies between."""
        ...

    def describe(self) -> str:
        """The place as a person would write it, without credentials."""
        ...

    def traits(self) -> Traits:
        """What it offers beyond the guarantees, as the place itself answers."""
        ...

    def put_new(self, key: str, data: bytes, *, immutable_until: datetime | None = None) -> None:
        """Create the blob. Raises BlobExists when there is one already.

        Until `immutable_until` (aware, in the future; whole seconds, rounded up) nobody can delete
        it. Raises Unsupported where that is not offered: then the blob was not written, or, if the
        store took the request and left the lock out, is there without its lock.
        """
        ...

    def extend_immutability(self, key: str, until: datetime) -> None:
        """Nobody can delete the blob before `until`; a later date that it has already stays.

        Raises BlobMissing, Unsupported.
        """
        ...

    def get(self, key: str) -> bytes:
        """The whole blob. Raises BlobMissing."""
        ...

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer only at the blob's end. Raises BlobMissing."""
        ...

    def stat(self, key: str) -> BlobStat | None:
        """None when there is no such blob."""
        ...

    def list(self, prefix: str) -> Iterator[BlobStat]:
        """All blobs whose key starts with `prefix` (a whole number of segments ending in `/`, or
        the empty string), in ascending order of key, fetched page by page."""
        ...

    def delete(self, key: str) -> None:
        """Remove the blob if it is there. Raises Conflict while it is immutable: not yet."""
        ...


def each_of(store: Store, work: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """`parallel.each` with as many requests in flight as the store likes."""
    return each(store.in_flight, work, items)
