"""Who knows which clusters there are: a cloud, a fleet manager, Airflow's connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class FoundCluster:
    """A cluster that somebody else knows of. `ident` tells it from every other and stays the same:
    its Azure resource id, or `connection:<id>`. `name` is its name there, which Lifeboat may have
    to change; `location` is empty where it is not told."""

    ident: str
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    location: str = ""


class Finder(Protocol):
    """One place to ask. It changes nothing there."""

    def find(self) -> tuple[FoundCluster, ...]:
        """All of them, or an error: never a part. Raises Forbidden, Unauthorized, Throttled,
        NotFound, DisksUnavailable, AirflowUnreachable."""
        ...
