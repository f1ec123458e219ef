"""What clusters.yaml and a policy say of Azure: what is refused at load, with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifeboat.errors import PolicyError, Problem
from lifeboat.policy.explain import describe
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import load_clusters, load_policy

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"
AZURE = f"""
    subscription: {SUBSCRIPTION}
    location: westeurope
    nodeResourceGroup: MC_shop
    snapshotResourceGroup: shop-snapshots
"""
POLICY = """\
clusters: [aks]
schedule: {cron: "0 2 * * *"}
retention: {keep: {last: 7}}
volumes:
  mode: azure
"""
COPY = "{region: northeurope, resourceGroup: north, keep: {last: 3}}"


def load(tmp_path: Path, policy: str, azure: str = AZURE) -> tuple[Instance, ...]:
    section = f"    azure:\n{azure.strip(chr(10))}\n".replace("\n    ", "\n      ") if azure else ""
    (tmp_path / "clusters.yaml").write_text(
        "clusters:\n  - name: aks\n    inCluster: true\n"
        + section
        + "vaults: [{name: main, url: 'file:///v', encryption: none}]\n"
    )
    path = tmp_path / "shop.yaml"
    path.write_text(policy)
    return load_policy(path, load_clusters(tmp_path))


def refused(tmp_path: Path, policy: str, azure: str = AZURE) -> Problem:
    with pytest.raises(PolicyError) as caught:
        load(tmp_path, policy, azure)
    (problem,) = caught.value.problems
    return problem


def copies(*rules: str) -> str:
    return POLICY + f"  azure: {{copies: [{', '.join(rules)}]}}\n"


def test_a_policy_that_asks_azure(tmp_path: Path) -> None:
    (instance,) = load(tmp_path, copies(COPY))
    assert instance.policy.volumes.mode == "azure"
    assert instance.cluster.azure
    assert instance.cluster.azure.snapshot_resource_group == "shop-snapshots"
    assert instance.policy.volumes.azure.copies[0].keep.last == 3
    assert "Azure's own snapshots" in describe(instance)
    assert "copied into northeurope" in describe(instance)


def test_csi_is_the_default_and_needs_nothing(tmp_path: Path) -> None:
    (instance,) = load(tmp_path, POLICY.replace("  mode: azure", "  snapshot: true"), azure="")
    assert instance.policy.volumes.mode == "csi"


@pytest.mark.parametrize("group", ["MC_shop", "mc_shop", "MC_another_cluster_north"])
def test_snapshots_never_lie_in_a_node_resource_group(tmp_path: Path, group: str) -> None:
    problem = refused(tmp_path, POLICY, AZURE.replace("shop-snapshots", group))
    assert problem.field == "clusters[0].azure.snapshotResourceGroup"
    assert "which AKS deletes with the cluster" in problem.expected
    rule = COPY.replace("north,", f"{group},")
    problem = refused(tmp_path, copies(rule))
    assert problem.field == "volumes.azure.copies[0].resourceGroup"
    assert "which AKS deletes with the cluster" in problem.expected


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (SUBSCRIPTION, "my-subscription", "subscription"),
        ("westeurope", "West Europe", "location"),
        ("shop-snapshots", "shop/snapshots", "snapshotResourceGroup"),
        ("    location", "    zones: ['4']\n    location", "zones[0]"),
        ("    location", "    tags: {lifeboat-point: x}\n    location", "tags"),
        ("    location", "    tags: {a/b: x}\n    location", "tags"),
        ("    location", "    clientId: abc\n    location", "clientId"),
        ("    location", "    connection: az\n    identity: default\n    password: x\n    location",
         "password"),
    ],
    ids=["subscription", "region", "group", "zone", "our-tag", "slash", "client", "unknown"],
)  # fmt: skip
def test_a_section_that_is_wrong(tmp_path: Path, old: str, new: str, field: str) -> None:
    problem = refused(tmp_path, POLICY, AZURE.replace(old, new))
    assert problem.field == f"clusters[0].azure.{field}"
    assert problem.line


def test_connection_or_identity(tmp_path: Path) -> None:
    both = AZURE + "    connection: az\n    identity: workload-identity\n"
    assert refused(tmp_path, POLICY, both).expected == "connection or identity"


def test_azure_needs_a_place(tmp_path: Path) -> None:
    problem = refused(tmp_path, POLICY, azure="")
    assert problem.field == "volumes.mode"
    assert "an azure section of cluster aks" in problem.expected


def test_copies_need_azure(tmp_path: Path) -> None:
    problem = refused(tmp_path, copies(COPY).replace("mode: azure", "mode: csi"))
    assert (problem.field, problem.expected) == ("volumes.azure", "mode: azure beside it")


def test_a_copy_goes_somewhere_else(tmp_path: Path) -> None:
    here = COPY.replace("northeurope", "westeurope")
    assert refused(tmp_path, copies(here)).field == "volumes.azure.copies[0].region"
    elsewhere = here.replace("{", f"{{subscription: {OTHER}, ", 1)
    (instance,) = load(tmp_path, copies(elsewhere))
    assert instance.policy.volumes.azure.copies[0].subscription == OTHER
    problem = refused(tmp_path, copies(COPY, COPY))
    assert problem.field == "volumes.azure.copies[1].region"


@pytest.mark.parametrize("minutes", [1, 59, 301])
def test_minutes_that_azure_does_not_offer(tmp_path: Path, minutes: int) -> None:
    problem = refused(tmp_path, POLICY + f"  azure: {{instantAccessMinutes: {minutes}}}\n")
    assert problem.field == "volumes.azure.instantAccessMinutes"
    assert problem.expected == "0, or 60 to 300"


def test_more_snapshots_than_azure_keeps(tmp_path: Path) -> None:
    dense = POLICY.replace("0 2 * * *", "*/5 * * * *").replace("last: 7", "last: 501")
    assert "at most 500, which Azure allows a disk" in refused(tmp_path, dense).expected
