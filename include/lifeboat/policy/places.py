"""Where things are: `include/clusters.yaml`, the clusters to protect and the vaults for points.

Form only: references (`env:NAME` and the like) are resolved by `lifeboat.wiring`. No secret is ever
written in this file, and a value that looks like one is refused without being shown.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from lifeboat.policy.azure import AksEntry, AzureAccess, AzureEntry
from lifeboat.policy.discover import CONNECTION, Discover, Discovered
from lifeboat.policy.fields import (
    ConnectionId,
    Endpoint,
    EntraIdentity,
    Folder,
    KeyRef,
    Kubeconfig,
    Name,
    SecretRef,
    Strict,
    Switch,
    VaultUrl,
    refuse,
    refuse_stray_client_id,
)
from lifeboat.policy.pools import Pool, PoolSpec, Wish, cluster_pool, disks_pool, joined


class VolumeReaderEntry(Strict):
    """How Lifeboat reads the bytes of a cluster's volumes, to compare them in a test restore."""

    driver: str = Field(
        min_length=1,
        description="The CSI driver whose volumes can be read, by its full name.",
        examples=["folder.csi.lifeboat.dev"],
    )
    root: Folder = Field(
        description="The folder that holds the driver's volumes, as seen from where Lifeboat runs:"
        " an absolute path or env:NAME.",
        examples=["env:LIFEBOAT_FOLDER_CSI_ROOT"],
    )


class ClusterEntry(Strict):
    """One Kubernetes cluster and how to reach it: by exactly one of `kubeconfig`, `connection`,
    `inCluster`, `aks`."""

    name: Name = Field(
        description="What policies call this cluster: 1 to 40 of a-z, 0-9 and -.",
        examples=["local"],
    )
    labels: dict[str, str] = Field(
        default_factory=dict,
        description="Free labels, by which policies (`clusterLabels`) and receivers of alerts"
        " choose clusters, and people know them. Default none.",
        examples=[{"environment": "production"}],
    )
    kubeconfig: Kubeconfig | None = Field(
        default=None,
        description="Reach it with a kubeconfig file: an absolute path, or env:NAME for a path in"
        " an environment variable. The file itself is never pasted here.",
        examples=["env:KUBECONFIG"],
    )
    context: str = Field(
        default="",
        description="The context of the kubeconfig. Default empty: the file's current context.",
        examples=["production"],
    )
    connection: ConnectionId | None = Field(
        default=None,
        description="Reach it with this Airflow connection of type kubernetes.",
        examples=["kubernetes_production"],
    )
    in_cluster: Switch = Field(
        default=False,
        description="Reach the cluster that Lifeboat itself runs in, with its service account."
        " Default false.",
    )
    aks: AksEntry | None = Field(
        default=None,
        description="Reach an AKS cluster by its resource id, with an Entra identity and without a"
        " kubeconfig. Default none.",
    )
    location: str = Field(
        default="",
        pattern=r"^([a-z0-9][a-z0-9-]*)?$",
        description="The region that the cluster, its disks and their snapshots lie in, for"
        " policies with `residency`, which refuse a cluster that does not say it. Default empty:"
        " what its azure section says, else not known.",
        examples=["westeurope"],
    )
    queue: str = Field(
        default="",
        pattern=r"^([A-Za-z0-9]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9])?)?$",
        description="The queue that the tasks of this cluster's backups, test restores and upkeep"
        " go to, for workers in its network (docs/operations.md). Default empty: Airflow's"
        " own.",
        examples=["prod-westeurope"],
    )
    pool: Pool | None = Field(
        default=None,
        description="An Airflow pool that all backups of this cluster share, which `lifeboat pools`"
        " makes. Default none: each backup keeps to its own requestsInFlight.",
    )
    volume_reader: VolumeReaderEntry | None = Field(
        default=None,
        description="How volume bytes are read for the check `volumeBytesEqual`. Default none: that"
        " check then cannot pass on this cluster.",
    )
    azure: AzureEntry | None = Field(
        default=None,
        description="Where its managed disks are in Azure, for policies with volumes.mode azure."
        " Default none.",
    )

    @property
    def lies_in(self) -> str:
        """The region of the cluster, empty when nobody has said it."""
        return self.location or (self.azure.location if self.azure else "")

    @model_validator(mode="after")
    def _one_way_in(self) -> ClusterEntry:
        ways = {
            "kubeconfig": self.kubeconfig is not None,
            "connection": self.connection is not None,
            "inCluster": self.in_cluster,
            "aks": self.aks is not None,
        }
        chosen = [way for way, used in ways.items() if used]
        if len(chosen) != 1:
            raise refuse(
                "exactly one of kubeconfig, connection, aks and inCluster: true",
                found=" and ".join(chosen) or "none of them",
            )
        if self.context and not ways["kubeconfig"]:
            raise refuse(
                "no context, which goes with kubeconfig only", found=self.context, at=("context",)
            )
        return self

    @model_validator(mode="after")
    def _lies_in_one_place(self) -> ClusterEntry:
        disks = self.azure.location if self.azure else ""
        if self.location and disks and self.location != disks:
            raise refuse(
                f"{disks}, where azure.location says that the disks and snapshots are, or nothing",
                found=self.location,
                at=("location",),
            )
        return self


class Price(Strict):
    """What storage costs, as somebody read it on a day. Lifeboat knows no prices of its own."""

    gib_month: Annotated[float, Field(strict=True, gt=0)] = Field(
        description="The price of one GiB for one month.", examples=[0.0184]
    )
    currency: str = Field(
        pattern=r"^[A-Z]{3}$", description="The currency, by its three letters.", examples=["EUR"]
    )
    as_of: str = Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        description="The day on which the price was read, YYYY-MM-DD; shown beside every cost.",
        examples=["2026-08-01"],
    )


class VaultEntry(Strict):
    """One place that keeps recovery points."""

    name: Name = Field(
        description="What policies call this vault: 1 to 40 of a-z, 0-9 and -.", examples=["main"]
    )
    url: VaultUrl = Field(
        description="Where it lies: file:///absolute/path, azure://account/container[/prefix],"
        " s3://bucket[/prefix], or env:NAME for such a URL in an environment variable. Never a"
        " signature or a key.",
        examples=["azure://contosobackup/lifeboat"],
    )
    encryption: Literal["aes-256-gcm", "none"] = Field(
        default="aes-256-gcm",
        description="How the vault's contents are encrypted. Default aes-256-gcm, because points"
        " hold Secrets; none leaves them readable to whoever can read the store.",
    )
    key: KeyRef | None = Field(
        default=None,
        description="Where the vault's key lies: env:NAME, file:/absolute/path or"
        " connection:<Airflow connection id>; or a key of Azure Key Vault,"
        " azurekv:https://NAME.vault.azure.net/keys/KEY[/VERSION]. Required unless encryption is"
        " none. Have a second key elsewhere (docs/keys.md): without any no point can be restored.",
        examples=["env:LIFEBOAT_VAULT_KEY"],
    )
    endpoint: Endpoint | None = Field(
        default=None,
        description="The URL of the storage service where it is not the usual one: a server that"
        " speaks S3, the blob endpoint of an Azure cloud of its own or of a private link."
        " Default none: AWS, or https://<account>.blob.core.windows.net.",
        examples=["https://minio.example.org:9000"],
    )
    region: str = Field(
        default="",
        pattern=r"^[a-z0-9-]*$",
        description="The region of an S3 bucket. Default empty: what the environment says, else"
        " us-east-1.",
        examples=["eu-central-1"],
    )
    location: str = Field(
        default="",
        pattern=r"^([a-z0-9][a-z0-9-]*)?$",
        description="The region that the vault lies in, for policies with `residency`, which refuse"
        " a vault that does not say it. Default empty: what `region` says, else not known.",
        examples=["westeurope"],
    )
    connection: ConnectionId | None = Field(
        default=None,
        description="The Airflow connection with the store's credential: of type wasb or azure, or"
        " aws for S3. Default none: the identity of the machine (Entra workload identity, managed"
        " identity, az login; for S3 the environment, a profile, the role of the machine).",
        examples=["azure_backup"],
    )
    connection_string: SecretRef | None = Field(
        default=None,
        description="Where an Azure Storage connection string lies: env:NAME, file:/absolute/path"
        " or connection:<id>. It may hold a SAS or an account key. Default none.",
        examples=["env:AZURE_STORAGE_CONNECTION_STRING"],
    )
    price: Price | None = Field(
        default=None,
        description="What the place costs, for the monthly cost that `lifeboat policy explain"
        " --measured` shows. Default none: no cost is shown.",
    )
    sas_token: SecretRef | None = Field(
        default=None,
        description="Where an Azure SAS token lies: env:NAME, file:/absolute/path or"
        " connection:<id>. Default none.",
        examples=["file:/run/secrets/vault-sas"],
    )
    identity: EntraIdentity = Field(
        default="default",
        description="Which Entra identity opens an Azure container when no credential is named."
        " Default default: the first that the Azure SDK finds; the others ask for exactly that.",
    )
    client_id: str = Field(
        default="",
        description="The client id of the workload or managed identity. Default empty: the only"
        " one that the pod or machine has.",
        examples=["11111111-2222-3333-4444-555555555555"],
    )
    access_key_id: SecretRef | None = Field(
        default=None,
        description="Where the access key id for S3 lies: env:NAME, file:/absolute/path or"
        " connection:<id>. Together with `secretAccessKey`. Default none.",
        examples=["env:VAULT_ACCESS_KEY_ID"],
    )
    secret_access_key: SecretRef | None = Field(
        default=None,
        description="Where the secret access key for S3 lies. Together with `accessKeyId`. Default"
        " none.",
        examples=["env:VAULT_SECRET_ACCESS_KEY"],
    )
    create: Switch = Field(
        default=False,
        description="Make an empty vault at the url when there is none. Default false, so that a"
        " wrong url or an unmounted disk is an error and not a new, empty vault.",
    )

    @model_validator(mode="after")
    def _key_fits_encryption(self) -> VaultEntry:
        if self.encryption == "none" and self.key is not None:
            raise refuse(
                "no key beside encryption: none; remove one of the two", found="both", at=("key",)
            )
        if self.encryption != "none" and self.key is None:
            raise refuse(
                "a key, such as key: env:LIFEBOAT_VAULT_KEY (or encryption: none, which leaves"
                " Secrets readable)",
                found="no key",
                at=("key",),
            )
        return self

    @property
    def lies_in(self) -> str:
        """The region of the place, empty when nobody has said it."""
        return self.location or self.region

    @model_validator(mode="after")
    def _one_credential(self) -> VaultEntry:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise refuse("accessKeyId and secretAccessKey, or neither", found="one of them")
        ways = {
            "connection": self.connection is not None,
            "connectionString": self.connection_string is not None,
            "sasToken": self.sas_token is not None,
            "identity": self.identity != "default",
            "accessKeyId": self.access_key_id is not None,
        }
        chosen = [way for way, used in ways.items() if used]
        if len(chosen) > 1:
            raise refuse(
                f"at most one of {', '.join(ways)}", found=" and ".join(chosen), at=(chosen[-1],)
            )
        refuse_stray_client_id(self.client_id, self.identity)
        return self


class ClustersFile(Strict):
    """The whole of clusters.yaml."""

    clusters: tuple[ClusterEntry, ...] = Field(
        default=(), description="The clusters that policies may name. Default none."
    )
    vaults: tuple[VaultEntry, ...] = Field(
        default=(), description="The vaults that policies may name. Default none."
    )
    discover: Discover | None = Field(
        default=None,
        description="Clusters that are found instead of written down (docs/clusters.md). Default"
        " none.",
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> ClustersFile:
        names = {
            "clusters": [entry.name for entry in self.clusters],
            "vaults": [entry.name for entry in self.vaults],
        }
        for section, taken in names.items():
            for index, name in enumerate(taken):
                if name in taken[:index]:
                    raise refuse(
                        "a name of its own; an earlier entry has this one",
                        found=repr(name),
                        at=(section, index, "name"),
                    )
        return self

    @model_validator(mode="after")
    def _pools_agree(self) -> ClustersFile:
        self.pools()
        return self

    def pools(self) -> dict[str, PoolSpec]:
        """Every Airflow pool that tasks may ask for, by name."""
        wanted: list[Wish] = []
        for index, entry in enumerate(self.clusters):
            at: tuple[str | int, ...] = ("clusters", index, "pool", "slots")
            told = f"Requests of Lifeboat's backups to the API server of {entry.name}"
            wanted.append((cluster_pool(entry.name), entry.pool, told, at))
            if entry.azure:
                azure, at = entry.azure, ("clusters", index, "azure", "pool", "slots")
                told = f"Requests of Lifeboat's backups for disks of {azure.location}"
                name = disks_pool(azure.subscription, azure.location)
                wanted.append((name, azure.pool, told, at))
        return joined(wanted)

    def joined_by(self, found: tuple[Discovered, ...]) -> ClustersFile:
        """With the found clusters that nobody has written down, by their name or as the same
        cluster; what a person wrote wins."""
        names = {entry.name for entry in self.clusters}
        idents = [entry.aks.id for entry in self.clusters if entry.aks]
        idents += [f"{CONNECTION}{one.connection}" for one in self.clusters if one.connection]
        known = {ident.lower() for ident in idents}
        access = self.discover.azure if self.discover else None
        more = [
            _entry(one, access)
            for one in found
            if one.name not in names and one.ident.lower() not in known
        ]
        return self.model_copy(update={"clusters": (*self.clusters, *more)})

    def cluster(self, name: str) -> ClusterEntry | None:
        """The cluster of this name, if there is one."""
        return next((entry for entry in self.clusters if entry.name == name), None)

    def vault(self, name: str) -> VaultEntry | None:
        """The vault of this name, if there is one."""
        return next((entry for entry in self.vaults if entry.name == name), None)


def _entry(found: Discovered, access: AzureAccess | None) -> ClusterEntry:
    """A found cluster as a person would have written it. Nothing of it is checked again: that is
    done when it is found, and every start of a task reads hundreds of them."""
    common = {"name": found.name, "labels": found.labels, "location": found.location}
    if found.ident.startswith(CONNECTION):
        return _with(common, connection=found.ident.removeprefix(CONNECTION))
    asked = {name: getattr(access, name) for name in AzureAccess.model_fields} if access else {}
    return _with(common, aks=AksEntry.model_construct(id=found.ident, **asked))


def _with(common: dict[str, Any], **way: Any) -> ClusterEntry:
    return ClusterEntry.model_construct(**common, **way)
