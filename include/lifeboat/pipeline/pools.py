"""Which Airflow pool a task takes slots of: Airflow's own unless clusters.yaml asks for another.

Waiting happens deferred and takes no slot. Who has the shorter objective goes first.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lifeboat.policy.instance import Instance
from lifeboat.policy.pools import cluster_pool, disks_pool

_YEAR = timedelta(days=366)


def cluster_slots(instance: Instance, slots: int) -> dict[str, Any]:
    """Arguments of a task that has so many requests open to the API server."""
    if instance.cluster.pool is None:
        return {}
    return _asking(instance, cluster_pool(instance.cluster.name), slots)


def disk_slots(instance: Instance, slots: int) -> dict[str, Any]:
    """Arguments of a task that asks for snapshots or copies of disks."""
    azure = instance.cluster.azure
    if azure is None or azure.pool is None or instance.policy.volumes.mode != "azure":
        return cluster_slots(instance, slots)
    return _asking(instance, disks_pool(azure.subscription, azure.location), slots)


def _asking(instance: Instance, pool: str, slots: int) -> dict[str, Any]:
    rpo = instance.policy.objectives.rpo
    return {
        "pool": pool,
        "pool_slots": slots,
        "priority_weight": max(1, int(_YEAR / rpo)),
        "weight_rule": "absolute",
    }
