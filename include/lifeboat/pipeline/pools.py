"""Which Airflow pool a task takes slots of: Airflow's own unless clusters.yaml asks for another.

Waiting happens deferred and takes no slot; `turns` says who goes first. Restores and test restores
take no slot of these pools: a restore never waits until a backup is done.
"""

from __future__ import annotations

from typing import Any

from lifeboat.policy.instance import Instance
from lifeboat.policy.model import ClusterEntry
from lifeboat.policy.pools import LEAST_SLOTS, cluster_pool, disks_pool


def cluster_slots(instance: Instance, slots: int) -> dict[str, Any]:
    """Arguments of a task that has so many requests open to the API server."""
    if instance.cluster.pool is None:
        return {}
    return {"pool": cluster_pool(instance.cluster.name), "pool_slots": slots}


def standby_slots(cluster: ClusterEntry) -> dict[str, Any]:
    """Arguments of a task that brings a point to a standby."""
    if cluster.pool is None:
        return {}
    return {"pool": cluster_pool(cluster.name), "pool_slots": LEAST_SLOTS}


def disk_slots(instance: Instance, slots: int) -> dict[str, Any]:
    """Arguments of a task that asks for snapshots or copies of disks."""
    azure = instance.cluster.azure
    if azure is None or azure.pool is None or instance.policy.volumes.mode != "azure":
        return cluster_slots(instance, slots)
    return {"pool": disks_pool(azure.subscription, azure.location), "pool_slots": slots}
