"""Airflow's Connections as the engine wants them: an allow-list, and words for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifeboat.adapters.azure_arm import ArmSettings
from lifeboat.adapters.flows_airflow import AirflowSettings
from lifeboat.adapters.registry_login import Login
from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.adapters.store_s3_settings import S3Settings
from lifeboat.errors import UsageError
from lifeboat.pipeline.connections import AirflowConnections

KUBECONFIG = "apiVersion: v1\nkind: Config\ncurrent-context: a\n"
URL = "https://contoso.blob.core.windows.net"
OTHER = "https://entry.blob.core.windows.net"  # of the vault's own entry


class Keeper:
    """Keeps connections as Airflow's environment backend does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def put(self, **fields: Any) -> AirflowConnections:
        self._monkeypatch.setenv("AIRFLOW_CONN_ONE", json.dumps(fields))
        return AirflowConnections()


@pytest.fixture
def keeper(monkeypatch: pytest.MonkeyPatch) -> Keeper:
    return Keeper(monkeypatch)


def test_a_kubeconfig_as_text_as_json_and_as_a_file(keeper: Keeper, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(KUBECONFIG)
    for extra in (
        {"kube_config": KUBECONFIG},
        {"extra__kubernetes__kube_config": KUBECONFIG},
        {"kube_config": yaml.safe_load(KUBECONFIG)},
        {"kube_config_path": str(path)},
    ):
        text = keeper.put(conn_type="kubernetes", extra=extra).kubeconfig("one")
        assert yaml.safe_load(text) == yaml.safe_load(KUBECONFIG)


def test_another_context_and_the_own_cluster(keeper: Keeper) -> None:
    extra: dict[str, Any] = {"kube_config": KUBECONFIG, "cluster_context": "b"}
    text = keeper.put(conn_type="kubernetes", extra=extra).kubeconfig("one")
    assert yaml.safe_load(text)["current-context"] == "b"
    assert keeper.put(conn_type="kubernetes", extra={"in_cluster": True}).kubeconfig("one") == ""


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"conn_type": "kubernetes"}, "has none of"),
        ({"conn_type": "kubernetes", "extra": {"in_cluster": True, "kube_config": "x"}}, " and "),
        ({"conn_type": "http"}, "is of type http, not kubernetes"),
        ({"conn_type": "kubernetes", "extra": {"disable_verify_ssl": True}}, "certificate checks"),
        ({"conn_type": "kubernetes", "extra": {"kube_config_path": "/nowhere"}}, "cannot read"),
    ],
)
def test_wrong_kubernetes_connections_are_named(
    keeper: Keeper, fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        keeper.put(**fields).kubeconfig("one")


def test_an_unknown_connection_says_where_to_make_it() -> None:
    with pytest.raises(UsageError, match="Airflow has no connection nobody"):
        AirflowConnections().secret("nobody")


def test_a_key_is_the_password_of_any_connection(keeper: Keeper) -> None:
    assert keeper.put(conn_type="generic", password="s3cret-key").secret("one") == "s3cret-key"
    with pytest.raises(UsageError, match="has no password"):
        keeper.put(conn_type="generic").secret("one")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"extra": {"connection_string": "AccountName=x"}, "host": URL},
            AzureSettings("c", "p", connection_string="AccountName=x"),
        ),
        ({"login": "contoso", "password": "k"}, AzureSettings("c", "p", URL, account_key="k")),
        (
            {"host": URL, "login": "id", "password": "pw", "extra": {"tenant_id": "t"}},
            AzureSettings("c", "p", URL, tenant_id="t", client_id="id", client_secret="pw"),
        ),
        (
            {"extra": {"sas_token": f"{URL}?sv=1&sig=x"}},
            AzureSettings("c", "p", URL, sas_token="sv=1&sig=x"),
        ),
        (
            {"host": URL, "extra": {"managed_identity_client_id": "m"}},
            AzureSettings("c", "p", URL, identity="managed-identity", client_id="m"),
        ),
        (
            {"host": URL, "extra": {"workload_identity_tenant_id": "t"}},
            AzureSettings("c", "p", URL, identity="workload-identity", tenant_id="t"),
        ),
        ({"host": URL}, AzureSettings("c", "p", URL, identity="default")),
        ({}, AzureSettings("c", "p", OTHER, identity="default")),
        (
            {"login": "id", "password": "pw", "extra": {"tenant_id": "t"}},
            AzureSettings("c", "p", OTHER, tenant_id="t", client_id="id", client_secret="pw"),
        ),
    ],
)
def test_every_way_into_blob_storage(
    keeper: Keeper, fields: dict[str, Any], expected: AzureSettings
) -> None:
    assert keeper.put(conn_type="wasb", **fields).azure("one", OTHER, "c", "p") == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"login": "id", "password": "pw", "extra": {"tenantId": "t"}},
            AzureSettings("c", "p", OTHER, tenant_id="t", client_id="id", client_secret="pw"),
        ),
        (
            {"extra": {"workload_identity_client_id": "w", "workload_identity_tenant_id": "t"}},
            AzureSettings(
                "c", "p", OTHER, identity="workload-identity", client_id="w", tenant_id="t"
            ),
        ),
        (
            {"extra": {"managed_identity_client_id": "m"}},
            AzureSettings("c", "p", OTHER, identity="managed-identity", client_id="m"),
        ),
        ({}, AzureSettings("c", "p", OTHER, identity="default")),
    ],
)
def test_a_connection_to_azure_itself_opens_the_account_of_the_vault(
    keeper: Keeper, fields: dict[str, Any], expected: AzureSettings
) -> None:
    assert keeper.put(conn_type="azure", **fields).azure("one", OTHER, "c", "p") == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"login": "id", "password": "key"},
            S3Settings("b", "p", access_key_id="id", secret_access_key="key"),
        ),
        (
            {
                "extra": {
                    "aws_access_key_id": "id",
                    "aws_secret_access_key": "key",
                    "aws_session_token": "t",
                    "region_name": "eu-central-1",
                    "endpoint_url": "https://s3.example.org",
                }
            },
            S3Settings(
                "b", "p", "https://s3.example.org", "eu-central-1", "id", "key", session_token="t"
            ),
        ),
        ({"extra": {"profile_name": "backup"}}, S3Settings("b", "p", profile="backup")),
        ({}, S3Settings("b", "p")),
    ],
)
def test_every_way_into_s3(keeper: Keeper, fields: dict[str, Any], expected: S3Settings) -> None:
    assert keeper.put(conn_type="aws", **fields).s3("one", "b", "p") == expected


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"conn_type": "http"}, "is of type http, not aws"),
        ({"conn_type": "aws", "extra": {"verify": False}}, "certificate checks"),
        ({"conn_type": "aws", "extra": {"role_arn": "arn:aws:iam::1:role/r"}}, "profile"),
        ({"conn_type": "aws", "login": "id"}, "or neither"),
    ],
)
def test_wrong_aws_connections_are_named(keeper: Keeper, fields: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        keeper.put(**fields).s3("one", "b", "p")


def test_half_a_service_principal_is_named(keeper: Keeper) -> None:
    with pytest.raises(UsageError, match="tenantId"):
        keeper.put(conn_type="azure", login="id", password="pw").azure("one", OTHER, "c", "p")
    with pytest.raises(UsageError, match="is of type http, not wasb or azure"):
        keeper.put(conn_type="http").azure("one", OTHER, "c", "p")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"login": "id", "password": "pw", "extra": {"tenantId": "t"}},
            ArmSettings("", "id", "t", "pw"),
        ),
        (
            {"extra": {"workload_identity_client_id": "w", "workload_identity_tenant_id": "t"}},
            ArmSettings("workload-identity", "w", "t"),
        ),
        (
            {"extra": {"managed_identity_client_id": "m"}},
            ArmSettings("managed-identity", "m"),
        ),
        ({}, ArmSettings("default")),
    ],
)
def test_every_way_to_azure_resource_manager(
    keeper: Keeper, fields: dict[str, Any], expected: ArmSettings
) -> None:
    assert keeper.put(conn_type="azure", **fields).arm("one") == expected


def test_wrong_connections_to_azure_are_named(keeper: Keeper) -> None:
    with pytest.raises(UsageError, match="is of type wasb, not azure"):
        keeper.put(conn_type="wasb").arm("one")
    with pytest.raises(UsageError, match="tenantId"):
        keeper.put(conn_type="azure", login="id", password="pw").arm("one")


def test_airflow_s_own_api(keeper: Keeper) -> None:
    login = {"conn_type": "http", "login": "lifeboat", "password": "p"}
    for fields, url in (
        ({"host": "https://airflow.example/base/"}, "https://airflow.example/base"),
        ({"host": "airflow", "port": 8080}, "http://airflow:8080"),
        ({"host": "airflow", "port": 8443, "schema": "https"}, "https://airflow:8443"),
    ):
        found = keeper.put(**login, **fields).airflow("one")
        assert found == AirflowSettings(url, "lifeboat", "p")
    with pytest.raises(UsageError, match="host, login and password are not all there"):
        keeper.put(conn_type="http", host="airflow", login="lifeboat").airflow("one")
    with pytest.raises(UsageError, match="is of type aws, not http"):
        keeper.put(conn_type="aws").airflow("one")


def test_a_registry_takes_login_and_password_of_any_type(keeper: Keeper) -> None:
    found = keeper.put(conn_type="http", login="me", password="pw").login("one")
    assert found == Login("me", "pw")
    for half in ({"login": "me"}, {"password": "pw"}):
        with pytest.raises(UsageError, match="one lacks a login or a password"):
            keeper.put(conn_type="http", **half).login("one")
