"""The way into an AKS cluster by its resource id: the official client, the stand-in, a kube API."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from lifeboat.adapters.aks_access import SCOPE, EntraToken, aks_endpoint
from lifeboat.adapters.azure_arm import ArmClients, ArmSettings
from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.errors import Forbidden, LifeboatError, NotFound, Unauthorized
from local.arm import TOKEN
from local.arm.access import Principal
from local.arm.aks import AksCluster
from tests.support.arm import NODES, SUBSCRIPTION, ArmWorld
from tests.support.scripted_server import Script, ok, scripted_server

NOW = datetime(2027, 1, 1, tzinfo=UTC)


class Entra:
    """Gives tokens for an hour and numbers them; those for Azure itself are the stand-in's."""

    def __init__(self, token: str = TOKEN) -> None:
        self.now, self.given, self._token = NOW, 0, token

    def clock(self) -> datetime:
        return self.now

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        if scopes != (SCOPE,):
            return AccessToken(self._token, int(datetime.now(UTC).timestamp()) + 3600)
        self.given += 1
        return AccessToken(f"token-{self.given}", int(self.now.timestamp()) + 3600)


@pytest.fixture
def kube() -> Iterator[Script]:
    with scripted_server(ok({"major": "1"})) as script:
        yield script


def clients(azure: ArmWorld, entra: Entra) -> ArmClients:
    settings = ArmSettings(endpoint=azure.url, certificates=str(azure.ca))
    return ArmClients(settings, entra)


def test_a_run_that_lasts_for_hours_renews_its_token(
    azure: ArmWorld, kube: Script, arm_tls: tuple[ssl.SSLContext, Path]
) -> None:
    azure.arm.clusters["shop-aks"] = AksCluster(kube.url, arm_tls[1].read_bytes())
    entra = Entra()
    found = aks_endpoint(clients(azure, entra), SUBSCRIPTION, NODES, "shop-aks", entra.clock)
    assert "token" not in repr(found)
    api = ClusterApi(found)
    for minutes in (0, 30, 56, 100, 180):
        entra.now = NOW + timedelta(minutes=minutes)
        api._http.request("GET", "/version")
    sent = [request.headers["Authorization"] for request in kube.requests]
    assert sent == [f"Bearer token-{n}" for n in (1, 1, 2, 2, 3)]
    assert len([one for one in azure.arm.requests if one.startswith("POST")]) == 1


def test_a_cluster_of_local_accounts_brings_its_credential_along(
    azure: ArmWorld, kube: Script
) -> None:
    azure.arm.clusters["old"] = AksCluster(kube.url, b"", entra=False, user={"token": "local"})
    entra = Entra()
    ClusterApi(
        aks_endpoint(clients(azure, entra), SUBSCRIPTION, NODES, "old", entra.clock)
    )._http.request("GET", "/version")
    assert kube.requests[0].headers["Authorization"] == "Bearer local"
    assert entra.given == 0


def test_who_may_not_is_told_which_right_is_missing(azure: ArmWorld, kube: Script) -> None:
    azure.arm.clusters["shop-aks"] = AksCluster(kube.url, b"")
    azure.arm.access.tokens["weak"] = Principal(actions=("Microsoft.Compute/*/read",))
    error = refusal(azure, "shop-aks", Entra("weak"))
    assert isinstance(error, Forbidden)
    assert "listClusterUserCredential" in str(error)
    assert "docs/azure.md" in error.hint


def test_a_cluster_that_is_gone_is_named(azure: ArmWorld) -> None:
    error = refusal(azure, "gone", Entra())
    assert isinstance(error, NotFound)
    assert f"AKS cluster {NODES}/gone" in str(error)


def test_no_token_no_secret_in_the_message() -> None:
    class Refusing(Entra):
        def get_token(self, *scopes: str, **_: Any) -> AccessToken:
            raise ClientAuthenticationError("AADSTS70021: no matching federated identity")

    with pytest.raises(Unauthorized, match="get an Entra token for the cluster: no usable"):
        EntraToken(Refusing())()


def refusal(azure: ArmWorld, name: str, entra: Entra) -> LifeboatError:
    with pytest.raises(LifeboatError) as caught:
        aks_endpoint(clients(azure, entra), SUBSCRIPTION, NODES, name, entra.clock)
    return caught.value
