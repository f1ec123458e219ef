"""Live objects as a plan compares them: by pages where it looks at most of a namespace's objects of
a kind, one by one where it looks at few."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from lifeboat.errors import Expired, Forbidden, NotFound
from lifeboat.ports.cluster import Cluster, Json, Kind, Page
from lifeboat.restore.live import LiveStates

# A listed object costs about a tenth of one that is asked for by its name.
_WORTH_LISTING = 1 / 4
_FEW = 20
_MOST_BYTES = 32 * 1024 * 1024


class _Named(msgspec.Struct, frozen=True):
    class Metadata(msgspec.Struct, frozen=True):
        name: str

    metadata: Metadata


_name_of = msgspec.json.Decoder(_Named)
_decode = msgspec.json.Decoder(Json).decode


@dataclass
class _Pages:
    """A list that is being gone through, in the order of names (as etcd keeps them)."""

    pages: Iterator[Page]
    ahead: deque[tuple[str, bytes]] = field(default_factory=deque)

    def until(self, last: str) -> Iterator[tuple[str, bytes]]:
        """The objects up to a name, but those that were given before."""
        while True:
            while self.ahead and self.ahead[0][0] <= last:
                yield self.ahead.popleft()
            page = None if self.ahead else next(self.pages, None)
            if page is None:
                return
            for raw in page.items:
                self.ahead.append((_name_of.decode(raw).metadata.name, raw))


class LiveBodies:
    """The objects of the kind that was asked for last. Not for several threads but `take`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._kind: Kind | None = None
        self._lists: dict[str, _Pages] = {}
        self._found: dict[tuple[str, str], bytes] = {}

    def gather(self, kind: Kind, names: Iterable[tuple[str, str]], states: LiveStates) -> None:
        """Get what is there of these objects, by namespace ("" outside) and name, where a list is
        worth it: `take` is going to be asked for them. Names come in ascending order from call to
        call.

        Raises what is retryable, but for a list that expired: its objects are asked for one by one.
        """
        if kind != self._kind:
            self._kind, self._lists = kind, {}
        wanted: dict[str, set[str]] = {}
        for space, name in names:
            if states.state(kind, space, name):
                wanted.setdefault(space, set()).add(name)
        self._found, room = {}, _MOST_BYTES
        for space, some in wanted.items():
            between = states.between(space, min(some), max(some))
            if len(some) < max(_FEW, _WORTH_LISTING * between):
                continue
            for name, raw in self._list(kind, space, max(some)):
                if name in some and len(raw) <= room:
                    self._found[space, name] = raw
                    room -= len(raw)

    def take(self, kind: Kind, namespace: str, name: str) -> Json:
        """The object, gathered or asked for. Raises NotFound and what a get raises."""
        raw = self._found.pop((namespace, name), None)
        if raw is None:
            return self._cluster.get(kind, namespace or None, name)
        body: Json = _decode(raw)
        # The items of a list leave out what the list says of all of them.
        body.setdefault("apiVersion", kind.api_version)
        body.setdefault("kind", kind.kind)
        return body

    def _list(self, kind: Kind, space: str, last: str) -> Iterator[tuple[str, bytes]]:
        if space not in self._lists:
            self._lists[space] = _Pages(self._cluster.list_pages(kind, namespace=space or None))
        try:
            yield from self._lists[space].until(last)
        except (Expired, Forbidden, NotFound):
            self._lists[space] = _Pages(iter(()))
