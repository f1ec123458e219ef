"""What a target holds under the names of a plan, one kind at a time: planning asks kind by kind."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from lifeboat.errors import LifeboatError
from lifeboat.ports.cluster import Cluster, Json, Kind

# Below so many namespaces a list each is less than one of the whole cluster.
_FEW_NAMESPACES = 4


class _Named(msgspec.Struct, frozen=True):
    metadata: dict[str, Any]
    status: Any = None  # mostly an object, but a custom resource may say anything


_named = msgspec.json.Decoder(_Named).decode
_whole = msgspec.json.Decoder(Json).decode
_BY_SERVER = ("resourceVersion", "managedFields")


def state_of(live: Json) -> str:
    """What changes when somebody changes the object, and not when a controller only writes status:
    its uid and generation. Not all kinds count generations: of one with a status (a
    HorizontalPodAutoscaler, a Service) the rest is digested, of others the resourceVersion does."""
    metadata = live["metadata"]
    counted = metadata.get("generation")
    if not counted and live.get("status"):
        kept = {name: value for name, value in metadata.items() if name not in _BY_SERVER}
        rest = {n: v for n, v in live.items() if n not in ("apiVersion", "kind", "status")}
        encoded = msgspec.json.encode({**rest, "metadata": kept}, order="sorted")
        counted = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{metadata.get('uid', '')}/{counted or metadata.get('resourceVersion', '')}"


def uid_of(state: str) -> str:
    """The uid in what `state_of` returned; "" where there was no object."""
    return state.partition("/")[0]


def listed_state(raw: bytes) -> tuple[dict[str, Any], str]:
    """Metadata and state of an object of a list. Only what has a status and no generation has to
    be decoded whole."""
    seen = _named(raw)
    whole = seen.status and not seen.metadata.get("generation")
    return seen.metadata, state_of(_whole(raw) if whole else {"metadata": seen.metadata})


class LiveStates:
    """The states of what is there already, of the kind that was asked for last. `warnings` says
    what could not be listed; such a kind counts as absent, and the API server has the last word."""

    def __init__(self, cluster: Cluster, namespace_kind: Kind, targets: Iterable[str]) -> None:
        """`targets`: the namespaces that are restored into; those that are not there hold nothing
        and are not asked."""
        self._cluster = cluster
        self.warnings: list[str] = []
        self._kind = namespace_kind
        self.namespaces: tuple[str, ...] = ()
        self._states = self._look(namespace_kind)
        self._sorted: dict[str, list[str]] | None = None
        wanted = set(targets)
        self.namespaces = tuple(sorted(name for _, name in self._states if name in wanted))

    def state(self, kind: Kind, namespace: str, name: str) -> str:
        """The object's state, "" when there is none."""
        if kind != self._kind:
            self._kind, self._states, self._sorted = kind, self._look(kind), None
        return self._states.get((namespace if kind.namespaced else "", name), "")

    def between(self, namespace: str, first: str, last: str) -> int:
        """How many objects of the kind that was asked for last have a name from `first` to `last`,
        both counted."""
        if self._sorted is None:
            self._sorted = {}
            for space, name in sorted(self._states):
                self._sorted.setdefault(space, []).append(name)
        names = self._sorted.get(namespace, [])
        return bisect_right(names, last) - bisect_left(names, first)

    def _look(self, kind: Kind) -> dict[tuple[str, str], str]:
        if not kind.version or (kind.namespaced and not self.namespaces):
            return {}
        wide = not kind.namespaced or len(self.namespaces) > _FEW_NAMESPACES
        try:
            wheres = [None] if wide else self.namespaces
            return {key: state for where in wheres for key, state in self._list(kind, where)}
        except LifeboatError as error:
            if error.retryable:
                raise
            self.warnings.append(f"{kind.resource} could not be listed: {error.message}")
            return {}

    def _list(self, kind: Kind, where: str | None) -> Iterator[tuple[tuple[str, str], str]]:
        for page in self._cluster.list_pages(kind, namespace=where):
            for raw in page.items:
                metadata, state = listed_state(raw)
                yield (metadata.get("namespace", ""), metadata["name"]), state
