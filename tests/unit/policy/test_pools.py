"""Pools are asked for in clusters.yaml, get the name of what they protect, and are told as Airflow
imports them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app
from lifeboat.errors import PolicyError
from lifeboat.policy.load import load_clusters

SUBSCRIPTION = "11111111-AAAA-3333-4444-555555555555"


def cluster(name: str, pool: int | None, disks: int | None = None) -> str:
    lines = [f"  - name: {name}", "    inCluster: true"]
    lines += [f"    pool: {{slots: {pool}}}"] if pool else []
    if disks:
        lines += [
            "    azure:",
            f"      subscription: {SUBSCRIPTION}",
            "      location: westeurope",
            f"      nodeResourceGroup: MC_{name}",
            "      snapshotResourceGroup: snapshots",
            f"      pool: {{slots: {disks}}}",
        ]
    return "\n".join(lines) + "\n"


def write(folder: Path, *clusters: str) -> Path:
    (folder / "clusters.yaml").write_text("clusters:\n" + "".join(clusters))
    return folder


def test_the_command_prints_what_airflow_imports(tmp_path: Path) -> None:
    write(tmp_path, cluster("east", 16, 8), cluster("west", None, 8), cluster("north", None))
    done = CliRunner().invoke(app, ["pools", "--include", str(tmp_path)])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    disks = f"lifeboat-disks-{SUBSCRIPTION.lower()}-westeurope"
    assert {name: pool["slots"] for name, pool in told.items()} == {
        "lifeboat-cluster-east": 16,
        disks: 8,
    }
    for pool in told.values():
        assert pool["description"]
        assert pool["include_deferred"] is False


def test_nobody_gets_a_pool_who_did_not_ask(tmp_path: Path) -> None:
    assert load_clusters(write(tmp_path, cluster("east", None))).pools() == {}


def test_a_pool_that_a_task_does_not_fit_into_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"clusters\[0\]\.pool\.slots"):
        load_clusters(write(tmp_path, cluster("east", 3)))


def test_one_pool_has_one_size(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="8 slots, as an earlier cluster says") as told:
        load_clusters(write(tmp_path, cluster("east", None, 8), cluster("west", None, 9)))
    assert "clusters[1].azure.pool.slots" in str(told.value)
