"""Clusters that Azure knows of, by its own clients: Resource Graph, and the members of a fleet.

Both answer in pages. Resource Graph goes on by `$skipToken`, which it gives only when rows have an
order and their id is among the columns
(https://learn.microsoft.com/azure/governance/resource-graph/concepts/work-with-data).
"""

from __future__ import annotations

from typing import Any

from lifeboat.adapters.azure_arm import ArmClients, arm_errors
from lifeboat.errors import Invalid
from lifeboat.ports.finder import FoundCluster

_QUERY = (
    "resources | where type =~ 'microsoft.containerservice/managedclusters'"
    " | project id, name, location, tags | order by id asc"
)
PAGE = 1000
"""The most that Resource Graph gives at once."""


class GraphFinder:
    """The AKS clusters of some subscriptions. Resource Graph leaves out what its asker may not
    read, without an error. See ports.finder.Finder."""

    def __init__(self, clients: ArmClients, subscriptions: tuple[str, ...]) -> None:
        self._clients, self._subscriptions = clients, subscriptions

    def find(self) -> tuple[FoundCluster, ...]:
        from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions

        client = self._clients.graph()
        found: list[FoundCluster] = []
        token: str | None = None
        while True:
            options = QueryRequestOptions(result_format="objectArray", top=PAGE, skip_token=token)
            query = QueryRequest(
                query=_QUERY, subscriptions=list(self._subscriptions), options=options
            )
            with arm_errors("ask Azure Resource Graph for clusters"):
                answer = client.resources(query)
            rows: Any = answer.data
            found += [_of_row(row) for row in rows]
            if not answer.skip_token:
                break
            token = answer.skip_token
        if len(found) < answer.total_records:
            raise Invalid(
                f"Azure Resource Graph told {len(found)} of {answer.total_records} clusters"
            )
        return tuple(found)


class FleetFinder:
    """The members of one fleet, by its resource id. See ports.finder.Finder."""

    def __init__(self, clients: ArmClients, subscription: str, group: str, name: str) -> None:
        self._clients = clients
        self._subscription, self._group, self._name = subscription, group, name

    def find(self) -> tuple[FoundCluster, ...]:
        with arm_errors(f"list the members of fleet {self._group}/{self._name}"):
            members = self._clients.fleets(self._subscription).fleet_members
            return tuple(
                self._of_member(member) for member in members.list_by_fleet(self._group, self._name)
            )

    def _of_member(self, member: Any) -> FoundCluster:
        ident = str(member.properties.cluster_resource_id)
        labels = dict(member.properties.labels or {}) | {"fleet": self._name}
        if member.properties.group:
            labels["fleet-group"] = member.properties.group
        return FoundCluster(ident, ident.rpartition("/")[2], labels)


def _of_row(row: dict[str, Any]) -> FoundCluster:
    tags = {str(key): str(value) for key, value in (row.get("tags") or {}).items()}
    return FoundCluster(str(row["id"]), str(row["name"]), tags, str(row.get("location") or ""))
