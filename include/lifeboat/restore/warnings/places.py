"""Zones, StorageClasses and namespaces that the target does not offer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from lifeboat.ports.cluster import Json
from lifeboat.restore.warnings.zones import Wanted


def class_warnings(wanted: Mapping[str, int], there: Collection[str]) -> Iterator[str]:
    """StorageClasses that claims name and nobody offers: they would wait for ever."""
    for name, number in sorted(wanted.items()):
        if name not in there:
            known = ", ".join(sorted(there)) or "none"
            yield f"StorageClass {name}, which {number} claims name, is missing (there is: {known})"


def zone_warnings(wanted: Mapping[Wanted, int], nodes: Iterable[str]) -> Iterator[str]:
    """Zones that objects insist on and in none of which a node runs. `nodes`: the zone of each
    node."""
    there = set(nodes)
    for (what, zones), number in sorted(wanted.items()):
        if there.isdisjoint(zones):
            known = ", ".join(sorted(there)) or "none"
            named = " or ".join(zones)
            yield f"{number} {what} insist on zone {named}, where no node is (nodes: {known})"


def ending_warnings(namespaces: Iterable[Json], targets: Collection[str]) -> Iterator[str]:
    """Target namespaces that are being deleted: nothing can be made in them."""
    for live in namespaces:
        metadata = live["metadata"]
        if metadata["name"] in targets and metadata.get("deletionTimestamp"):
            yield (
                f"namespace {metadata['name']} is being deleted since"
                f" {metadata['deletionTimestamp']}: wait until it is gone, and plan again"
            )
