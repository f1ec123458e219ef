"""AzureSettings: one credential, nothing secret shown, and the right identity class for each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import azure.identity
import pytest

from lifeboat.adapters.store_azure import connect_azure
from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.errors import UsageError

URL = "https://example.blob.core.windows.net"
ENGINE = Path(__file__).resolve().parents[3] / "include"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"account_url": URL}, "found none"),
        (
            {"account_url": URL, "account_key": "hush", "sas_token": "hush"},
            "account_key and sas_token",
        ),
        ({"account_key": "hush"}, "account_url"),
        ({"account_url": URL, "connection_string": "hush"}, "account_url"),
        ({"account_url": f"{URL}?sig=hush", "identity": "default"}, "query"),
        ({"account_url": URL, "client_secret": "hush"}, "tenant_id"),
        ({"account_url": URL, "account_key": "hush", "container": ""}, "container is empty"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        AzureSettings(**{"container": "vault", **fields})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["../up", "a//b", "with space"])
def test_a_prefix_that_is_no_path_is_refused(prefix: str) -> None:
    settings = AzureSettings("vault", prefix, URL, account_key="aHVzaA==")
    with pytest.raises(UsageError, match="prefix"):
        connect_azure(settings)


@pytest.mark.parametrize("text", ["hush", "AccountKey=hush", "AccountName=;;hush"])
def test_a_malformed_connection_string_is_not_repeated(text: str) -> None:
    with pytest.raises(UsageError, match="malformed") as caught:
        connect_azure(AzureSettings("vault", connection_string=text))
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "cls", "passed"),
    [
        (
            {"identity": "workload-identity", "client_id": "c", "tenant_id": "t"},
            "WorkloadIdentityCredential",
            {"client_id": "c", "tenant_id": "t"},
        ),
        ({"identity": "workload-identity"}, "WorkloadIdentityCredential", {}),
        (
            {"identity": "managed-identity", "client_id": "c"},
            "ManagedIdentityCredential",
            {"client_id": "c"},
        ),
        ({"identity": "managed-identity"}, "ManagedIdentityCredential", {"client_id": None}),
        ({"identity": "default"}, "DefaultAzureCredential", {}),
        (
            {"client_secret": "s", "client_id": "c", "tenant_id": "t"},
            "ClientSecretCredential",
            {"tenant_id": "t", "client_id": "c", "client_secret": "s"},
        ),
    ],
)
def test_identities(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], cls: str, passed: dict[str, Any]
) -> None:
    made: list[dict[str, Any]] = []

    class Recorded:
        def __init__(self, **named: Any) -> None:
            made.append(named)

        def get_token(self, *scopes: str) -> None:
            raise AssertionError("connecting must not ask for a token")

    monkeypatch.setattr(azure.identity, cls, Recorded)
    store = connect_azure(AzureSettings("vault", "one/", URL, **fields))
    assert made == [passed]
    assert store.describe() == f"{URL}/vault/one"


def test_workload_identity_outside_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_ID", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="AZURE_FEDERATED_TOKEN_FILE"):
        connect_azure(AzureSettings("vault", account_url=URL, identity="workload-identity"))


def test_the_module_does_not_load_the_sdk() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ENGINE)!r}); import lifeboat.adapters.store_azure; "
        "sys.exit(any(name.split('.')[0] == 'azure' for name in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
