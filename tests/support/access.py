"""Callers with few rights: a ServiceAccount's token, as a pod or a person would use it."""

from __future__ import annotations

from dataclasses import replace

from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig
from local.cluster import LocalCluster


def service_account(cluster: LocalCluster, namespace: str, name: str) -> Endpoint:
    """Make a ServiceAccount; an endpoint with its token, whose rights are what is bound to it."""
    metadata = {"name": name, "namespace": namespace}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    cluster.api.apply(account)
    path = cluster.api.path("v1", "ServiceAccount", namespace, name) + "/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token: str = cluster.api.request("POST", path, request)["status"]["token"]
    endpoint = from_kubeconfig(cluster.kubeconfig)
    described = f"{endpoint.server} as {namespace}/{name}"
    return replace(endpoint, token=lambda: token, describe=described)
