"""What policies and clusters.yaml say of Azure's managed disks: where they are, where copies go.

Form only: nothing here asks Azure. The rules that need no asking are kept here, where the file can
still be mended: snapshots never lie in the node resource group, a copy goes somewhere else.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.fields import (
    ConnectionId,
    Count,
    Endpoint,
    EntraIdentity,
    Strict,
    refuse,
    refuse_stray_client_id,
    unique,
)
from lifeboat.policy.pools import Pool
from lifeboat.policy.rules import Keep

_REGION = re.compile(r"[a-z0-9]{3,40}")
_GROUP = re.compile(r"[\w().-]{0,89}[\w()-]")
_SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CLUSTER = re.compile(
    rf"/subscriptions/(?P<subscription>{_SUBSCRIPTION.pattern})"
    rf"/resourceGroups/(?P<group>{_GROUP.pattern})"
    r"/providers/Microsoft\.ContainerService/managedClusters/(?P<name>[\w-]{1,63})",
    re.IGNORECASE,
)
_FLEET = re.compile(_CLUSTER.pattern.replace("managedClusters", "fleets"), re.IGNORECASE)
_NODE_GROUP = "mc_"

INSTANT_MINUTES = (60, 300)
"""The shortest and longest instant access that Azure offers."""


def node_group_reason(group: str, node_group: str) -> str:
    """Why snapshots must not lie in this group, empty when they may."""
    if group.lower() == node_group.lower() or group.lower().startswith(_NODE_GROUP):
        return "it is the node resource group, which AKS deletes with the cluster"
    return ""


def _check_region(name: str) -> str:
    if not _REGION.fullmatch(name):
        raise refuse("a region as Azure spells it, such as westeurope")
    return name


def _check_group(name: str) -> str:
    if not _GROUP.fullmatch(name):
        raise refuse("the name of a resource group: 1 to 90 letters, digits and _ - . ( )")
    return name


def _check_subscription(text: str) -> str:
    if not _SUBSCRIPTION.fullmatch(text):
        raise refuse("a subscription id, such as 11111111-2222-3333-4444-555555555555")
    return text.lower()


def _check_cluster(text: str) -> str:
    if not _CLUSTER.fullmatch(text):
        raise refuse(
            "the resource id of an AKS cluster: /subscriptions/…/resourceGroups/…/providers/"
            "Microsoft.ContainerService/managedClusters/NAME"
        )
    return text


def check_fleet(text: str) -> str:
    """Returns `text`; refuses what is no resource id of a fleet."""
    if not _FLEET.fullmatch(text):
        raise refuse(
            "the resource id of a fleet: /subscriptions/…/resourceGroups/…/providers/"
            "Microsoft.ContainerService/fleets/NAME"
        )
    return text


def fleet_parts(text: str) -> tuple[str, str, str]:
    """Subscription, resource group and name of a fleet's resource id."""
    found = _FLEET.fullmatch(text)
    assert found is not None
    return found["subscription"], found["group"], found["name"]


ClusterId = Annotated[str, AfterValidator(_check_cluster)]
Region = Annotated[str, AfterValidator(_check_region)]
GroupName = Annotated[str, AfterValidator(_check_group)]
Subscription = Annotated[str, AfterValidator(_check_subscription)]


class AzureAccess(Strict):
    """Who asks Azure Resource Manager, and where that is."""

    connection: ConnectionId | None = Field(
        default=None,
        description="The Airflow connection of type azure with the credential. Default none: the"
        " identity below.",
        examples=["azure_backup"],
    )
    identity: EntraIdentity = Field(
        default="default",
        description="Which Entra identity asks Azure when no connection is named. Default default:"
        " the first that the Azure SDK finds; the others ask for exactly that.",
    )
    client_id: str = Field(
        default="",
        description="The client id of the workload or managed identity. Default empty: the only"
        " one that the pod or machine has.",
        examples=["11111111-2222-3333-4444-555555555555"],
    )
    endpoint: Endpoint | None = Field(
        default=None,
        description="The URL of Azure Resource Manager in a cloud of its own, or env:NAME. Default"
        " none: https://management.azure.com.",
        examples=["https://management.usgovcloudapi.net"],
    )

    @model_validator(mode="after")
    def _one_identity(self) -> AzureAccess:
        if self.connection is not None and self.identity != "default":
            raise refuse("connection or identity", found="both", at=("identity",))
        refuse_stray_client_id(self.client_id, self.identity)
        return self


class AksEntry(AzureAccess):
    """An AKS cluster that is reached by its resource id, with an Entra identity."""

    id: ClusterId = Field(
        description="The resource id of the AKS cluster, as `az aks show --query id` prints it.",
        examples=[
            "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop"
            "/providers/Microsoft.ContainerService/managedClusters/shop-aks"
        ],
    )

    @property
    def parts(self) -> tuple[str, str, str]:
        """Subscription, resource group and name."""
        found = _CLUSTER.fullmatch(self.id)
        assert found is not None
        return found["subscription"], found["group"], found["name"]


class AzureEntry(AzureAccess):
    """Where the cluster's managed disks are, for policies whose volumes.mode is azure."""

    subscription: Subscription = Field(
        description="The subscription of the cluster's disks. Azure makes their snapshots there.",
        examples=["11111111-2222-3333-4444-555555555555"],
    )
    location: Region = Field(
        description="The region of the cluster and its disks.", examples=["westeurope"]
    )
    node_resource_group: GroupName = Field(
        description="The resource group that AKS made for the nodes. It goes with the cluster, so"
        " snapshots never lie in it.",
        examples=["MC_shop_shop-aks_westeurope"],
    )
    snapshot_resource_group: GroupName = Field(
        description="The resource group that takes the snapshots, in the same subscription. Any but"
        " a node resource group.",
        examples=["shop-snapshots"],
    )
    disk_resource_group: GroupName | None = Field(
        default=None,
        description="The resource group of restored disks. Default none: the node resource group,"
        " where the CSI driver makes its own.",
        examples=["shop-disks"],
    )
    zones: Annotated[tuple[Literal["1", "2", "3"], ...], AfterValidator(unique)] = Field(
        default=(),
        description="The zones that have nodes. A restored disk goes into its old zone when that is"
        " among them, else into one of these. Default none: always into its old zone.",
        examples=[["1", "2", "3"]],
    )
    tags: dict[str, str] = Field(
        default_factory=dict,
        description="Tags of your own on every snapshot, copy and restored disk, such as those that"
        " an Azure Policy demands; at most 20, of names and values up to 256 characters. Default"
        " none.",
        examples=[{"cost-center": "4711"}],
    )
    pool: Pool | None = Field(
        default=None,
        description="An Airflow pool that all backups of disks in this subscription and region"
        " share, which `lifeboat pools` makes. Default none: snapshots of disks count as other"
        " requests do.",
    )

    @model_validator(mode="after")
    def _snapshots_outlive_the_cluster(self) -> AzureEntry:
        why = node_group_reason(self.snapshot_resource_group, self.node_resource_group)
        if why:
            raise refuse(
                f"a resource group of its own: {why}, snapshots and all",
                at=("snapshotResourceGroup",),
                found=self.snapshot_resource_group,
            )
        return self

    @model_validator(mode="after")
    def _tags_fit(self) -> AzureEntry:
        if len(self.tags) > 20:
            raise refuse(
                "at most 20: Azure allows 50 and Lifeboat needs some",
                found=str(len(self.tags)),
                at=("tags",),
            )
        for name, value in self.tags.items():
            wrong = len(name) > 256 or len(value) > 256 or set(name) & set("<>%&\\?/") or not name
            if wrong or name.lower().startswith("lifeboat-"):
                raise refuse(
                    "names and values of 1 to 256 characters, names without <>%&\\?/ and not"
                    " beginning with lifeboat-",
                    found=name[:40],
                    at=("tags",),
                )
        return self


class CopyRule(Strict):
    """One region that snapshots are copied into."""

    region: Region = Field(
        description="Where the copies lie, as Azure spells it.", examples=["northeurope"]
    )
    resource_group: GroupName = Field(
        description="The resource group that takes the copies; it may lie in any region.",
        examples=["shop-snapshots-north"],
    )
    subscription: Subscription | None = Field(
        default=None,
        description="The subscription of that resource group. Default none: the cluster's.",
        examples=["11111111-2222-3333-4444-555555555555"],
    )
    sku: Literal["", "Standard_LRS", "Standard_ZRS"] = Field(
        default="",
        description="What the copies lie on. Default empty: zone-redundant where the region has"
        " zones, as Azure chooses.",
        examples=["Standard_LRS"],
    )
    keep: Keep = Field(
        description="Which points keep their copies there, by the same rules as retention.keep. A"
        " copy goes with its point at the latest; the newest of each disk stays for the next one to"
        " be a delta to it.",
    )


class AzureVolumes(Strict):
    """What is special to volumes.mode azure."""

    instant_access_minutes: Count = Field(
        default=0,
        description="How long snapshots of Premium SSD v2 and Ultra disks also offer instant access"
        " (fast disks from them at once, for a fee): 60 to 300 minutes. Default 0: not at all.",
    )
    copies: tuple[CopyRule, ...] = Field(
        default=(),
        description="The regions that every point's snapshots are copied into; the local ones stay."
        " Default none. docs/azure.md has an example.",
        json_schema_extra={"x-example": []},
    )

    @model_validator(mode="after")
    def _minutes_that_azure_offers(self) -> AzureVolumes:
        low, high = INSTANT_MINUTES
        minutes = self.instant_access_minutes
        if minutes and not low <= minutes <= high:
            raise refuse(f"0, or {low} to {high}", found=str(minutes), at=("instantAccessMinutes",))
        return self

    @model_validator(mode="after")
    def _each_region_once(self) -> AzureVolumes:
        taken: set[tuple[str, str | None]] = set()
        for index, rule in enumerate(self.copies):
            if (rule.region, rule.subscription) in taken:
                raise refuse(
                    "each region of a subscription once",
                    found=rule.region,
                    at=("copies", index, "region"),
                )
            taken.add((rule.region, rule.subscription))
        return self
