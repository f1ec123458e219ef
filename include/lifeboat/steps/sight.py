"""What a policy selects in a cluster right now: namespaces and kinds. Asks, captures nothing."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from lifeboat.errors import ClusterUnreachable
from lifeboat.policy.model import Policy
from lifeboat.policy.picking import NAMESPACES
from lifeboat.policy.problems import closest
from lifeboat.policy.selection import (
    KindSelection,
    NamespaceSelection,
    Space,
    select_kinds,
    select_namespaces,
)
from lifeboat.ports.cluster import Cluster, Discovery, Kind


class _Named(msgspec.Struct, frozen=True):
    name: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _NamespaceObject(msgspec.Struct, frozen=True):
    metadata: _Named


@dataclass(frozen=True)
class Sight:
    """`warnings` are of what the policy names in vain."""

    discovery: Discovery
    namespaces: NamespaceSelection
    kinds: KindSelection
    warnings: tuple[str, ...]


def look(policy: Policy, cluster: Cluster) -> Sight:
    """Raises what the cluster raises, ClusterUnreachable among it."""
    discovery, spaces = look_around(cluster)
    namespaces = select_namespaces(policy.select, spaces)
    kinds = select_kinds(policy.select, discovery.kinds)
    warnings = (*_of_namespaces(namespaces), *_of_kinds(kinds, discovery))
    return Sight(discovery, namespaces, kinds, warnings)


def look_around(cluster: Cluster) -> tuple[Discovery, list[Space]]:
    """What a cluster serves and the namespaces it has, whatever any policy says."""
    discovery = cluster.discover()
    own = next((kind for kind in discovery.kinds if kind.resource == NAMESPACES), None)
    if own is None:
        raise ClusterUnreachable(f"{cluster.describe()} serves no namespaces")
    decode = msgspec.json.Decoder(_NamespaceObject).decode
    objects = [decode(raw).metadata for page in cluster.list_pages(own) for raw in page.items]
    return discovery, [Space(item.name, item.labels, item.annotations) for item in objects]


def count(cluster: Cluster, kind: Kind, namespace: str | None) -> int:
    """Objects of a kind, in one namespace or in all, by one `limit=1` request
    (`remainingItemCount`). Raises what the cluster raises."""
    page = next(iter(cluster.list_pages(kind, namespace=namespace, limit=1)), None)
    return len(page.items) + (page.remaining or 0) if page else 0


def _of_namespaces(found: NamespaceSelection) -> list[str]:
    warnings = [f"no namespace matches {name}" for name in found.unmatched]
    if not found.names:
        warnings.append("no namespace is selected: the point holds nothing of any")
    return warnings


def _of_kinds(found: KindSelection, discovery: Discovery) -> list[str]:
    known = [
        name for kind in discovery.kinds for name in (kind.plural, kind.kind.lower(), kind.resource)
    ]
    return [
        f"kind {name!r} is not served by this cluster{closest(name, known)}"
        for name in found.unmatched
    ]
