"""Zones that an object insists on: a workload for its pods, a volume made by hand for its disk, a
StorageClass for the volumes it provisions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lifeboat.point.pod_specs import at
from lifeboat.ports.cluster import Json, Kind
from lifeboat.restore.transforms.maps import is_zone

_PODS = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution")
_VOLUME = ("spec", "nodeAffinity", "required")
Wanted = tuple[str, tuple[str, ...]]
"""What the object is, in the plural, and zones of which any one is enough for it."""


def wanted_zones(kind: Kind, body: Json, pod: Json) -> Iterator[Wanted]:
    """Each must be met. `pod`: the spec of the pods that it makes, empty where it makes none."""
    found = [("workloads", _any_of(at(pod, _PODS).get("nodeSelectorTerms"), "matchExpressions"))]
    for label, zone in (pod.get("nodeSelector") or {}).items():
        if is_zone(label):
            found.append(("workloads", (zone,)))
    if kind.group_kind == "PersistentVolume":
        terms = at(body, _VOLUME).get("nodeSelectorTerms")
        found.append(("volumes", _any_of(terms, "matchExpressions")))
    if kind.group_kind == "StorageClass.storage.k8s.io":
        terms = body.get("allowedTopologies")
        found.append(("StorageClasses", _any_of(terms, "matchLabelExpressions")))
    yield from ((what, zones) for what, zones in found if zones)


def zones_of(node: Json) -> Iterator[str]:
    """The zone of a node, as Kubernetes and drivers call it."""
    for label, zone in (node["metadata"].get("labels") or {}).items():
        if is_zone(label):
            yield zone


def _any_of(terms: Any, held: str) -> tuple[str, ...]:
    """Zones of which one is enough: any term is, and one that names no zone is met everywhere."""
    zones: set[str] = set()
    for term in terms or ():
        named = [
            expression.get("values") or ()
            for expression in term.get(held) or ()
            if is_zone(expression.get("key", "")) and expression.get("operator", "In") == "In"
        ]
        if not named:
            return ()
        zones.update(*named)
    return tuple(sorted(zones))
