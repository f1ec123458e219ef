"""What each cluster leaves unprotected, from the notes beside the newest points: no cluster is
asked, so it can be told when they are gone, and is as old as the point that it stands beside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lifeboat.errors import LifeboatError
from lifeboat.point.context import EXPOSURE, noted
from lifeboat.point.exposure import Exposure
from lifeboat.policy.instance import Instance
from lifeboat.report.objectives import InstanceStatus
from lifeboat.vault.vault import Vault


@dataclass(frozen=True)
class ClusterStanding:
    """One cluster. `exposure` is what the newest of its points tells, of `instance`, captured at
    `at` (RFC 3339); None where no point tells anything, `error` says why if it is known.
    `instances` are all of the cluster, `proven` those with a point that was proven in time."""

    cluster: str
    instances: int
    proven: int
    exposure: Exposure | None = None
    instance: str = ""
    at: str = ""
    error: str = ""


@dataclass(frozen=True)
class FleetStanding:
    """All instances, and all clusters, also those that no policy names."""

    instances: tuple[InstanceStatus, ...] = ()
    clusters: tuple[ClusterStanding, ...] = ()


def read_clusters(
    names: Iterable[str],
    rows: Iterable[InstanceStatus],
    places: Mapping[str, tuple[Instance, Vault | LifeboatError]],
) -> Iterator[ClusterStanding]:
    """One for each name, in this order. `places` are vaults by instance; one note is read for a
    cluster, however many instances it has."""
    found = list(rows)
    for name in names:
        mine = [row for row in found if row.cluster == name]
        proven = sum(row.coverage == "proven" for row in mine)
        newest = max(
            (row for row in mine if row.newest),
            key=lambda row: row.newest.captured_at if row.newest else "",
            default=None,
        )
        if newest is None or newest.newest is None:
            yield ClusterStanding(name, len(mine), proven)
            continue
        exposure, error = _read(places[newest.instance], newest.instance, newest.newest.point)
        yield ClusterStanding(
            name,
            len(mine),
            proven,
            exposure,
            newest.instance,
            newest.newest.captured_at,
            error,
        )


def _read(
    place: tuple[Instance, Vault | LifeboatError], instance: str, point: str
) -> tuple[Exposure | None, str]:
    vault = place[1]
    try:
        if isinstance(vault, LifeboatError):
            raise vault
        told = noted(vault, instance, EXPOSURE, point, Exposure)
    except LifeboatError as error:
        return None, error.message
    return (told[1], "") if told else (None, "")
