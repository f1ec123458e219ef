"""What opens the vault's store for us, said to restic."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifeboat.adapters.restic import Access
from lifeboat.errors import Unsupported
from lifeboat.policy.model import VaultEntry
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault, open_vault
from lifeboat.wiring import NoConnections
from lifeboat.wiring.movers import access_of
from tests.support.memory_store import MemoryStore
from tests.support.world import World


def access(monkeypatch: pytest.MonkeyPatch, url: str, **fields: object) -> Access:
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("ID", "AKIA")
    entry = VaultEntry.model_validate({"name": "main", "url": url, "key": "env:NONE", **fields})
    return access_of(entry, NoConnections(), World().context().vault)


def test_a_folder_is_mounted_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = access(monkeypatch, f"file://{tmp_path}")
    assert (found.url, found.folder) == (f"{tmp_path}/files", f"{tmp_path}/files")
    assert found.environment == {}


def test_azure_with_a_sas(monkeypatch: pytest.MonkeyPatch) -> None:
    found = access(monkeypatch, "azure://contoso/backup/here", sasToken="env:SECRET")
    assert found.url == "azure:backup:/here/files"
    assert found.environment == {
        "AZURE_ACCOUNT_NAME": "contoso",
        "AZURE_ENDPOINT_SUFFIX": "core.windows.net",
        "AZURE_ACCOUNT_SAS": "s3cret",
    }
    assert found.pod_labels == {}
    assert "s3cret" not in repr(found)


def test_azure_with_a_connection_string(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "AccountName=contoso;AccountKey=k/+==;EndpointSuffix=core.chinacloudapi.cn"
    monkeypatch.setenv("TEXT", text)
    found = access(monkeypatch, "azure://contoso/backup", connectionString="env:TEXT")
    assert found.environment == {
        "AZURE_ACCOUNT_NAME": "contoso",
        "AZURE_ENDPOINT_SUFFIX": "core.chinacloudapi.cn",
        "AZURE_ACCOUNT_KEY": "k/+==",
    }


def test_azure_with_an_identity_has_no_secret_and_asks_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = access(monkeypatch, "azure://contoso/backup", identity="workload-identity")
    assert set(found.environment) == {"AZURE_ACCOUNT_NAME", "AZURE_ENDPOINT_SUFFIX"}
    assert found.pod_labels == {"azure.workload.identity/use": "true"}


def test_an_endpoint_that_restic_does_not_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Unsupported, match=r"restic cannot reach .*127\.0\.0\.1"):
        access(
            monkeypatch,
            "azure://contoso/backup",
            endpoint="http://127.0.0.1:10000/contoso",
            sasToken="env:SECRET",
        )


def test_s3_with_keys_at_a_server_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = access(
        monkeypatch,
        "s3://bucket/pre",
        endpoint="https://minio.example.org:9000",
        accessKeyId="env:ID",
        secretAccessKey="env:SECRET",
    )
    assert found.url == "s3:https://minio.example.org:9000/bucket/pre/files"
    assert found.options == "-o s3.bucket-lookup=path"
    assert found.environment == {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s3cret"}


def test_s3_at_amazon_is_that_of_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    found = access(monkeypatch, "s3://bucket", region="eu-central-1")
    assert found.url == "s3:https://s3.eu-central-1.amazonaws.com/bucket/files"
    assert found.environment == {"AWS_DEFAULT_REGION": "eu-central-1"}


def test_the_password_is_the_vault_s_own_whichever_key_opens_it() -> None:
    key, store, clock = generate_key(), MemoryStore(), World().clock
    made = create_vault(store, key, clock)
    assert len(made.cipher.files_password) == 64
    assert open_vault(store, key).cipher.files_password == made.cipher.files_password
    other = create_vault(MemoryStore(), key, clock)
    assert other.cipher.files_password != made.cipher.files_password
