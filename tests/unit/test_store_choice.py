"""Which store and which credential an entry of clusters.yaml stands for. Nothing is connected, no
identity is looked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lifeboat import wiring
from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.adapters.store_s3_settings import S3Settings
from lifeboat.errors import UsageError
from lifeboat.policy.model import VaultEntry
from lifeboat.wiring import vaults
from tests.support.memory_store import MemoryStore

URL = "https://contoso.blob.core.windows.net"
AZURE = "azure://contoso/vault/one"
S3 = "s3://contoso-vault/one/deep"


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What would have been connected or made."""
    calls: list[tuple[str, Any]] = []

    def recorded(name: str) -> Any:
        def connect(settings: Any) -> MemoryStore:
            calls.append((name, settings))
            return MemoryStore()

        return connect

    for name in ("connect_azure", "create_azure", "connect_s3", "create_s3"):
        monkeypatch.setattr(vaults, name, recorded(name))
    monkeypatch.setenv("SECRET", "hush")
    monkeypatch.setenv("KEY_ID", "AKIA")
    monkeypatch.setenv("PLACE", "https://s3.example.org:9000")
    return calls


def entry(url: str, **fields: Any) -> VaultEntry:
    return VaultEntry(name="main", url=url, encryption="none", **fields)


class Kept(wiring.NoConnections):
    """Connections that answer with what they were asked."""

    def azure(
        self, connection: str, account_url: str, container: str, prefix: str
    ) -> AzureSettings:
        return AzureSettings(container, prefix, account_url, account_key=connection)

    def s3(self, connection: str, bucket: str, prefix: str) -> S3Settings:
        return S3Settings(bucket, prefix, endpoint="https://kept", region="r", profile=connection)


@pytest.mark.parametrize(
    ("url", "fields", "expected"),
    [
        (AZURE, {}, AzureSettings("vault", "one", URL, identity="default")),
        (
            AZURE,
            {"identity": "managed-identity", "client_id": "c"},
            AzureSettings("vault", "one", URL, identity="managed-identity", client_id="c"),
        ),
        (
            AZURE,
            {"identity": "workload-identity"},
            AzureSettings("vault", "one", URL, identity="workload-identity"),
        ),
        (AZURE, {"sas_token": "env:SECRET"}, AzureSettings("vault", "one", URL, sas_token="hush")),
        (
            AZURE,
            {"connection_string": "env:SECRET"},
            AzureSettings("vault", "one", connection_string="hush"),
        ),
        (
            AZURE,
            {"endpoint": "https://contoso.blob.core.chinacloudapi.cn"},
            AzureSettings(
                "vault", "one", "https://contoso.blob.core.chinacloudapi.cn", identity="default"
            ),
        ),
        (AZURE, {"connection": "kept"}, AzureSettings("vault", "one", URL, account_key="kept")),
        (S3, {}, S3Settings("contoso-vault", "one/deep")),
        (
            S3,
            {"endpoint": "env:PLACE", "region": "eu-central-1"},
            S3Settings("contoso-vault", "one/deep", "https://s3.example.org:9000", "eu-central-1"),
        ),
        (
            S3,
            {"access_key_id": "env:KEY_ID", "secret_access_key": "env:SECRET"},
            S3Settings("contoso-vault", "one/deep", access_key_id="AKIA", secret_access_key="hush"),
        ),
        (
            S3,
            {"connection": "kept"},
            S3Settings("contoso-vault", "one/deep", "https://kept", "r", profile="kept"),
        ),
        (
            S3,
            {"connection": "kept", "region": "mine"},
            S3Settings("contoso-vault", "one/deep", "https://kept", "mine", profile="kept"),
        ),
    ],
)
def test_an_entry_and_what_it_stands_for(
    chosen: list[tuple[str, Any]],
    url: str,
    fields: dict[str, Any],
    expected: AzureSettings | S3Settings,
) -> None:
    kind = "s3" if isinstance(expected, S3Settings) else "azure"
    wiring.open_store(entry(url, **fields), Kept())
    wiring.open_store(entry(url, **fields), Kept(), create=True)
    assert chosen == [(f"connect_{kind}", expected), (f"create_{kind}", expected)]
    assert "hush" not in repr(chosen)


@pytest.mark.parametrize(
    ("url", "fields", "told"),
    [
        (S3, {"sas_token": "env:SECRET"}, "go with an azure:// url"),
        (S3, {"connection_string": "env:SECRET"}, "go with an azure:// url"),
        (S3, {"identity": "managed-identity"}, "go with an azure:// url"),
        (AZURE, {"region": "eu-central-1"}, "go with an s3:// url"),
        (
            AZURE,
            {"access_key_id": "env:KEY_ID", "secret_access_key": "env:SECRET"},
            "go with an s3:// url",
        ),
        (AZURE, {"connection": "kept"}, "kept by Airflow"),
        (S3, {"connection": "kept"}, "kept by Airflow"),
    ],
)
def test_fields_of_another_store_are_refused(
    chosen: list[tuple[str, Any]], url: str, fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(UsageError, match=told):
        wiring.open_store(entry(url, **fields), wiring.NoConnections())
    assert chosen == []


def test_without_boto3_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "boto3.session", None)
    with pytest.raises(UsageError, match=r"lifeboat\[s3\]"):
        wiring.open_store(entry(S3), wiring.NoConnections())
