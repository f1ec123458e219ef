"""Fixtures: a real Azurite, once for the whole run, and an empty container per test."""

from __future__ import annotations

import base64
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from lifeboat.adapters.store_azure import create_azure
from lifeboat.adapters.store_azure_settings import AzureSettings
from local.node import ensure_azurite, ensure_node
from local.ports import free_ports
from local.processes import Child, stop_all

_ACCOUNT = "lifeboat"
_START_SECONDS = 120.0


@dataclass(frozen=True)
class Azurite:
    """A running emulator with one storage account."""

    port: int
    account_key: str
    process: Child

    def account_url(self, port: int | None = None) -> str:
        """The account's URL; `port` is that of a proxy before it."""
        return f"http://127.0.0.1:{port or self.port}/{_ACCOUNT}"

    def wait_ready(self) -> None:
        """Until it takes connections; raises LocalClusterError when it does not come to that."""
        self.process.wait_ready(lambda: _listens(self.port), _START_SECONDS)

    @property
    def connection_string(self) -> str:
        """What a user would paste from the portal."""
        return (
            f"DefaultEndpointsProtocol=http;AccountName={_ACCOUNT};"
            f"AccountKey={self.account_key};BlobEndpoint={self.account_url()};"
        )


@contextmanager
def running_azurite(folder: Path, *, kept: bool = False) -> Iterator[Azurite]:
    """Starts the blob service, its log in `folder`; ends it by its own pid. All is in memory,
    unless it is to be `kept` in `folder` when `process` is ended in order and started again."""
    (port,) = free_ports(1)
    key = base64.b64encode(secrets.token_bytes(64)).decode()
    child = Child(
        "azurite",
        [
            *(str(ensure_node()), str(ensure_azurite())),
            *("--blobHost", "127.0.0.1", "--blobPort", str(port)),
            *(("--location", str(folder)) if kept else ("--inMemoryPersistence",)),
            "--silent",
            # Without the first it phones home, without the second it refuses the newer SDK.
            *("--disableTelemetry", "--skipApiVersionCheck"),
        ],
        folder / "azurite.log",
        {"AZURITE_ACCOUNTS": f"{_ACCOUNT}:{key}"},
    )
    child.start()
    try:
        azurite = Azurite(port, key, child)
        azurite.wait_ready()
        yield azurite
    finally:
        stop_all([child], grace=5.0)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """The emulator, shared: tests keep apart by container."""
    with running_azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture
def azure_settings(azurite: Azurite) -> AzureSettings:
    """Settings of a new, empty container, opened by the account key."""
    settings = AzureSettings(
        container=f"test-{secrets.token_hex(8)}",
        prefix="vaults/one",
        account_url=azurite.account_url(),
        account_key=azurite.account_key,
        retries=1,
    )
    create_azure(settings)
    return settings
