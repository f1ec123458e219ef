"""Places that a policy does not allow are refused, with what would be right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lifeboat.errors import PolicyError, UsageError
from lifeboat.policy.load import load_instance
from lifeboat.policy.model import ClusterEntry
from lifeboat.policy.residency import REGIONS, Residency
from lifeboat.wiring import NoConnections, open_context


def _load(
    tmp_path: Path,
    residency: str,
    cluster: str = "",
    vault: str = "",
    offsite: str = "",
    far: str = "",
) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "clusters.yaml").write_text(
        f"clusters: [{{name: local, kubeconfig: /none{cluster}}}, {far}]\n"
        f'vaults: [{{name: main, url: "azure://contoso1/points", encryption: none{vault}}}'
        f', {{name: offsite, url: "azure://contoso2/points", encryption: none{offsite}}}]\n'
    )
    (tmp_path / "policies" / "shop.yaml").write_text(
        "clusters: [local]\nobjectives: {rpo: 1h}\nretention: {keep: {last: 2}}\n" + residency
    )
    load_instance(tmp_path, "shop.local")


WEST, SOUTH = ", location: westeurope", ", location: uksouth"
AZURE = (
    ", azure: {subscription: 11111111-2222-3333-4444-555555555555, location: westeurope,"
    " nodeResourceGroup: MC_shop, snapshotResourceGroup: snapshots}"
)


@pytest.mark.parametrize(
    ("residency", "cluster", "vault"),
    [
        ("residency: {geographies: [eu]}", WEST, WEST),
        ("residency: {regions: [uksouth], geographies: [eu]}", WEST, SOUTH),
        ("residency: {geographies: [europe]}", SOUTH, WEST),
        ("residency: {regions: [cellar]}", ", location: cellar", ", location: cellar"),
        ("", "", ""),
    ],
)
def test_allowed(tmp_path: Path, residency: str, cluster: str, vault: str) -> None:
    _load(tmp_path, residency, cluster, vault)


@pytest.mark.parametrize(
    ("residency", "cluster", "vault", "field", "words"),
    [
        ("residency: {geographies: [eu]}", WEST, SOUTH, "vault", "vault main, which lies in uksou"),
        ("residency: {geographies: [eu]}", SOUTH, WEST, "clusters[0]", "local, which lies in uks"),
        (
            "residency: {regions: [uksouth]}",
            SOUTH,
            "",
            "vault",
            "write location: beside vault main",
        ),
        ("residency: {regions: [uksouth]}", "", SOUTH, "clusters[0]", "does not say where it lies"),
        ("residency: {}", WEST, WEST, "residency", "a region or a geography"),
        ("residency: {geographies: [mars]}", WEST, WEST, "residency.geographies[0]", "eu"),
    ],
)
def test_refused(
    tmp_path: Path, residency: str, cluster: str, vault: str, field: str, words: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        _load(tmp_path, residency, cluster, vault)
    assert [problem.field for problem in caught.value.problems] == [field]
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("region", "words"), [("eastus", "lies in eastus"), ("", "write location:")]
)
def test_a_restore_elsewhere_is_refused_before_anything_is_opened(
    tmp_path: Path, region: str, words: str
) -> None:
    _load(tmp_path, "residency: {geographies: [eu]}", WEST, WEST)
    instance = load_instance(tmp_path, "shop.local")
    target = ClusterEntry(name="far", kubeconfig="/none", location=region)
    with pytest.raises(UsageError) as caught:
        open_context(replace(instance), NoConnections(), target=target)
    assert words in str(caught.value)


def test_a_region_lies_in_one_country_or_union() -> None:
    apart = [regions for name, regions in REGIONS.items() if name != "europe"]
    assert sum(map(len, apart)) == len(frozenset().union(*apart))
    assert Residency(geographies=("europe",)).why_not("norwayeast") == ""


def test_copies_of_points_and_of_snapshots_lie_there_too(tmp_path: Path) -> None:
    text = (
        "residency: {geographies: [eu]}\ncopies: [{vault: offsite}]\n"
        "volumes: {mode: azure, azure: {copies: "
        "[{region: eastus, resourceGroup: far, keep: {last: 2}}]}}"
    )
    with pytest.raises(PolicyError) as caught:
        _load(tmp_path, text, AZURE, WEST, SOUTH)
    assert [problem.field for problem in caught.value.problems] == [
        "copies[0].vault",
        "volumes.azure.copies[0].region",
    ]
    assert "the copies of snapshots, which lies in eastus" in str(caught.value)


def test_the_clusters_of_test_restores_and_of_a_standby_lie_there_too(tmp_path: Path) -> None:
    text = "residency: {geographies: [eu]}\ntestRestore: {cluster: far}\nstandby: {cluster: far}\n"
    with pytest.raises(PolicyError) as caught:
        _load(tmp_path, text, WEST, WEST, far="{name: far, kubeconfig: /other, location: eastus}")
    assert [problem.field for problem in caught.value.problems] == [
        "standby.cluster",
        "testRestore.cluster",
    ]
    assert "cluster far, which lies in eastus" in str(caught.value)


def test_a_cluster_does_not_lie_elsewhere_than_its_disks(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        _load(tmp_path, "", WEST + AZURE.replace("westeurope", "eastus"), WEST)
    assert [problem.field for problem in caught.value.problems] == ["clusters[0].location"]
    assert "eastus, where azure.location says" in str(caught.value)
