"""Compares what is found with what was known. A cluster that is found no more stays, marked lost,
until a person forgets it: a lost right looks the same as a deleted cluster, and its points are
needed most when it is gone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lifeboat.clock import rfc3339
from lifeboat.errors import LifeboatError, UsageError
from lifeboat.policy.discover import Discovered, DiscoveredFile, read_discovered
from lifeboat.policy.model import ClustersFile
from lifeboat.ports.finder import Finder, FoundCluster

_LONGEST = 40
_HASH = 6


@dataclass(frozen=True)
class Look:
    """One look around. `file` is what is known now; the others are names. `failed`: the sources
    that could not be asked, with why; what they found before stays as it was."""

    file: DiscoveredFile
    new: tuple[str, ...]
    lost: tuple[str, ...]
    back: tuple[str, ...]
    failed: dict[str, LifeboatError]

    def told(self) -> list[str]:
        """A line for each thing that a person should know."""
        lines = [f"{len(self.file.clusters)} clusters are known"]
        lines += [f"new: {name}" for name in self.new]
        lines += [f"found again: {name}" for name in self.back]
        lines += [
            f"LOST since {one.lost}: {one.name}, by {one.source}; its instances stay until"
            f" `lifeboat clusters forget {one.name}`"
            for one in self.file.clusters
            if one.lost
        ]
        return [*lines, *(f"not asked: {name}: {why.message}" for name, why in self.failed.items())]


def look_around(
    include: Path, clusters: ClustersFile, sources: Mapping[str, Finder], now: datetime
) -> Look:
    """As `look_for_clusters`, with what an include folder says."""
    known = read_discovered(include)
    found = {one.name for one in known.clusters}
    taken = frozenset(one.name for one in clusters.clusters if one.name not in found)
    azure = clusters.discover.azure if clusters.discover else None
    return look_for_clusters(known, sources, taken, azure.tags if azure else {}, now)


def ensure_asked(look: Look) -> None:
    """Raises the first error of a source, with the names of all that could not be asked."""
    for error in look.failed.values():
        error.message = f"not asked: {', '.join(look.failed)}: {error.message}"
        raise error


def look_for_clusters(
    known: DiscoveredFile,
    sources: Mapping[str, Finder],
    taken: frozenset[str],
    wanted: Mapping[str, str],
    now: datetime,
) -> Look:
    """`taken`: names that people gave; `wanted`: labels that a cluster of Azure must have."""
    moment = rfc3339(now)
    found: dict[str, tuple[str, FoundCluster]] = {}
    failed: dict[str, LifeboatError] = {}
    for source, finder in sources.items():
        try:
            for cluster in finder.find():
                key = cluster.ident.lower()  # Azure compares ids without regard to case
                first, other = found.get(key, (source, cluster))
                labels = {**other.labels, **cluster.labels}
                location = other.location or cluster.location
                found[key] = first, FoundCluster(other.ident, other.name, labels, location)
        except LifeboatError as error:
            failed[source] = error
    kept = {one.ident.lower(): one for one in known.clusters}
    names = set(taken) | {one.name for one in known.clusters}
    clusters: dict[str, Discovered] = {}
    for key, (source, cluster) in sorted(found.items()):
        before = kept.get(key)
        if before and failed:
            cluster = _with_older(cluster, before)
        if key.startswith("/") and not wanted.items() <= cluster.labels.items():
            continue
        name = before.name if before else _name_for(cluster, names)
        names.add(name)
        clusters[key] = Discovered(
            name=name, ident=cluster.ident, source=source, labels=cluster.labels,
            location=cluster.location, seen=moment,
        )  # fmt: skip
    for key, before in kept.items():
        if key not in clusters:
            lost = before.lost or ("" if before.source in failed else moment)
            clusters[key] = before.model_copy(update={"lost": lost})
    return _look(known, clusters, failed)


def forget(known: DiscoveredFile, name: str) -> DiscoveredFile:
    """Without the lost cluster of this name. Raises UsageError for one that is still found: the
    next look would bring it back."""
    chosen = [one for one in known.clusters if one.name == name]
    if not chosen:
        names = ", ".join(one.name for one in known.clusters if one.lost) or "none"
        raise UsageError(f"no cluster {name!r} was found by discovery", hint=f"lost are {names}")
    if not chosen[0].lost:
        raise UsageError(
            f"cluster {name} is still found by {chosen[0].source}",
            hint="take away its tag or mark there, and let discovery look once more",
        )
    return DiscoveredFile(clusters=tuple(one for one in known.clusters if one.name != name))


def _look(
    known: DiscoveredFile, clusters: dict[str, Discovered], failed: dict[str, LifeboatError]
) -> Look:
    kept = {one.ident.lower(): one for one in known.clusters}
    now = sorted(clusters.values(), key=lambda one: one.name)
    return Look(
        DiscoveredFile(clusters=tuple(now)),
        tuple(one.name for one in now if one.ident.lower() not in kept),
        tuple(one.name for one in now if one.lost),
        tuple(one.name for one in now if not one.lost and _was_lost(kept, one)),
        failed,
    )


def _was_lost(kept: dict[str, Discovered], one: Discovered) -> bool:
    before = kept.get(one.ident.lower())
    return before is not None and bool(before.lost)


def _with_older(cluster: FoundCluster, before: Discovered) -> FoundCluster:
    """What a source that cannot be asked now would add to the labels is what it said before."""
    labels = {**before.labels, **cluster.labels}
    return FoundCluster(cluster.ident, cluster.name, labels, cluster.location or before.location)


def _name_for(cluster: FoundCluster, taken: set[str]) -> str:
    """A name that a policy can write: the cluster's own where that is possible, else with six
    digits of its ident, which stay the same."""
    plain = re.sub(r"[^a-z0-9]+", "-", cluster.name.lower()).strip("-") or "cluster"
    if plain not in taken and len(plain) <= _LONGEST:
        return plain
    digits = hashlib.sha256(cluster.ident.lower().encode()).hexdigest()[:_HASH]
    return f"{plain[: _LONGEST - _HASH - 1].rstrip('-')}-{digits}"
