"""Puts into words what a cluster leaves unprotected, and how old that knowledge is. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from lifeboat.clock import parse_rfc3339
from lifeboat.point.exposure import Exposure
from lifeboat.report.clusters import ClusterStanding
from lifeboat.report.objectives import Unprotected
from lifeboat.web.words import ago, count, moment

LISTED = 50
"""Things named of one cluster; `lifeboat fleet unprotected` names all."""

_UNSELECTED = "no policy is made for this cluster"


@dataclass(frozen=True)
class ClusterView:
    """One cluster. `words` say how much is open, `proven` how much of the rest is proven, `source`
    from what and since when that is known; `open` tells that there is something to look at."""

    cluster: str
    open: bool
    words: str
    proven: str
    source: str
    seen_iso: str
    things: tuple[Unprotected, ...] = ()
    unlisted: int = 0
    trouble: str = ""


def cluster_view(standing: ClusterStanding, now: datetime) -> ClusterView:
    """What the page shows of one cluster."""
    proven = f"{standing.proven} of {count(standing.instances, 'instance')} proven in time"
    found = standing.exposure
    if not standing.instances:
        return ClusterView(
            standing.cluster, True, "Nothing is protected: no policy names it", "", "", ""
        )
    if found is None or found.unread:
        trouble = standing.error or (found.unread if found else "")
        words = "Not known what no policy protects"
        return ClusterView(
            standing.cluster, True, words, proven, _source(standing, now), standing.at,
            trouble=trouble,
        )  # fmt: skip
    things = tuple(_things(found))
    return ClusterView(
        standing.cluster,
        bool(things),
        _words(found),
        proven,
        _source(standing, now),
        standing.at,
        things[:LISTED],
        max(0, len(things) - LISTED) + found.unnamed,
    )


def _words(found: Exposure) -> str:
    if not (found.namespaces or found.volumes):
        return "Every namespace and volume is in a policy"
    spaces = f"{count(len(found.namespaces), 'namespace')} and"
    more = ", or more," if found.unnamed else ""
    return f"{spaces} {count(len(found.volumes), 'volume')}{more} not protected by any policy"


def _source(standing: ClusterStanding, now: datetime) -> str:
    if not standing.at:
        return "no backup has looked yet"
    at = parse_rfc3339(standing.at)
    return f"as of {ago((now - at).total_seconds())} ({moment(at)}), by {standing.instance}"


def _things(found: Exposure) -> Iterator[Unprotected]:
    for space in found.namespaces:
        partly = f"only partly, by {', '.join(space.partly)}" if space.partly else ""
        yield Unprotected(f"namespace {space.namespace}", partly or _why(space.reasons))
    for volume in found.volumes:
        yield Unprotected(f"volume {volume.volume}", _why(volume.reasons))


def _why(reasons: dict[str, str]) -> str:
    told = [f"{reason} ({policy})" if policy else reason for policy, reason in reasons.items()]
    return "; ".join(told) or _UNSELECTED
