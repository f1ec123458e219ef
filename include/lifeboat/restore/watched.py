"""What a target dropped of an object that it took: fields that its version of the kind does not
know, or that a conversion or an admission policy took away. It says nothing of that itself (P6).

Looked for where it can happen: custom resources, whose definition may be an older one; objects at
another version than the captured one; and everything where the target's Kubernetes is older. Of
the rest the answer is not even read (ports/cluster.py, `make`): that is the speed of a restore.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lifeboat.ports.cluster import Cluster, Json, Kind, PatchType

_BUILT_IN = (
    "admissionregistration", "apiextensions", "apiregistration", "authentication", "authorization",
    "certificates", "coordination", "discovery", "events", "flowcontrol.apiserver",
    "internal.apiserver", "networking", "node", "rbac.authorization", "resource", "scheduling",
    "storage", "storagemigration",
)  # fmt: skip
"""Kubernetes' own groups that end in `.k8s.io` (k8s.io/api); the others of its own have no dot."""
_NOT_SENT = ("apiVersion", "kind", "metadata", "status")
_NAMED = 5
_MINOR = re.compile(r"v?(\d+)\.(\d+)")


def is_custom(kind: Kind) -> bool:
    """Whether somebody's definition or API service says what the kind is."""
    return "." in kind.group and kind.group.removesuffix(".k8s.io") not in _BUILT_IN


def is_older(target: str, captured: str) -> bool:
    """Whether a server is of a minor version before that of another (`v1.36.3`)."""
    versions = [_MINOR.match(text) for text in (target, captured)]
    mine, its = (tuple(map(int, found.groups())) if found else () for found in versions)
    return bool(mine and its) and mine < its


class Watched:
    """One object on its way into a cluster, for restore/put.py. `dropped` are the fields that the
    target's last answer lacked."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.dropped: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def make(self, kind: Kind, namespace: str | None, body: Json) -> None:
        """As of the port, but the answer is read."""
        self.dropped = dropped(body, self._cluster.create(kind, namespace, body))

    def replace(self, kind: Kind, namespace: str | None, name: str, body: Json) -> Json:
        """As of the port."""
        after = self._cluster.replace(kind, namespace, name, body)
        self.dropped = dropped(body, after)
        return after

    def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: Json,
        *,
        patch_type: PatchType = "merge",
        subresource: str = "",
    ) -> Json:
        """As of the port; what a merge patch takes away is not missed."""
        after = self._cluster.patch(
            kind, namespace, name, body, patch_type=patch_type, subresource=subresource
        )
        if not subresource:
            self.dropped = dropped(body, after)
        return after

    @property
    def told(self) -> str:
        """A sentence, empty where nothing was dropped."""
        if not self.dropped:
            return ""
        more = len(self.dropped) - _NAMED
        named = ", ".join(self.dropped[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"not taken by the target: {named}"


def dropped(sent: Json, taken: Json) -> list[str]:
    """Paths of what was sent and is not there; other values are no loss (defaults, other spellings
    of a quantity). Metadata and status have rules of their own."""
    return [
        path
        for name, value in sent.items()
        if name not in _NOT_SENT
        for path in _missing(value, taken.get(name), name)
    ]


def _missing(sent: Any, taken: Any, path: str) -> Iterator[str]:
    if sent in (None, {}, []):
        return
    if taken is None:
        yield path
    elif isinstance(sent, dict) and isinstance(taken, dict):
        for name, value in sent.items():
            yield from _missing(value, taken.get(name), f"{path}.{name}")
    elif isinstance(sent, list) and isinstance(taken, list):
        for number, value in enumerate(sent):
            there = taken[number] if number < len(taken) else None
            yield from _missing(value, there, f"{path}[{number}]")
