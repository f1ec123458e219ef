"""Lifeboat on Airflow with the CeleryExecutor: two workers, each with a queue of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lifeboat.vault.keys import generate_key
from lifeboat.wiring import NoConnections, make_vault
from local import sample_app
from local.celery_stack import DEFAULT_QUEUE, CeleryStack
from local.cluster import LocalCluster
from tests.support.airflow import Lifeboat, vault_of

WORKERS = {"near": (DEFAULT_QUEUE, "near"), "far": (DEFAULT_QUEUE, "far")}

# A dead task is noticed after half a minute instead of five, one that was lost on its way to a
# worker after one minute instead of ten, one of a scheduler that died at once instead of after
# five: what comes of it is the same.
_PACE = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
}


@contextmanager
def celery_lifeboat(
    cluster: LocalCluster,
    include: dict[str, str],
    env: dict[str, str] | None = None,
) -> Iterator[Lifeboat]:
    """The sample application, an empty vault in a folder, a warm Airflow with its workers; all of
    it but the cluster is gone afterwards. `include` maps paths to the files of the include folder;
    `env` is added to what Airflow's parts are told."""
    home = Path(tempfile.mkdtemp(prefix="lifeboat-celery-"))
    try:
        for name, text in include.items():
            file = home / "include" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        told = {
            "LIFEBOAT_INCLUDE": str(home / "include"),
            "KUBECONFIG": str(cluster.kubeconfig),
            "LIFEBOAT_VAULT_URL": (home / "vault").as_uri(),
            "LIFEBOAT_VAULT_KEY": generate_key(),
            "LIFEBOAT_FOLDER_CSI_ROOT": str(cluster.csi_root),
            **_PACE,
            **(env or {}),
        }
        sample_app.deploy(cluster.api, cluster.csi_root)
        make_vault(vault_of(told), NoConnections())
        with CeleryStack(home / "airflow", WORKERS, env=told) as stack:
            client = stack.client()
            yield Lifeboat(stack, client, cluster, told)
            client.close()
    finally:
        shutil.rmtree(home)


def tries(lifeboat: Lifeboat, dag: str, run: str) -> list[dict[str, Any]]:
    """Every try of every task instance of a run, as Airflow's API tells it: `hostname` is the
    worker that ran it, empty when none did."""
    path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances"
    return [
        one
        for task in lifeboat.client.task_instances(dag, run)
        for one in lifeboat.client.request(
            "GET",
            f"{path}/{task.task}/{task.map_index}/tries"
            if task.map_index >= 0
            else f"{path}/{task.task}/tries",
        )["task_instances"]
    ]
