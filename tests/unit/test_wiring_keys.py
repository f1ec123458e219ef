"""Which key a reference stands for, and as whom Key Vault is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lifeboat.adapters.key_azure import AzureVaultKey
from lifeboat.adapters.store_azure import AzureSettings
from lifeboat.errors import UsageError
from lifeboat.policy.model import VaultEntry
from lifeboat.vault.key_x25519 import Identity
from lifeboat.vault.keys import generate_key
from lifeboat.wiring import NoConnections, vault_key, vaults

KEY = "azurekv:https://boats.vault.azure.net/keys/lifeboat"
VERSION = "0123456789abcdef" * 2


class OneConnection(NoConnections):
    """Airflow's, with the identity that a test gives it."""

    def __init__(self, settings: AzureSettings) -> None:
        self._settings = settings

    def azure(
        self, connection: str, account_url: str, container: str, prefix: str
    ) -> AzureSettings:
        return self._settings


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, str]]]:
    """The credentials that were made; none is, really."""
    made: list[tuple[str, dict[str, str]]] = []

    def credential(identity: str, **names: str) -> Any:
        made.append((identity, names))

    monkeypatch.setattr(vaults, "token_credential", credential)
    return made


def entry(key: str, **fields: str) -> VaultEntry:
    return VaultEntry(name="main", url="file:///srv/vault", key=key, **fields)


@pytest.mark.parametrize("reference", [KEY, f"{KEY}/{VERSION}", "env:THE_KEY", "file"])
def test_a_key_vault_key_may_be_named_or_lie_behind_a_reference(
    reference: str,
    asked: list[tuple[str, dict[str, str]]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    (tmp_path / "key").write_text(KEY + "\n")
    named = f"file:{tmp_path / 'key'}" if reference == "file" else reference
    assert isinstance(vault_key(entry(named), NoConnections()), AzureVaultKey)
    assert asked == [("default", {"client_id": ""})]


def test_every_other_key_is_read_from_where_it_lies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    texts = {"raw": generate_key(), "x25519": Identity.generate().text(), "scrypt": "six words"}
    for method, text in texts.items():
        monkeypatch.setenv("THE_KEY", text)
        key = vault_key(entry("env:THE_KEY"), NoConnections())
        assert not isinstance(key, str)
        assert key.method == method
    none = VaultEntry(name="main", url="file:///srv/vault", encryption="none")
    assert vault_key(none, NoConnections()) == ""


def test_key_vault_is_asked_as_the_stores_identity(
    asked: list[tuple[str, dict[str, str]]],
) -> None:
    url = "https://boats.blob.core.windows.net"
    settings = [
        AzureSettings("c", "", url, tenant_id="t", client_id="i", client_secret="s"),
        AzureSettings("c", "", url, identity="managed-identity", client_id="i"),
        AzureSettings("c", "", url, account_key="k"),
    ]
    for one in settings:
        vault_key(entry(KEY, connection="azure_backup"), OneConnection(one))
    said = [(kind, {k: v for k, v in names.items() if v}) for kind, names in asked]
    assert said == [
        ("default", {"client_id": "i", "tenant_id": "t", "client_secret": "s"}),
        ("managed-identity", {"client_id": "i"}),
        ("default", {}),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "azurekv:http://boats.vault.azure.net/keys/lifeboat",
        "azurekv:https://boats.vault.azure.net/secrets/lifeboat",
        "azurekv:https://boats.vault.azure.net/keys/",
        "azurekv:https://me@boats.vault.azure.net/keys/lifeboat",
        "azurekv:https://boats.vault.azure.net/keys/lifeboat/newest",
        "azurekv:https://boats.vault.azure.net/keys/lifeboat?x=1",
    ],
)
def test_what_is_no_key_of_key_vault_is_refused(
    text: str, asked: list[tuple[str, dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the file, behind a reference, and on the command line: never taken for a passphrase."""
    with pytest.raises(ValidationError, match="azurekv:https://NAME"):
        entry(text)
    monkeypatch.setenv("THE_KEY", text)
    with pytest.raises(UsageError, match="azurekv:https://"):
        vault_key(entry("env:THE_KEY"), NoConnections())
    with pytest.raises(UsageError, match="azurekv:https://"):
        vault_key(entry(KEY), NoConnections(), text)
    assert asked == []
