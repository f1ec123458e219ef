"""What only a real API server can show of the cluster adapter: its failures and credentials."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from urllib3.exceptions import InsecureRequestWarning

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.discovery import discover
from lifeboat.adapters.http_json import Http
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig
from lifeboat.errors import Forbidden, Invalid, NotFound, Unauthorized, UsageError
from lifeboat.ports.cluster import Kind
from local.cluster import LocalCluster
from tests.support.access import service_account
from tests.support.kinds import (
    API_SERVICE,
    CONFIG_MAP,
    CRD,
    NAMESPACE,
    ROLE,
    ROLE_BINDING,
    SECRET,
    kind,
)
from tests.support.manifests import crd, manifest
from tests.support.poll import until


@pytest.fixture
def endpoint(cluster: LocalCluster) -> Endpoint:
    return from_kubeconfig(cluster.kubeconfig)


@pytest.fixture
def api(endpoint: Endpoint) -> Iterator[ClusterApi]:
    adapter = ClusterApi(endpoint)
    yield adapter
    adapter.close()


def test_the_preferred_version_comes_first(api: ClusterApi) -> None:
    kinds = {kind.resource: kind for kind in api.discover().kinds}
    scaler = kinds["horizontalpodautoscalers.autoscaling"]
    assert (scaler.version, scaler.versions) == ("v2", ("v2", "v1"))
    assert kinds["configmaps"].short_names == ("cm",)


def test_what_is_deprecated_is_said_in_the_servers_words(api: ClusterApi) -> None:
    told = api.deprecation(kind("v1", "endpoints", "Endpoints"))
    assert told.startswith("v1 Endpoints is deprecated in v1.33+")


def test_old_and_new_discovery_agree(endpoint: Endpoint) -> None:
    class OldHttp(Http):
        """A client from before aggregated discovery."""

        def request(self, method: str, path: str, **options: Any) -> bytes:
            return super().request(method, path, **{**options, "accept": "application/json"})

    http = Http(endpoint)
    old, new = discover(OldHttp(endpoint)), discover(http)
    assert set(old.kinds) == set(new.kinds)
    assert len(new.kinds) > 60


def test_a_service_that_is_down_hides_nothing_else(api: ClusterApi) -> None:
    group = f"down{uuid.uuid4().hex[:8]}.example"
    service = {"name": "nobody", "namespace": "default"}
    spec = {"group": group, "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1,
            "service": service, "insecureSkipTLSVerify": True}  # fmt: skip
    before = {kind.resource for kind in api.discover().kinds}
    api.create(API_SERVICE, None, manifest(API_SERVICE, f"v1.{group}", spec=spec))
    try:
        failures = until("the failure is told", lambda: api.discover().failures)
        assert list(failures) == [f"{group}/v1"]
        said = until("with its reason", lambda: _said(api, f"{group}/v1"))
        assert "nobody" in said
        assert {kind.resource for kind in api.discover().kinds} == before
    finally:
        api.delete(API_SERVICE, None, f"v1.{group}")
    until("it is forgotten", lambda: not api.discover().failures)


def _said(api: ClusterApi, version: str) -> str:
    _, _, said = api.discover().failures.get(version, "").partition("not available: ")
    return said


def test_a_broken_conversion_webhook_is_permanent(api: ClusterApi, namespace: str) -> None:
    group = f"g{uuid.uuid4().hex[:8]}.example"
    definition = crd(group, "orders", "Order", ("v1", "v2"))
    name = definition["metadata"]["name"]
    old, new = (kind(f"{group}/{version}", "orders", "Order") for version in ("v1", "v2"))
    api.create(CRD, None, definition)
    try:
        body = {"apiVersion": f"{group}/v1", "kind": "Order", "metadata": {"name": "o"}}
        until("it is served", lambda: _created(api, old, namespace, body))
        webhook = {"clientConfig": {"url": "https://127.0.0.1:1/convert"},
                   "conversionReviewVersions": ["v1"]}  # fmt: skip
        conversion = {"strategy": "Webhook", "webhook": webhook}
        api.patch(CRD, None, name, {"spec": {"conversion": conversion}})

        def refused() -> str:
            try:
                list(api.list_pages(new, namespace=namespace))
            except Invalid as error:
                return error.message
            return ""

        assert "conversion webhook" in until("the webhook is asked", refused)
        (page,) = api.list_pages(old, namespace=namespace)
        assert len(page.items) == 1
    finally:
        api.patch(CRD, None, name, {"spec": {"conversion": {"strategy": "None", "webhook": None}}})
        api.delete(CRD, None, name)


def _created(api: ClusterApi, kind: Kind, namespace: str, body: dict[str, Any]) -> bool:
    try:
        api.create(kind, namespace, body)
    except NotFound:
        return False
    return True


def test_a_wrong_token_is_unauthorized_and_stays_secret(endpoint: Endpoint) -> None:
    api = ClusterApi(replace(endpoint, token=lambda: "wrong-secret-token"))
    for call in (api.discover, lambda: api.get(NAMESPACE, None, "default")):
        with pytest.raises(Unauthorized, match="as lifeboat was refused") as caught:
            call()
        assert "wrong-secret" not in str(caught.value)


def test_a_restricted_user_is_forbidden_one_kind_only(
    cluster: LocalCluster, api: ClusterApi, namespace: str
) -> None:
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "get"]}]
    api.create(ROLE, namespace, manifest(ROLE, "few", rules=rules))
    api.create(CONFIG_MAP, namespace, manifest(CONFIG_MAP, "one"))
    subject = {"kind": "ServiceAccount", "name": "restricted", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "few"}
    binding = manifest(ROLE_BINDING, "few", roleRef=reference, subjects=[subject])
    api.create(ROLE_BINDING, namespace, binding)
    restricted = ClusterApi(service_account(cluster, namespace, "restricted"))
    assert len(restricted.discover().kinds) > 60
    (page,) = until("the role counts", lambda: _listed(restricted, namespace))
    assert page
    with pytest.raises(Forbidden, match='cannot list resource "secrets"') as caught:
        list(restricted.list_pages(SECRET, namespace=namespace))
    assert "restricted" in caught.value.message
    with pytest.raises(Forbidden):
        list(restricted.list_pages(CONFIG_MAP))
    with pytest.raises(Forbidden):
        restricted.create(CONFIG_MAP, namespace, manifest(CONFIG_MAP, "x"))


def _listed(api: ClusterApi, namespace: str) -> list[tuple[bytes, ...]]:
    try:
        return [page.items for page in api.list_pages(CONFIG_MAP, namespace=namespace)]
    except Forbidden:
        return []


def test_a_stranger_s_certificate_is_not_trusted(endpoint: Endpoint) -> None:
    api = ClusterApi(replace(endpoint, ca=b""))
    with pytest.raises(UsageError, match=r"certificate of .* was not accepted") as caught:
        api.get(NAMESPACE, None, "default")
    assert "certificate-authority" in caught.value.hint
    unchecked = ClusterApi(replace(endpoint, ca=b"", insecure=True))
    with pytest.warns(InsecureRequestWarning):
        assert unchecked.get(NAMESPACE, None, "default")["kind"] == "Namespace"


def test_another_server_name_is_checked_when_asked_for(endpoint: Endpoint) -> None:
    named = ClusterApi(replace(endpoint, tls_server_name="kubernetes.default.svc"))
    assert named.get(NAMESPACE, None, "default")["kind"] == "Namespace"
    other = ClusterApi(replace(endpoint, tls_server_name="elsewhere.example"))
    with pytest.raises(UsageError, match="not accepted"):
        other.get(NAMESPACE, None, "default")


def test_items_are_the_servers_bytes(cluster: LocalCluster, api: ClusterApi) -> None:
    """Nothing of an object is lost or changed by splitting a page."""
    for kind_name in ("nodes", "clusterroles.rbac.authorization.k8s.io"):
        found = {k.resource: k for k in api.discover().kinds}[kind_name]
        ours = [json.loads(raw) for page in api.list_pages(found) for raw in page.items]
        theirs = cluster.api.list(found.api_version, found.kind)
        assert [o["metadata"]["name"] for o in ours] == [t["metadata"]["name"] for t in theirs]
        if kind_name != "nodes":  # a node's heartbeat goes on
            assert ours == theirs
