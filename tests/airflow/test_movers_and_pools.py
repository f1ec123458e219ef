"""Backups in a real Airflow whose files go into the vault, and whose tasks take slots of a pool."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.kubeconfig import from_kubeconfig
from lifeboat.point.manifest import read_manifest
from lifeboat.policy.pools import cluster_pool
from lifeboat.ports.cluster import Cluster
from lifeboat.steps.commit import ensure_complete
from local.airflow_pools import import_pools
from tests.support.airflow import Lifeboat
from tests.support.kinds import NAMESPACE
from tests.support.kubelet import Kubelet, made_by_movers
from tests.support.manifests import manifest
from tests.support.poll import until

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

MOVERS = "movers"
POOLED = "shared.pooled"


@pytest.fixture
def admin(lifeboat: Lifeboat) -> Iterator[Cluster]:
    """The cluster, with a namespace for movers."""
    cluster = ClusterApi(from_kubeconfig(lifeboat.cluster.kubeconfig))
    cluster.create(NAMESPACE, None, manifest(NAMESPACE, MOVERS))
    api = lifeboat.cluster.api
    until("its account is there", lambda: api.list("v1", "ServiceAccount", MOVERS))
    yield cluster
    cluster.delete(NAMESPACE, None, MOVERS)
    cluster.close()


def test_the_files_of_a_volume_go_into_the_vault_and_nothing_of_the_movers_stays(
    lifeboat: Lifeboat, admin: Cluster, restic: Path
) -> None:
    dag = "backup.moved.local"
    run_id = lifeboat.start(dag)

    def still_runs() -> None:
        run = lifeboat.client.run(dag, run_id)
        assert run.state in ("queued", "running"), lifeboat.client.failure(run)

    kubelet = Kubelet(admin, restic, lifeboat.cluster.claim_path)
    assert kubelet.run_mover(MOVERS, still_runs) == 0
    run = lifeboat.finish(dag, run_id)
    assert run.state == "success", lifeboat.client.failure(run)
    states = {task.task: task.state for task in run.tasks}
    assert (states["move"], states["clear_movers"]) == ("success", "success")
    point = lifeboat.client.xcom(dag, run_id, "commit")["point"]
    made = read_manifest(lifeboat.context("moved.local").vault, "moved.local", point)
    ensure_complete(made)
    (copy,) = made.file_copies
    assert copy.volume.title == "shop-data/uploads"
    assert copy.bytes > 0
    assert made_by_movers(admin, MOVERS) == []


def test_pools_that_clusters_ask_for_are_imported_and_tasks_run_in_them(
    lifeboat: Lifeboat, tmp_path: Path
) -> None:
    """By hand as docs/operations.md says it, then as the local Airflow does it, at another size."""
    pool = cluster_pool("pooled")
    include = Path(lifeboat.env["LIFEBOAT_INCLUDE"])
    told = subprocess.run(
        [sys.executable, "-m", "lifeboat", "pools", "--include", str(include)],
        capture_output=True,
        check=True,
    )
    path = tmp_path / "pools.json"
    path.write_bytes(told.stdout)
    lifeboat.stack.command("pools", "import", str(path))
    assert slots(lifeboat, pool) == 8
    run = lifeboat.run(f"backup.{POOLED}")
    took = {
        item["task_id"]: (item["pool"], item["pool_slots"])
        for item in lifeboat.client.request(
            "GET", f"/api/v2/dags/{run.dag_id}/dagRuns/{run.run_id}/taskInstances"
        )["task_instances"]
    }
    assert took["dump"] == (pool, 4)
    assert {name for name, _ in took.values()} == {pool, "default_pool"}
    said: list[str] = []
    clusters = (include / "clusters.yaml").read_text().replace("slots: 8", "slots: 12")
    (tmp_path / "clusters.yaml").write_text(clusters)
    import_pools(lifeboat.stack, tmp_path, said.append)
    assert slots(lifeboat, pool) == 12
    assert said == [f"Imported pools: {pool}"]


def test_a_clusters_file_that_cannot_be_read_stops_nothing(
    lifeboat: Lifeboat, tmp_path: Path
) -> None:
    said: list[str] = []
    import_pools(lifeboat.stack, tmp_path, said.append)
    (line,) = said
    assert line.startswith("No pools were imported: ")
    assert "clusters.yaml" in line


def slots(lifeboat: Lifeboat, pool: str) -> int:
    """The size of a pool in Airflow."""
    return int(lifeboat.client.request("GET", f"/api/v2/pools/{pool}")["slots"])
