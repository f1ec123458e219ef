"""Vaults: the store, the key, the copies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from lifeboat.adapters.azure_identity import token_credential
from lifeboat.adapters.key_azure import AzureVaultKey
from lifeboat.adapters.store_azure import connect_azure, create_azure
from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.adapters.store_local import LocalStore
from lifeboat.adapters.store_s3 import connect_s3, create_s3
from lifeboat.adapters.store_s3_settings import S3Settings
from lifeboat.clock import Clock, utc_now
from lifeboat.errors import NotAVault, UsageError
from lifeboat.policy.fields import key_vault_key
from lifeboat.policy.instance import CopyPlace, Instance
from lifeboat.policy.model import VaultEntry
from lifeboat.ports.store import Store
from lifeboat.steps.context import AtCopy
from lifeboat.vault.keyring import KeyRing
from lifeboat.vault.keys import VaultKey, key_of
from lifeboat.vault.replica import create_replica
from lifeboat.vault.vault import Vault, create_vault, open_keyring, open_vault
from lifeboat.wiring.references import Connections, from_environment, resolve


def open_store(entry: VaultEntry, connections: Connections, *, create: bool = False) -> Store:
    """The store a vault lies in; `create` makes the folder or container when it is missing."""
    place = store_place(entry, connections)
    if isinstance(place, Path):
        return LocalStore.create(place) if create else LocalStore(place)
    if isinstance(place, AzureSettings):
        return create_azure(place) if create else connect_azure(place)
    return create_s3(place) if create else connect_s3(place)


def store_place(entry: VaultEntry, connections: Connections) -> Path | AzureSettings | S3Settings:
    """Where a vault lies and what opens that place; nothing is asked yet."""
    url = from_environment(entry.url)
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.path:
        return Path(parts.path)
    if parts.scheme == "azure" and parts.netloc and parts.path.strip("/"):
        container, _, prefix = parts.path.strip("/").partition("/")
        return _azure(entry, parts.netloc, container, prefix, connections)
    if parts.scheme == "s3" and parts.netloc:
        return _s3(entry, parts.netloc, parts.path.strip("/"), connections)
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


def make_copy(
    entry: VaultEntry, first: VaultEntry, connections: Connections, clock: Clock = utc_now
) -> Vault:
    """Make the place, and in it a copy of the vault `first`, without any point yet. Raises
    BlobExists when a vault is there, and as `unlock` for the first."""
    source, owner = open_store(first, connections), vault_key(first, connections)
    store = open_store(entry, connections, create=True)
    return create_replica(store, vault_key(entry, connections), source, owner, clock)


def open_copy(
    instance: Instance,
    place: CopyPlace,
    connections: Connections,
    *,
    read_only: bool = False,
    clock: Clock = utc_now,
) -> AtCopy:
    """One copy of an instance's points; a missing one is made as `unlock` does."""
    key = vault_key(place.vault, connections)
    try:
        vault = open_vault(open_store(place.vault, connections), key)
    except NotAVault as error:
        if read_only or not place.vault.create:
            first = instance.vault.name
            error.hint = f"make it: lifeboat vault init {place.vault.name} --copy-of {first}"
            raise
        vault = make_copy(place.vault, instance.vault, connections, clock)
    return AtCopy(instance.at(place), vault, clock)


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
