"""AKS clusters, as far as the way into them goes."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from local.arm.model import Json


@dataclass(frozen=True)
class AksCluster:
    """`server` and `ca` (PEM) of its API server. `entra`: whoever comes needs an Entra token; else
    the answer holds `user`, the credential of a local account."""

    server: str
    ca: bytes
    entra: bool = True
    user: Json | None = None


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
