"""What the host of the pages must answer about the person who looks.

The pages decide nothing themselves: Airflow's own authorization stands behind these Protocols
(lifeboat.pipeline.web_access). What a visitor may not read is taken out before anything is counted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol

from lifeboat.report.clusters import ClusterStanding, FleetStanding
from lifeboat.report.objectives import InstanceStatus


class Visitor(Protocol):
    """One logged-in person. May block (it asks a database): call it in a thread."""

    def readable(self, dags: Collection[str]) -> frozenset[str]:
        """Which of these DAGs the visitor may read."""
        ...

    def triggerable(self, dags: Collection[str]) -> frozenset[str]:
        """Which of these DAGs the visitor may start a run of."""
        ...


class Access(Protocol):
    """FastAPI dependencies. Both raise HTTPException 401 (nobody is logged in) or 403."""

    @property
    def page(self) -> Any:
        """Passes when the visitor may see Airflow's website at all; guards every page and route."""
        ...

    @property
    def visitor(self) -> Any:
        """Resolves to the `Visitor`."""
        ...


@dataclass(frozen=True)
class Sight:
    """What one visitor sees of the fleet, and what they may start."""

    instances: tuple[InstanceStatus, ...]
    may_back_up: frozenset[str]
    """Backup DAGs that the visitor may start."""
    may_restore: bool
    clusters: tuple[ClusterStanding, ...] = ()


def sight(fleet: FleetStanding, visitor: Visitor, restore_dag: str) -> Sight:
    """The rows whose backup DAG the visitor may read.

    A row without a backup DAG has nothing to be authorized by; it is for those who may restore it.
    So is what a cluster leaves unprotected: it names what belongs to no policy.
    """
    instances = fleet.instances
    dags = {row.backup_dag for row in instances if row.backup_dag}
    readable = visitor.readable(dags)
    triggerable = visitor.triggerable({*readable, restore_dag})
    may_restore = restore_dag in triggerable
    return Sight(
        tuple(
            row
            for row in instances
            if (row.backup_dag in readable if row.backup_dag else may_restore)
        ),
        triggerable & dags,
        may_restore,
        fleet.clusters if may_restore else (),
    )
