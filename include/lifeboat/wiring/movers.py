"""The restic repository beside a vault's blobs, and who carries files into it and out of it.

Turns what opens the vault's store for us into what restic reads (its documentation, "Preparing a
new repository" and "Environment Variables").
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lifeboat.adapters.movers_kube import MoversKube
from lifeboat.adapters.repository_restic import RepositoryRestic
from lifeboat.adapters.restic import Access
from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.adapters.store_s3_settings import S3Settings
from lifeboat.clock import Clock
from lifeboat.errors import Unsupported
from lifeboat.point.layout import FILES
from lifeboat.policy.instance import Instance
from lifeboat.policy.model import VaultEntry
from lifeboat.policy.vault_tier import VaultTier
from lifeboat.ports.cluster import Cluster
from lifeboat.ports.disks import Disks
from lifeboat.ports.movers import Movers, Repository
from lifeboat.vault.vault import Vault
from lifeboat.wiring.references import Connections
from lifeboat.wiring.vaults import store_place

_BLOB = ".blob."


@dataclass(frozen=True)
class Files:
    """The ports to the files of volumes in one vault."""

    movers: Movers
    repository: Repository


def open_files(
    instance: Instance,
    cluster: Cluster,
    disks: Disks,
    vault: Vault,
    connections: Connections,
    clock: Clock,
) -> Files | None:
    """Who moves files between this cluster and the vault. Without a vaultTier in the policy still
    for restores of older points, and None where restic has no way into the store: with one, that
    is raised (Unsupported)."""
    tier = instance.policy.volumes.vault_tier
    try:
        access = access_of(instance.vault, connections, vault)
    except Unsupported:
        if tier is not None:
            raise
        return None
    movers = MoversKube(cluster, disks, access, tier or VaultTier(), clock)
    return Files(movers, RepositoryRestic(access, shutil.which("restic") or ""))


def access_of(entry: VaultEntry, connections: Connections, vault: Vault) -> Access:
    """The repository of a vault and what opens it.

    Raises Unsupported where restic knows no such way in, and UsageError as `open_store`.
    """
    password = vault.cipher.files_password
    place = store_place(entry, connections)
    if isinstance(place, Path):
        folder = str(place / FILES)
        return Access(folder, password, folder=folder)
    if isinstance(place, AzureSettings):
        return _azure(entry, place, password)
    return _s3(entry, place, password)


def _azure(entry: VaultEntry, place: AzureSettings, password: str) -> Access:
    url = f"azure:{place.container}:/{_below(place.prefix)}"
    named = _parts_of(place.connection_string)
    host = urlsplit(place.account_url or named.get("BlobEndpoint", "")).hostname or ""
    account, _, suffix = host.partition(_BLOB)
    if not host:
        account, suffix = named.get("AccountName", ""), named.get("EndpointSuffix", "")
    elif not suffix:
        raise Unsupported(
            f"vault {entry.name}: restic cannot reach the store at {host}: it takes accounts named"
            " like ACCOUNT.blob.core.windows.net only",
            hint="leave volumes.vaultTier out, or keep this policy's points in another vault",
        )
    environment = {
        "AZURE_ACCOUNT_NAME": account,
        "AZURE_ENDPOINT_SUFFIX": suffix,
        "AZURE_ACCOUNT_KEY": place.account_key or named.get("AccountKey", ""),
        "AZURE_ACCOUNT_SAS": place.sas_token or named.get("SharedAccessSignature", ""),
        "AZURE_TENANT_ID": place.tenant_id,
        "AZURE_CLIENT_ID": place.client_id,
        "AZURE_CLIENT_SECRET": place.client_secret,
    }
    labels = {}
    if place.identity in ("default", "workload-identity"):
        labels["azure.workload.identity/use"] = "true"
    return Access(url, password, _filled(environment), pod_labels=labels)


def _s3(entry: VaultEntry, place: S3Settings, password: str) -> Access:
    if place.profile:
        raise Unsupported(
            f"vault {entry.name}: a profile ({place.profile}) opens its bucket, which pods do not"
            " have",
            hint="give keys or, on EKS, a role by volumes.vaultTier.serviceAccount",
        )
    server = place.endpoint or f"https://s3.{place.region or 'us-east-1'}.amazonaws.com"
    url = f"s3:{server.rstrip('/')}/{place.bucket}/{_below(place.prefix)}"
    environment = {
        "AWS_ACCESS_KEY_ID": place.access_key_id,
        "AWS_SECRET_ACCESS_KEY": place.secret_access_key,
        "AWS_SESSION_TOKEN": place.session_token,
        "AWS_DEFAULT_REGION": place.region,
    }
    # As our own client: servers other than AWS rarely have a name per bucket.
    options = "-o s3.bucket-lookup=path" if place.endpoint else ""
    return Access(url, password, _filled(environment), options=options)


def _below(prefix: str) -> str:
    return "/".join(part for part in (prefix.strip("/"), FILES) if part)


def _filled(environment: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in environment.items() if value}


def _parts_of(text: str) -> dict[str, str]:
    """Fields of an Azure Storage connection string."""
    pairs = (part.partition("=") for part in text.split(";") if part)
    return {key: value for key, _, value in pairs}
