"""How an AKS cluster was ordered, by Azure's own client: the managed cluster and its node pools."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lifeboat.adapters.azure_arm import ArmClients, arm_errors
from lifeboat.ports.definition import ManagedDefinition

# Azure never answers with the first four (they are write-only); a mistake of its would stay in a
# vault for years. The others change by themselves and order nothing.
_DROPPED = {
    "secret", "adminpassword", "serverappsecret", "sshprivatekey",
    "etag", "systemdata", "provisioningstate", "powerstate", "errordetail",
}  # fmt: skip
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")


class DefinitionAks:
    """One managed cluster, by its resource id. See ports.definition.Definitions."""

    def __init__(self, clients: ArmClients, subscription: str, group: str, name: str) -> None:
        self._clients = clients
        self._subscription, self._group, self._name = subscription, group, name

    def read(self) -> ManagedDefinition:
        where = (self._group, self._name)
        client = self._clients.containers(self._subscription)
        with arm_errors(f"read the definition of AKS cluster {'/'.join(where)}"):
            version, cluster = client.managed_clusters.get(*where, cls=_with_version)
            pools = [_steady(pool.as_dict()) for pool in client.agent_pools.list(*where)]
        pools.sort(key=lambda pool: str(pool.get("name", "")))
        told = _without_secrets(cluster)
        # The same again, less than what the list says: ordering anew takes them from there.
        told.get("properties", {}).pop("agentPoolProfiles", None)
        return ManagedDefinition(version, told, _without_secrets(pools))


def _with_version(response: Any, found: Any, _: object) -> tuple[str, dict[str, Any]]:
    """With the API version that was asked: whoever orders the cluster anew names the same one."""
    query = parse_qs(urlsplit(response.http_request.url).query)
    return query["api-version"][0], found.as_dict()


def _steady(pool: dict[str, Any]) -> dict[str, Any]:
    """Where the autoscaler counts the nodes, its limits are the order, not how many there are."""
    properties = pool.get("properties", {})
    if properties.get("enableAutoScaling"):
        properties.pop("count", None)
    return pool


def _without_secrets(value: Any) -> Any:
    """A proxy's address may hold a name and a password; the rest is dropped by its key."""
    if isinstance(value, dict):
        return {k: _without_secrets(v) for k, v in value.items() if k.lower() not in _DROPPED}
    if isinstance(value, list):
        return [_without_secrets(one) for one in value]
    return _USERINFO.sub("", value) if isinstance(value, str) else value
