"""The only room that knows which adapter is behind a port: from files and references to a Context.

References (`env:NAME`, `file:/path`, `connection:ID`) are resolved here and nowhere else;
connections belong to Airflow and come through `Connections`, so that the engine runs without it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from lifeboat.adapters.azure_identity import token_credential
from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.exec_api import ExecApi
from lifeboat.adapters.key_azure import AzureVaultKey
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig, from_kubeconfig_text, in_cluster
from lifeboat.adapters.store_azure import connect_azure, create_azure
from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.adapters.store_local import LocalStore
from lifeboat.adapters.store_s3 import connect_s3, create_s3
from lifeboat.adapters.store_s3_settings import S3Settings
from lifeboat.adapters.volumes_folder import FolderVolumes, NoVolumes
from lifeboat.clock import Clock, utc_now
from lifeboat.errors import LifeboatError, NotAVault, UsageError
from lifeboat.policy.fields import key_vault_key
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import load_include
from lifeboat.policy.model import ClusterEntry, VaultEntry
from lifeboat.ports.store import Store
from lifeboat.ports.volumes import VolumeReader
from lifeboat.report.fleet import read_status, unreadable
from lifeboat.report.objectives import InstanceStatus
from lifeboat.steps.context import Context
from lifeboat.vault.keyring import KeyRing
from lifeboat.vault.keys import VaultKey, key_of
from lifeboat.vault.vault import Vault, create_vault, open_keyring, open_vault

INCLUDE_VARIABLE = "LIFEBOAT_INCLUDE"


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

    def secret(self, connection: str) -> str:
        """The connection's password."""
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

    def secret(self, connection: str) -> str:
        raise self._absent(connection)

    def _absent(self, connection: str) -> UsageError:
        return UsageError(
            f"connection {connection} is kept by Airflow and cannot be read here",
            hint="give --kubeconfig, --vault and --key, or use env: references in clusters.yaml",
        )


def include_folder() -> Path:
    """The folder of clusters.yaml and policies/: LIFEBOAT_INCLUDE, or where this package is."""
    named = os.environ.get(INCLUDE_VARIABLE)
    return Path(named) if named else Path(__file__).resolve().parent.parent


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


def open_context(
    instance: Instance,
    connections: Connections,
    *,
    target: ClusterEntry | None = None,
    clock: Clock = utc_now,
) -> Context:
    """Everything behind an instance's ports; `target` is another cluster to restore into."""
    cluster_entry = target or instance.cluster
    reached = endpoint(cluster_entry, connections)
    cluster = ClusterApi(reached)
    return Context(
        instance=instance,
        cluster=cluster,
        pods=ExecApi(reached),
        vault=unlock(instance.vault, connections),
        disks=DisksCsi(cluster, snapshot_class=instance.policy.volumes.snapshot_class, clock=clock),
        reader=volume_reader(cluster_entry),
        clock=clock,
    )


def endpoint(entry: ClusterEntry, connections: Connections) -> Endpoint:
    """How to reach a cluster."""
    if entry.in_cluster:
        return in_cluster()
    if entry.connection:
        text = connections.kubeconfig(entry.connection)
        return from_kubeconfig_text(text, entry.context) if text else in_cluster()
    return from_kubeconfig(Path(from_environment(entry.kubeconfig or "")), entry.context)


def volume_reader(entry: ClusterEntry) -> VolumeReader:
    """Who can look into the cluster's volumes; by default nobody."""
    if entry.volume_reader is None:
        return NoVolumes()
    root = Path(from_environment(entry.volume_reader.root))
    return FolderVolumes(entry.volume_reader.driver, root)


def open_store(entry: VaultEntry, connections: Connections, *, create: bool = False) -> Store:
    """The store a vault lies in; `create` makes the folder or container when it is missing."""
    url = from_environment(entry.url)
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return _folder(Path(parts.path), create=create)
    if parts.scheme == "azure" and parts.netloc and parts.path.strip("/"):
        container, _, prefix = parts.path.strip("/").partition("/")
        azure = _azure(entry, parts.netloc, container, prefix, connections)
        return create_azure(azure) if create else connect_azure(azure)
    if parts.scheme == "s3" and parts.netloc:
        s3 = _s3(entry, parts.netloc, parts.path.strip("/"), connections)
        return create_s3(s3) if create else connect_s3(s3)
    raise UsageError(
        f"{parts.scheme or 'this'} is no vault url",
        hint="write file:///path/to/folder, azure://account/container/prefix or s3://bucket/prefix",
    )


def unlock(entry: VaultEntry, connections: Connections, *, read_only: bool = False) -> Vault:
    """The opened vault; a missing one is made where its entry says so and this is not only a look.

    Raises NotAVault, WrongKey, NewerFormat.
    """
    key = vault_key(entry, connections)
    try:
        return open_vault(open_store(entry, connections), key)
    except NotAVault:
        if read_only or not entry.create:
            raise
    return make_vault(entry, connections)


def make_vault(entry: VaultEntry, connections: Connections, clock: Clock = utc_now) -> Vault:
    """Make the place and a new vault in it. Raises BlobExists when one is there."""
    key = vault_key(entry, connections)
    return create_vault(open_store(entry, connections, create=True), key, clock, entry.encryption)


def keyring(entry: VaultEntry, connections: Connections) -> KeyRing:
    """The vault's wrappings, to list, add and remove. Raises as `unlock`, but makes no vault."""
    return open_keyring(open_store(entry, connections), vault_key(entry, connections))


def vault_key(
    entry: VaultEntry, connections: Connections, reference: str | None = None
) -> VaultKey | str:
    """The entry's key, or one that `reference` names for the same vault; "" when there is none.

    A key of Key Vault may be named outright or lie behind a reference, as all others do.
    """
    wanted = entry.key if reference is None else reference
    if not wanted:
        return ""
    text = wanted if key_vault_key(wanted) else resolve(wanted, connections)
    named = key_vault_key(text)
    return _key_vault(*named, entry, connections) if named else key_of(text)


class Fleet:
    """Every instance's standing, for the Recovery page (lifeboat.web.reader.FleetReader)."""

    def __init__(self, include: Path, connections: Connections, clock: Clock = utc_now) -> None:
        self._include = include
        self._connections = connections
        self._clock = clock

    def instances(self) -> tuple[InstanceStatus, ...]:
        """Reads every vault once, opened once; one that fails is a row that says so."""
        opened: dict[str, Vault | LifeboatError] = {}
        rows = []
        for instance in load_include(self._include).instances:
            if instance.vault.name not in opened:
                opened[instance.vault.name] = self._open(instance.vault)
            vault = opened[instance.vault.name]
            if isinstance(vault, LifeboatError):
                rows.append(unreadable(instance, vault))
            else:
                rows.append(read_status(vault, instance, self._clock()))
        return tuple(rows)

    def _open(self, entry: VaultEntry) -> Vault | LifeboatError:
        try:
            return unlock(entry, self._connections, read_only=True)
        except LifeboatError as error:
            return error


def fleet_reader(include: Path, connections: Connections | None = None) -> Fleet:
    """The real FleetReader."""
    return Fleet(include, connections or NoConnections())


def _folder(path: Path, *, create: bool) -> LocalStore:
    return LocalStore.create(path) if create else LocalStore(path)


def _key_vault(
    url: str, version: str, entry: VaultEntry, connections: Connections
) -> AzureVaultKey:
    """With the Entra identity of the vault's connection. A connection that is none (account key,
    SAS, connection string) says nothing of Key Vault; then the machine's own identity is taken."""
    if entry.connection and not entry.url.startswith("s3:"):
        # The place does not matter: only who the connection is.
        store = connections.azure(entry.connection, "https://any.invalid", "any", "")
        identity = store.identity or "default"
        names = {"client_id": store.client_id, "tenant_id": store.tenant_id}
        credential = token_credential(identity, client_secret=store.client_secret, **names)
    else:
        credential = token_credential(entry.identity, client_id=entry.client_id)
    return AzureVaultKey(url, version, credential)


def _azure(
    entry: VaultEntry, account: str, container: str, prefix: str, connections: Connections
) -> AzureSettings:
    if entry.access_key_id or entry.region:
        raise UsageError(f"vault {entry.name}: accessKeyId and region go with an s3:// url")
    url = f"https://{account}.blob.core.windows.net"
    if entry.endpoint:
        url = from_environment(entry.endpoint).rstrip("/")
    if entry.connection:
        return connections.azure(entry.connection, url, container, prefix)
    if entry.connection_string:
        text = resolve(entry.connection_string, connections)
        return AzureSettings(container, prefix, connection_string=text)
    if entry.sas_token:
        token = resolve(entry.sas_token, connections)
        return AzureSettings(container, prefix, url, sas_token=token)
    return AzureSettings(container, prefix, url, identity=entry.identity, client_id=entry.client_id)


def _s3(entry: VaultEntry, bucket: str, prefix: str, connections: Connections) -> S3Settings:
    if entry.connection_string or entry.sas_token or entry.identity != "default":
        raise UsageError(
            f"vault {entry.name}: connectionString, sasToken and identity go with an azure:// url"
        )
    if entry.connection:
        settings = connections.s3(entry.connection, bucket, prefix)
    elif entry.access_key_id and entry.secret_access_key:
        settings = S3Settings(
            bucket,
            prefix,
            access_key_id=resolve(entry.access_key_id, connections),
            secret_access_key=resolve(entry.secret_access_key, connections),
        )
    else:
        settings = S3Settings(bucket, prefix)
    endpoint = from_environment(entry.endpoint) if entry.endpoint else settings.endpoint
    return replace(settings, endpoint=endpoint, region=entry.region or settings.region)
