"""Who is asked for clusters, from what clusters.yaml says."""

from __future__ import annotations

from lifeboat.adapters.flows_airflow import AirflowFlows
from lifeboat.adapters.found_airflow import AirflowFinder
from lifeboat.adapters.found_azure import FleetFinder, GraphFinder
from lifeboat.policy.azure import fleet_parts
from lifeboat.policy.discover import Discover
from lifeboat.ports.finder import Finder
from lifeboat.wiring.clusters import arm_clients
from lifeboat.wiring.references import Connections


def finders(discover: Discover, connections: Connections) -> dict[str, Finder]:
    """By the name under which each is told of. Raises UsageError for what cannot be opened; nobody
    is asked yet."""
    found: dict[str, Finder] = {}
    azure = discover.azure
    if azure is not None:
        clients = arm_clients(azure, connections)
        if azure.subscriptions:
            found["Azure Resource Graph"] = GraphFinder(clients, azure.subscriptions)
        for fleet in azure.fleets:
            subscription, group, name = fleet_parts(fleet)
            found[f"fleet {group}/{name}"] = FleetFinder(clients, subscription, group, name)
    if discover.airflow is not None:
        airflow = AirflowFlows(connections.airflow(discover.airflow))
        found["Airflow's connections"] = AirflowFinder(airflow)
    return found
