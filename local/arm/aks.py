"""AKS clusters: the way into them, and how they are defined."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from local.arm.model import Json


@dataclass(frozen=True)
class AksCluster:
    """`server` and `ca` (PEM) of its API server. `entra`: whoever comes needs an Entra token; else
    the answer holds `user`, the credential of a local account. `properties` and `pools` (by name)
    are as ARM names them."""

    server: str
    ca: bytes
    entra: bool = True
    user: Json | None = None
    location: str = "westeurope"
    properties: Json = field(default_factory=dict)
    pools: dict[str, Json] = field(default_factory=dict)


def credentials(name: str, cluster: AksCluster) -> Json:
    """What listClusterUserCredential answers: a kubeconfig in base64, for kubelogin or whole."""
    login = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "kubelogin",
        "args": ["get-token", "--server-id", "6dae42f8-4368-4678-94ff-3960e28e3630"],
    }
    authority = base64.b64encode(cluster.ca).decode()
    user = f"clusterUser_{name}"
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {
                "name": name,
                "cluster": {
                    "server": cluster.server,
                    "certificate-authority-data": authority,
                },
            }
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user}}],
        "users": [{"name": user, "user": {"exec": login} if cluster.entra else cluster.user or {}}],
    }
    text = base64.b64encode(json.dumps(kubeconfig).encode()).decode()
    return {"kubeconfigs": [{"name": "clusterUser", "value": text}]}


# What Azure takes and never gives back.
_WRITE_ONLY = ("secret", "adminPassword", "serverAppSecret")


def cluster_body(cluster_id: str, cluster: AksCluster) -> Json:
    """What a GET of the managed cluster answers: with its pools, which ARM shows here, too."""
    pools = [{"name": name, **body} for name, body in sorted(cluster.pools.items())]
    return {
        "id": cluster_id,
        "name": cluster_id.rpartition("/")[2],
        "type": "Microsoft.ContainerService/ManagedClusters",
        "location": cluster.location,
        "sku": {"name": "Base", "tier": "Standard"},
        "properties": {
            **_shown(cluster.properties),
            "provisioningState": "Succeeded",
            "agentPoolProfiles": _shown(pools),
        },
    }


def pools_body(cluster_id: str, cluster: AksCluster) -> list[Json]:
    """What a list of the agent pools answers, without pages."""
    return [
        {
            "id": f"{cluster_id}/agentPools/{name}",
            "name": name,
            "type": "Microsoft.ContainerService/managedClusters/agentPools",
            "properties": {**_shown(body), "provisioningState": "Succeeded"},
        }
        for name, body in sorted(cluster.pools.items())
    ]


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shown(one) for key, one in value.items() if key not in _WRITE_ONLY}
    return [_shown(one) for one in value] if isinstance(value, list) else value
