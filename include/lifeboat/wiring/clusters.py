"""Clusters, their disks and everything that a step is given."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from lifeboat.adapters.aks_access import aks_endpoint
from lifeboat.adapters.azure_arm import ArmClients, ArmSettings
from lifeboat.adapters.azure_place import AzurePlace
from lifeboat.adapters.calls_http import HttpCalls
from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.copies_azure import CopiesAzure
from lifeboat.adapters.definition_aks import DefinitionAks
from lifeboat.adapters.disks_azure import DisksAzure
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.disks_filled import DisksFilled
from lifeboat.adapters.disks_routed import DisksRouted
from lifeboat.adapters.exec_api import ExecApi
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig, from_kubeconfig_text, in_cluster
from lifeboat.adapters.registry_oci import RegistriesOci
from lifeboat.adapters.volumes_folder import FolderVolumes, NoVolumes
from lifeboat.clock import Clock, utc_now
from lifeboat.errors import UsageError
from lifeboat.point.images import parse_image
from lifeboat.policy.azure import AzureAccess, AzureEntry
from lifeboat.policy.instance import Instance
from lifeboat.policy.model import ClusterEntry
from lifeboat.ports.cluster import Cluster
from lifeboat.ports.copies import Copies, CopyRegion
from lifeboat.ports.definition import Definitions
from lifeboat.ports.disks import Disks
from lifeboat.ports.registry import Registries
from lifeboat.ports.volumes import VolumeReader
from lifeboat.steps.context import Context
from lifeboat.wiring.movers import open_files
from lifeboat.wiring.references import Connections, from_environment, resolve
from lifeboat.wiring.vaults import unlock


def open_context(
    instance: Instance,
    connections: Connections,
    *,
    target: ClusterEntry | None = None,
    clock: Clock = utc_now,
) -> Context:
    """Everything behind an instance's ports; `target` is another cluster to restore into."""
    cluster_entry = target or instance.cluster
    _ensure_allowed(instance, target)
    reached = endpoint(cluster_entry, connections)
    cluster = ClusterApi(reached)
    vault = unlock(instance.vault, connections)
    disks = disks_of(instance, cluster_entry, cluster, connections, clock)
    files = open_files(instance, cluster, disks, vault, connections, clock)
    return Context(
        instance=instance,
        cluster=cluster,
        vault=vault,
        disks=DisksFilled(disks, files.movers, cluster) if files else disks,
        reader=volume_reader(cluster_entry),
        clock=clock,
        copies=copies_of(instance, cluster_entry, connections),
        pods=ExecApi(reached),
        calls=HttpCalls(lambda reference: resolve(reference, connections)),
        definitions=definitions_of(instance.cluster, connections) if target is None else None,
        registries=registries_of(instance, connections),
        movers=files.movers if files else None,
        repository=files.repository if files else None,
    )


def _ensure_allowed(instance: Instance, target: ClusterEntry | None) -> None:
    """Raises UsageError for a restore target outside of where the policy's copies may lie. The
    policy's own places were checked when it was loaded."""
    residency = instance.policy.residency
    if residency is None or target is None:
        return
    reason = residency.why_not(target.lies_in)
    if reason:
        raise UsageError(
            f"{instance.id} may not be restored into cluster {target.name}, which {reason}:"
            f" residency allows {residency.allowed}",
            hint=""
            if target.lies_in
            else "write location: beside the cluster in clusters.yaml, and name it with --cluster",
        )


def disks_of(
    instance: Instance,
    entry: ClusterEntry,
    cluster: Cluster,
    connections: Connections,
    clock: Clock = utc_now,
) -> Disks:
    """Who snapshots and restores volumes. A cluster that says where it is in Azure has both ways,
    whatever the policy's mode is now: it may have been another one."""
    volumes = instance.policy.volumes
    csi = DisksCsi(cluster, snapshot_class=volumes.snapshot_class, clock=clock)
    if entry.azure is None:
        return csi
    place = azure_place(instance, entry.azure)
    azure = DisksAzure(cluster, arm_clients(entry.azure, connections), place)
    return DisksRouted(csi, azure, new_by_azure=volumes.mode == "azure")


def copies_of(instance: Instance, entry: ClusterEntry, connections: Connections) -> Copies | None:
    """Who copies snapshots into other regions; None on a cluster that is not in Azure."""
    if entry.azure is None:
        return None
    return CopiesAzure(arm_clients(entry.azure, connections), azure_place(instance, entry.azure))


def definitions_of(entry: ClusterEntry, connections: Connections) -> Definitions | None:
    """Who tells how the cluster itself is defined; None where it is not known by an id of Azure."""
    if entry.aks is None:
        return None
    return DefinitionAks(arm_clients(entry.aks, connections), *entry.aks.parts)


def registries_of(instance: Instance, connections: Connections) -> Registries | None:
    """Who asks registries for images; None where the policy does not want it. A login is looked up
    when a registry wants one: a restore from a laptop, without Airflow, must not fail for it."""
    check = instance.policy.image_check
    if check is None:
        return None
    return RegistriesOci(
        {
            parse_image(f"{entry.host}/any").host: partial(connections.login, entry.connection)
            for entry in check.registries
        }
    )


def azure_place(instance: Instance, azure: AzureEntry) -> AzurePlace:
    """A cluster's place in Azure, with the places that the policy's copies go to. A copy without a
    subscription is in that of the cluster that is backed up, also when another one restores it."""
    volumes = instance.policy.volumes
    home = (instance.cluster.azure or azure).subscription
    return AzurePlace(
        subscription=azure.subscription,
        region=azure.location,
        group=azure.snapshot_resource_group,
        node_group=azure.node_resource_group,
        disk_group=azure.disk_resource_group or "",
        zones=tuple(azure.zones),
        places=tuple(
            CopyRegion(rule.region, rule.subscription or home, rule.resource_group, rule.sku)
            for rule in volumes.azure.copies
        ),
        tags=azure.tags,
        instant_minutes=volumes.azure.instant_access_minutes,
    )


def open_cluster(entry: ClusterEntry, connections: Connections) -> tuple[Cluster, Disks]:
    """A cluster and its disks, to look at without a policy or a vault."""
    cluster = ClusterApi(endpoint(entry, connections))
    return cluster, DisksCsi(cluster)


def endpoint(entry: ClusterEntry, connections: Connections) -> Endpoint:
    """How to reach a cluster."""
    if entry.in_cluster:
        return in_cluster()
    if entry.aks is not None:
        return aks_endpoint(arm_clients(entry.aks, connections), *entry.aks.parts)
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


def arm_clients(azure: AzureAccess, connections: Connections) -> ArmClients:
    """The official clients, as whom the section names; no token is asked for yet."""
    endpoint = from_environment(azure.endpoint).rstrip("/") if azure.endpoint else ""
    if azure.connection:
        settings = replace(connections.arm(azure.connection), endpoint=endpoint)
    else:
        settings = ArmSettings(azure.identity, azure.client_id, endpoint=endpoint)
    return ArmClients(settings)
