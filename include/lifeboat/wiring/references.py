"""What files refer to and do not hold: environment variables, files, connections.

References (`env:NAME`, `file:/path`, `connection:ID`) are resolved here and nowhere else;
connections belong to Airflow and come through `Connections`, so that the engine runs without it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from lifeboat.adapters.azure_arm import ArmSettings
from lifeboat.adapters.flows_airflow import AirflowSettings
from lifeboat.adapters.registry_login import Login
from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.adapters.store_s3_settings import S3Settings
from lifeboat.errors import UsageError


class Connections(Protocol):
    """Credentials that somebody else keeps (Airflow). Raises UsageError for an unknown id."""

    def kubeconfig(self, connection: str) -> str:
        """The kubeconfig's text; empty for in-cluster credentials."""
        ...

    def azure(
        self, connection: str, account_url: str, container: str, prefix: str
    ) -> AzureSettings:
        """`account_url` is used where the connection names no account of its own."""
        ...

    def s3(self, connection: str, bucket: str, prefix: str) -> S3Settings: ...

    def arm(self, connection: str) -> ArmSettings:
        """Who one is to Azure Resource Manager."""
        ...

    def secret(self, connection: str) -> str:
        """The connection's password."""
        ...

    def airflow(self, connection: str) -> AirflowSettings:
        """Where Airflow's own REST API is, and who one is to it."""
        ...

    def login(self, connection: str) -> Login:
        """The connection's login and password."""
        ...


class NoConnections:
    """Outside Airflow there are none; the message says what to write instead."""

    def kubeconfig(self, connection: str) -> str:
        raise self._absent(connection)

    def azure(
        self, connection: str, account_url: str, container: str, prefix: str
    ) -> AzureSettings:
        raise self._absent(f"{connection} (for {account_url}/{container}/{prefix})")

    def s3(self, connection: str, bucket: str, prefix: str) -> S3Settings:
        raise self._absent(f"{connection} (for s3://{bucket}/{prefix})")

    def arm(self, connection: str) -> ArmSettings:
        raise self._absent(connection)

    def airflow(self, connection: str) -> AirflowSettings:
        raise self._absent(connection)

    def secret(self, connection: str) -> str:
        raise self._absent(connection)

    def login(self, connection: str) -> Login:
        raise self._absent(connection)

    def _absent(self, connection: str) -> UsageError:
        return UsageError(
            f"connection {connection} is kept by Airflow and cannot be read here",
            hint="give --kubeconfig, --vault and --key, or use env: references in clusters.yaml",
        )


def resolve(reference: str, connections: Connections) -> str:
    """The secret behind a reference. Never logged, never shown."""
    kind, _, name = reference.partition(":")
    if kind == "env":
        return from_environment(reference)
    if kind == "file":
        try:
            return Path(name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UsageError(f"cannot read {name}: {error.strerror}") from None
    if kind == "connection":
        return connections.secret(name)
    raise UsageError(
        "a secret is named by env:NAME, file:/path or connection:ID (a key also by"
        " azurekv:https://HOST/keys/NAME), not written out"
    )


def from_environment(text: str) -> str:
    """A place (url, path) that may be named by `env:NAME`; anything else is the place itself."""
    kind, _, name = text.partition(":")
    if kind != "env":
        return text
    value = os.environ.get(name, "")
    if not value:
        raise UsageError(f"the environment variable {name} is not set")
    return value
