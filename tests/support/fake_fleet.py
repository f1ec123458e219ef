"""A fleet in every state that the Recovery page knows, and visitors of every kind.

Times are relative to `NOW`; nothing here reads a vault or Airflow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import HTTPException, Request

from lifeboat.clock import rfc3339
from lifeboat.point.exposure import Exposure, OpenSpace, OpenVolume
from lifeboat.point.ident import stamp
from lifeboat.report.clusters import ClusterStanding, FleetStanding
from lifeboat.report.objectives import InstanceStatus, NewestPoint, NewestProof, State, Unprotected

NOW = datetime(2026, 11, 22, 23, 31, 53, tzinfo=UTC)
HOUR = 3600
RESTORE_DAG = "restore"
APART = ("volumes were cut at one moment in this fleet",)


def point_id(seconds_ago: float) -> str:
    """The id of a point captured that long before NOW."""
    return f"{stamp(NOW - timedelta(seconds=seconds_ago))}-1a2b3c4d"


def _newest(seconds_ago: int, *, complete: bool = True) -> NewestPoint:
    captured = rfc3339(NOW - timedelta(seconds=seconds_ago))
    return NewestPoint(point_id(seconds_ago), captured, seconds_ago, 1204, 7, complete, APART)


def _proof(days_ago: float, rto_seconds: float = 252.0) -> NewestProof:
    proven = NOW - timedelta(days=days_ago)
    captured = proven - timedelta(hours=2)
    return NewestProof(
        point_id((NOW - captured).total_seconds()), rfc3339(captured), rfc3339(proven), rto_seconds
    )


def status(
    policy: str,
    cluster: str = "prod-westeurope",
    state: State = "protected",
    newest: NewestPoint | None = None,
    proof: NewestProof | None = None,
    **fields: Any,
) -> InstanceStatus:
    """One row; RPO 5 h and RTO 15 m unless given, DAG ids as Lifeboat builds them."""
    instance = f"{policy}.{cluster}"
    row = InstanceStatus(
        instance=instance,
        policy=policy,
        cluster=cluster,
        state=state,
        rpo_seconds=5 * HOUR,
        rto_seconds=900,
        newest=newest,
        proof=proof,
        points=0 if newest is None else 28,
        backup_dag=f"backup.{instance}",
        test_restore_dag=f"test_restore.{instance}",
    )
    return dataclasses.replace(row, **fields)


LEFT_OUT = (
    Unprotected(
        "volume shop-data/pgdata-postgres-0",
        "its StorageClass azurefile has no snapshot class on this cluster",
    ),
    Unprotected(
        "kind PodMetrics.metrics.k8s.io", "the API service v1beta1.metrics.k8s.io is unavailable"
    ),
    Unprotected(
        "secrets in namespace vault", "403: the backup credential may not list secrets there"
    ),
)

FAILED_PROOF = (
    "workloads ready: StatefulSet postgres has 0 of 3 replicas ready after 10 m; "
    "volume bytes: pgdata-postgres-0 differs from its checksum at capture"
)

UNREADABLE = (
    "azure://backupsweu/lifeboat: 403 AuthorizationPermissionMismatch\n"
    "  give the identity of Airflow's API server the role Storage Blob Data Reader"
)


def every_state() -> tuple[InstanceStatus, ...]:
    """Nine instances: five protected in different ways, and one of each kind of trouble."""
    return (
        status("shop", newest=_newest(7800), proof=_proof(1.3)),
        status("shop", "prod-northeurope", newest=_newest(8100), proof=_proof(2.5)),
        status(
            "payments",
            state="late",
            newest=_newest(29160, complete=False),
            proof=_proof(9),
            last_failed_proof=FAILED_PROOF,
            unprotected=LEFT_OUT,
        ),
        status("ledger", state="never"),
        status("orders", state="unreadable", error=UNREADABLE),
        status(
            "customer-relationship-and-loyalty-programme-production-databases",
            "aks-prod-germanywestcentral-zone-redundant-01",
            newest=_newest(4 * HOUR + 2400),
            proof=_proof(0.2, rto_seconds=1260.0),
        ),
        status("staging", "stage", newest=_newest(40), test_restore_dag="", rpo_seconds=86400),
        status("search", newest=_newest(1830), unprotected=LEFT_OUT[:1]),
        status("telemetry", newest=_newest(3 * HOUR), proof=_proof(4), last_failed_proof="timeout"),
    )


def many(number: int) -> tuple[InstanceStatus, ...]:
    """A large fleet, one in ten of it late."""
    return tuple(
        status(
            f"team-{index:03d}",
            f"cluster-{index % 7}",
            "late" if index % 10 == 3 else "protected",
            _newest(6 * HOUR + index if index % 10 == 3 else 60 * index),
            _proof(index % 12),
            unprotected=LEFT_OUT[: index % 4],
        )
        for index in range(number)
    )


def clusters() -> tuple[ClusterStanding, ...]:
    """The clusters of `every_state`, in every state that a cluster can be in, and one that no
    policy names."""
    seen = rfc3339(NOW - timedelta(hours=2))
    found = Exposure(
        policies=("shop", "search"),
        protected=17,
        snapshotted=38,
        namespaces=(
            OpenSpace("forgotten", False, {"shop": "not included", "search": "not included"}),
            OpenSpace("half", False, {}, ("search",)),
        ),
        volumes=(OpenVolume("forgotten/data", False, {"": "no policy selects its namespace"}),),
        unnamed=3,
    )
    late = Exposure(("shop",), unread="https://10.0.0.1: connection refused")
    whole = Exposure(("crm",), protected=4, snapshotted=9)
    zonal = "aks-prod-germanywestcentral-zone-redundant-01"
    return (
        ClusterStanding("prod-westeurope", 6, 2, found, "shop.prod-westeurope", seen),
        ClusterStanding("prod-northeurope", 1, 1, late, "shop.prod-northeurope", seen),
        ClusterStanding(zonal, 1, 1, whole, f"crm.{zonal}", seen),
        ClusterStanding("stage", 1, 0),
        ClusterStanding("lab", 0, 0),
    )


class FakeFleet:
    """A FleetReader. `rows`, `clusters` and `wrong` (the problems) may be changed between reads;
    `failure` is raised when set."""

    def __init__(
        self, rows: tuple[InstanceStatus, ...] = (), seen: tuple[ClusterStanding, ...] = ()
    ) -> None:
        self.rows = rows
        self.clusters = seen
        self.wrong: tuple[str, ...] = ()
        self.failure: Exception | None = None
        self.reads = 0

    def read(self) -> FleetStanding:
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        return FleetStanding(self.rows, self.clusters)

    def problems(self) -> tuple[str, ...]:
        return self.wrong


class FakeVisitor:
    """May read the DAGs in `reads` and start those in `starts`; None stands for all."""

    def __init__(
        self, reads: Collection[str] | None = None, starts: Collection[str] | None = None
    ) -> None:
        self._reads = reads
        self._starts = starts

    def readable(self, dags: Collection[str]) -> frozenset[str]:
        return frozenset(d for d in dags if self._reads is None or d in self._reads)

    def triggerable(self, dags: Collection[str]) -> frozenset[str]:
        return frozenset(d for d in dags if self._starts is None or d in self._starts)


class FakeAccess:
    """Knows people by a cookie `user`. Anonymous is 401; `stranger` may not see the website."""

    def __init__(self, people: dict[str, FakeVisitor] | None = None) -> None:
        self.people = people or {"admin": FakeVisitor(), "viewer": FakeVisitor(starts=())}
        self.people["stranger"] = FakeVisitor()

    @property
    def page(self) -> Any:
        return self._see_website

    @property
    def visitor(self) -> Any:
        return self._who

    def _see_website(self, request: Request) -> None:
        self._who(request)
        if request.cookies["user"] == "stranger":
            raise HTTPException(403, "Forbidden")

    def _who(self, request: Request) -> FakeVisitor:
        name = request.cookies.get("user", "")
        if not name:
            raise HTTPException(401, "Not authenticated")
        return self.people[name]
