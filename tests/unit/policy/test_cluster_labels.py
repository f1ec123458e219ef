"""Policies that choose clusters by label: a new cluster is protected as soon as it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifeboat.policy.load import load_include, load_instance

VAULTS = "vaults: [{name: main, url: file:///none, key: env:NONE}]\n"
POLICY = "objectives: {rpo: 1d}\nretention: {keep: {last: 3}}\n"


def folder(path: Path, clusters: dict[str, str], **policies: str) -> Path:
    """`clusters`: names with the value of their label `environment`."""
    (path / "policies").mkdir(exist_ok=True)
    entries = "".join(
        f"  - {{name: {name}, inCluster: true, labels: {{environment: {value}, team: x}}}}\n"
        for name, value in clusters.items()
    )
    (path / "clusters.yaml").write_text(f"clusters:\n{entries}{VAULTS}")
    for name, text in policies.items():
        (path / "policies" / f"{name}.yaml").write_text(text + POLICY)
    return path


def instances(include: Path) -> list[str]:
    return [one.id for one in load_include(include).instances]


def test_clusters_with_all_the_labels_are_protected(tmp_path: Path) -> None:
    labelled = "clusterLabels: {environment: prod, team: x}\n"
    there = {"a": "prod", "b": "test"}
    assert instances(folder(tmp_path, there, shop=labelled)) == ["shop.a"]
    there["c"] = "prod"
    include = folder(tmp_path, there, shop=labelled)
    assert instances(include) == ["shop.a", "shop.c"]
    assert load_instance(include, "shop.c").cluster.name == "c"


def test_names_and_labels_add_up(tmp_path: Path) -> None:
    both = "clusters: [b, a]\nclusterLabels: {environment: prod}\n"
    include = folder(tmp_path, {"a": "prod", "b": "test", "c": "prod"}, shop=both)
    assert instances(include) == ["shop.a", "shop.b", "shop.c"]


@pytest.mark.parametrize(
    ("written", "at"),
    [("clusterLabels: {environment: nowhere}\n", "clusterLabels"), ("", "clusters")],
)
def test_a_policy_for_no_cluster_is_a_mistake_and_hurts_no_other(
    tmp_path: Path, written: str, at: str
) -> None:
    good = "clusterLabels: {environment: prod}\n"
    found = load_include(folder(tmp_path, {"a": "prod"}, shop=good, broken=written))
    assert [one.id for one in found.instances] == ["shop.a"]
    (problem,) = found.problems
    assert (Path(problem.file).name, problem.field) == ("broken.yaml", at)
