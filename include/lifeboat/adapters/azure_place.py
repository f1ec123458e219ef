"""Where a cluster's disks are in Azure, and where their snapshots and copies may lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lifeboat.errors import UsageError
from lifeboat.policy.azure import node_group_reason
from lifeboat.ports.copies import CopyRegion


@dataclass(frozen=True)
class AzurePlace:
    """Where a cluster's disks and their snapshots are.

    `region` is the cluster's. `group` takes the snapshots and must lie in the disks' subscription;
    `node_group` is AKS's own, which goes with the cluster. `disk_group` takes restored disks
    (empty: the node group). `zones`: where nodes are; empty: a disk goes back into its own zone.
    `places` are the regions that copies go to, `tags` people's own.
    `instant_minutes`: how long snapshots of Premium SSD v2 and Ultra disks offer instant access.
    """

    subscription: str
    region: str
    group: str
    node_group: str
    disk_group: str = ""
    zones: tuple[str, ...] = ()
    places: tuple[CopyRegion, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    instant_minutes: int = 0

    def __post_init__(self) -> None:
        for group in (self.group, *(place.group for place in self.places)):
            why = node_group_reason(group, self.node_group)
            if why:
                raise UsageError(f"resource group {group} cannot take snapshots: {why}")
