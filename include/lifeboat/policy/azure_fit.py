"""Whether what a policy wishes of Azure fits the cluster it names; said at load, not at night."""

from __future__ import annotations

from collections.abc import Iterator

from lifeboat.errors import Problem
from lifeboat.policy.azure import AzureEntry, CopyRule, node_group_reason
from lifeboat.policy.document import Document
from lifeboat.policy.model import ClusterEntry, Policy
from lifeboat.policy.problems import problem_at

Path = tuple[str | int, ...]


def azure_problems(document: Document, policy: Policy, cluster: ClusterEntry) -> Iterator[Problem]:
    """What is wrong of one policy on one cluster."""
    wishes = policy.volumes
    if wishes.mode != "azure":
        if wishes.azure.copies or wishes.azure.instant_access_minutes:
            yield problem_at(
                document, ("volumes", "azure"), "a section for Azure", "mode: azure beside it"
            )
        return
    if cluster.azure is None:
        yield problem_at(
            document,
            ("volumes", "mode"),
            "'azure'",
            f"an azure section of cluster {cluster.name} in clusters.yaml (subscription, location,"
            " nodeResourceGroup, snapshotResourceGroup), or mode: csi",
        )
        return
    for index, rule in enumerate(wishes.azure.copies):
        yield from _copy_problems(document, rule, cluster.azure, index, cluster.name)


def _copy_problems(
    document: Document, rule: CopyRule, azure: AzureEntry, index: int, name: str
) -> Iterator[Problem]:
    at: Path = ("volumes", "azure", "copies", index)
    why = node_group_reason(rule.resource_group, azure.node_resource_group)
    if why:
        yield problem_at(
            document,
            (*at, "resourceGroup"),
            repr(rule.resource_group),
            f"a resource group of its own: {why}, copies and all",
        )
    here = rule.subscription in (None, azure.subscription)
    if rule.region == azure.location and here:
        yield problem_at(
            document,
            (*at, "region"),
            repr(rule.region),
            f"another region (or subscription) than that of cluster {name}: its snapshots are there"
            " already",
        )
