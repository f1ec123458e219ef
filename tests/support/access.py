"""Callers with few rights: a ServiceAccount's token, as a pod or a person would use it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest
import yaml

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig
from lifeboat.ports.cluster import Json, Kind
from local.cluster import LocalCluster
from tests.support.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING
from tests.support.manifests import manifest
from tests.support.poll import until

ROLES = Path(__file__).resolve().parents[2] / "docs" / "rbac"
_REVIEW = Kind(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False
)


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


def shipped_role(name: str) -> Json:
    """A ClusterRole of docs/rbac."""
    role: Json = yaml.safe_load((ROLES / f"{name}.yaml").read_text())
    return role


def may(endpoint: Endpoint, verb: str, resource: str) -> bool:
    """Ask the API server: `resource` as `deployments.apps/scale`, in every namespace."""
    named, _, subresource = resource.partition("/")
    plural, _, group = named.partition(".")
    asked = {"verb": verb, "group": group, "resource": plural, "subresource": subresource}
    body = manifest(_REVIEW, "", spec={"resourceAttributes": asked})
    with closing(ClusterApi(endpoint)) as api:
        return bool(api.create(_REVIEW, None, body)["status"]["allowed"])


class Bind(Protocol):
    """Binds cluster roles, of docs/rbac by name or written out, to the test's ServiceAccount."""

    def __call__(self, *roles: str | Json) -> Endpoint: ...


@pytest.fixture
def bind(cluster: LocalCluster, namespace: str) -> Iterator[Bind]:
    """An endpoint that has the bound roles, once they count, and no others."""
    made: list[tuple[Kind, str]] = []

    def bind(*roles: str | Json) -> Endpoint:
        endpoint = service_account(cluster, namespace, "lifeboat")
        made.extend(bind_roles(cluster, endpoint, namespace, roles))
        return endpoint

    yield bind
    for kind, name in made:
        cluster.api.delete(kind.api_version, kind.kind, "", name)


def bind_roles(
    cluster: LocalCluster, endpoint: Endpoint, namespace: str, roles: Iterable[str | Json]
) -> list[tuple[Kind, str]]:
    """Bind roles to the account `lifeboat` of a namespace, behind `endpoint`, and wait until they
    count. Returns what was made but for the shipped roles."""
    made: list[tuple[Kind, str]] = []
    for role in roles:
        body = shipped_role(role) if isinstance(role, str) else role
        name = body["metadata"]["name"]
        cluster.api.apply(body)
        if not isinstance(role, str):
            made.append((CLUSTER_ROLE, name))
        made.append((CLUSTER_ROLE_BINDING, _bind(cluster, namespace, name)))
        until(f"{name} counts", partial(_counts, endpoint, body["rules"][-1]))
    return made


def _counts(endpoint: Endpoint, rule: Json) -> bool:
    resource = f"{rule['resources'][-1]}.{rule['apiGroups'][-1]}".rstrip(".")
    return may(endpoint, rule["verbs"][-1], resource)


def _bind(cluster: LocalCluster, namespace: str, role: str) -> str:
    account = {"kind": "ServiceAccount", "name": "lifeboat", "namespace": namespace}
    reference = {"apiGroup": CLUSTER_ROLE.group, "kind": "ClusterRole", "name": role}
    name = f"{namespace}-{role}"
    cluster.api.apply(manifest(CLUSTER_ROLE_BINDING, name, roleRef=reference, subjects=[account]))
    return name
