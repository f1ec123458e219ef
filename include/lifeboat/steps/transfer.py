"""Moves blobs from one place of a vault to another, byte for byte.

What is read is verified before it is written, what is there already must be the same, and a bounded
number of blobs is on its way at a time, each held by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from threading import Lock
from typing import TypeVar

from lifeboat.errors import BlobExists, Damaged
from lifeboat.point.survey import UNREADABLE
from lifeboat.ports.parallel import each
from lifeboat.vault.packs import ROOT as PACKS
from lifeboat.vault.replica import ensure_same
from lifeboat.vault.trees import ROOT as TREES
from lifeboat.vault.vault import Vault
from lifeboat.vault.written import put_surely

IN_FLIGHT = 4
_FEW = 8  # up to so many blobs are looked up one by one: listing a small vault costs two requests

A = TypeVar("A")
B = TypeVar("B")

Check = Callable[[bytes], None]
"""Raises Damaged for bytes that are not what they should be."""


class Transfer:
    """From one place to another; `blobs` and `bytes` count what was written.

    Raises UsageError when the two are not the same vault. Several may run at the same time.
    """

    def __init__(self, source: Vault, copy: Vault, in_flight: int = IN_FLIGHT) -> None:
        ensure_same(source, copy)
        self.source = source
        self.copy = copy
        self.blobs = self.bytes = 0
        self._in_flight = in_flight
        self._listed: dict[str, int] | None = None
        self._counting = Lock()

    def there(self, keys: Iterable[str], *, anew: bool = False) -> dict[str, int]:
        """Which of these packs and trees the copy has, with their sizes: by a look at each, or by
        one listing for all, which later calls use unless `anew`."""
        wanted = sorted(keys)
        if anew:
            self._listed = None
        if self._listed is None and len(wanted) <= _FEW:
            return {
                stat.key: stat.size for stat in self._each(self.copy.store.stat, wanted) if stat
            }
        if self._listed is None:
            stats = (stat for root in (PACKS, TREES) for stat in self.copy.store.list(root))
            self._listed = {stat.key: stat.size for stat in stats}
        return {key: self._listed[key] for key in wanted if key in self._listed}

    def move(self, checks: Mapping[str, Check]) -> dict[str, str]:
        """Copy blobs, each after its check; returns why the others were not, by key.

        Raises at once what is no damage: a store that does not answer, or is full.
        """

        def one(key: str) -> None:
            data = self.source.store.get(key)
            checks[key](data)
            self.put(key, data)

        return self._tried(one, checks)

    def verify(self, checks: Mapping[str, Check]) -> dict[str, str]:
        """Check blobs that lie in the copy already; returns what is wrong, by key."""
        return self._tried(lambda key: checks[key](self.copy.store.get(key)), checks)

    def put(self, key: str, data: bytes, immutable_until: datetime | None = None) -> None:
        """Write one blob that was verified. Raises Damaged when the copy has another of its key."""
        try:
            put_surely(self.copy.store, key, data, immutable_until)
        except BlobExists:
            found = self.copy.store.get(key)
            if found != data:
                raise self.differs(key, len(data), len(found)) from None
            return
        with self._counting:
            self.blobs += 1
            self.bytes += len(data)
            if self._listed is not None:
                self._listed[key] = len(data)

    def lock(self, keys: Iterable[str], until: datetime) -> None:
        """Nobody deletes these blobs of the copy before `until`. Raises Unsupported."""
        self._each(lambda key: self.copy.store.extend_immutability(key, until), sorted(keys))

    def missing_documents(self, prefix: str) -> tuple[list[str], dict[str, str]]:
        """Keys below `prefix` that the copy does not have, and those that differ in size."""
        here, there = ({s.key: s for s in v.store.list(prefix)} for v in (self.source, self.copy))
        return sorted(here.keys() - there.keys()), {
            key: self.differs(key, here[key].size, there[key].size).message
            for key in sorted(here.keys() & there.keys())
            if here[key].size != there[key].size
        }

    def differs(self, key: str, size: int, found: int) -> Damaged:
        """The error for a blob that both places have, and not alike."""
        return Damaged(
            f"{key}: {self.copy.store.describe()} has other bytes ({found}) than"
            f" {self.source.store.describe()} ({size}); nothing is ever overwritten",
            hint="scrub both places: lifeboat scrub INSTANCE [--vault COPY] tells which is damaged",
        )

    def _tried(self, job: Callable[[str], None], keys: Iterable[str]) -> dict[str, str]:
        """Why the job did not get through, by key."""
        wanted = list(keys)
        reasons = self._each(partial(_why_not, job), wanted)
        return {key: why for key, why in zip(wanted, reasons, strict=True) if why}

    def _each(self, call: Callable[[A], B], items: Iterable[A]) -> list[B]:
        return list(each(self._in_flight, call, items))


def _why_not(job: Callable[[str], None], key: str) -> str:
    try:
        job(key)
    except UNREADABLE as error:
        return error.message
    return ""
