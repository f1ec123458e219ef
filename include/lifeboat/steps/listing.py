"""Lists many kinds at once, in order of arrival, holding only a few MiB of pages.

A few threads list, the caller packs: listing waits for the network and the API server, packing for
the processor. What one kind refuses does not stop the others.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from lifeboat.errors import Expired, LifeboatError
from lifeboat.ports.cluster import Cluster
from lifeboat.ports.fields import Fields
from lifeboat.steps.scope import Listing

_HELD_BYTES = 16 * 1024 * 1024  # a page has some 4 MiB
_RELISTS = 3


@dataclass(frozen=True)
class Arrived:
    """Objects of a listing. `restarted` voids what came of it before: its snapshot of the store
    expired between two pages, and the kind is listed anew. `version` is the resourceVersion."""

    listing: Listing
    items: Sequence[Fields] = ()
    restarted: bool = False
    version: str = ""


@dataclass(frozen=True)
class Failed:
    """A listing that ended with an error."""

    listing: Listing
    error: BaseException


class _Belt:
    """Pages on their way to who packs them, up to a number of bytes: many small pages must not keep
    the threads that list from asking for the next large one."""

    def __init__(self, most: int) -> None:
        self._room = threading.Condition()
        self._held: deque[tuple[int, Arrived | Failed | None]] = deque()
        self._bytes, self._most = 0, most

    def put(self, found: Arrived | Failed | None, size: int = 0) -> None:
        """Waits while there is no room; what is larger than all room waits until it is alone."""
        with self._room:
            self._room.wait_for(lambda: not self._bytes or self._bytes + size <= self._most)
            self._held.append((size, found))
            self._bytes += size
            self._room.notify_all()

    def get(self) -> Arrived | Failed | None:
        with self._room:
            self._room.wait_for(lambda: self._held)
            size, found = self._held.popleft()
            self._bytes -= size
            self._room.notify_all()
            return found


@dataclass
class _Work:
    listings: queue.SimpleQueue[Listing]
    out: _Belt
    stopped: threading.Event = field(default_factory=threading.Event)


def list_all(
    cluster: Cluster, listings: Sequence[Listing], most: int
) -> Generator[Arrived | Failed, None, None]:
    """Every page of every listing, with at most so many requests open; failures come as values,
    for the caller to judge."""
    work = _Work(queue.SimpleQueue(), _Belt(_HELD_BYTES))
    for listing in listings:
        work.listings.put(listing)
    threads = [
        threading.Thread(target=_run, args=(cluster, work), name=f"list-{n}", daemon=True)
        for n in range(min(most, len(listings)))
    ]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            arrived = work.out.get()
            if arrived is None:
                running -= 1
            else:
                yield arrived
    finally:
        work.stopped.set()
        while running:  # an abandoned iterator must not leave threads behind a full queue
            running -= work.out.get() is None
        for thread in threads:
            thread.join()


def _run(cluster: Cluster, work: _Work) -> None:
    while not work.stopped.is_set():
        try:
            listing = work.listings.get_nowait()
        except queue.Empty:
            break
        try:
            _list_one(cluster, listing, work)
        except BaseException as error:  # the caller decides; a thread must never die silently
            work.out.put(Failed(listing, error))
    work.out.put(None)


def _list_one(cluster: Cluster, listing: Listing, work: _Work) -> None:
    for attempt in range(_RELISTS + 1):
        try:
            for page in cluster.list_fields(listing.kind, namespace=listing.namespace):
                if work.stopped.is_set():
                    return
                work.out.put(Arrived(listing, page.items, version=page.resource_version), page.size)
            return
        except Expired:
            if attempt == _RELISTS:
                raise
            work.out.put(Arrived(listing, restarted=True))


def worth_retrying(error: BaseException) -> bool:
    """Whether the whole shard should be tried again rather than named as a loss."""
    return not isinstance(error, LifeboatError) or error.retryable
