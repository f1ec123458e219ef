"""What a vault needs of the place its bytes lie in.

A key is a relative path of `/`-separated segments (`packs/3f/…`); `check_key` is the only judge of
what a key may look like, and every adapter calls it first, so no name can leave the store's root.

Guarantees every adapter keeps (tests/contract/test_store.py runs on all of them):
- `put_new` is atomic create-if-absent: of two racing writers exactly one returns, the other gets
  `BlobExists`; a crash leaves the whole blob or none; after it returns, `get` and `list` see it.
- nothing ever overwrites: there is no other way to write.
- `delete` of a missing blob is not an error; of an immutable one it raises `Conflict`.
- errors are of lifeboat.errors: StoreUnavailable (retryable), StoreReadOnly, StoreFull, Forbidden,
  Unauthorized, BlobMissing, BlobExists, NotAVault (the root itself does not exist).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

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


@dataclass(frozen=True)
class BlobStat:
    """One stored blob: its key, size in bytes and the moment the store created it (UTC)."""

    key: str
    size: int
    created: datetime


class Store(Protocol):
    """A flat, write-once key space."""

    def describe(self) -> str:
        """The place as a person would write it, without credentials."""
        ...

    def put_new(self, key: str, data: bytes) -> None:
        """Create the blob. Raises BlobExists when there is one already."""
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
        """Remove the blob if it is there. Raises Conflict while it is immutable."""
        ...
