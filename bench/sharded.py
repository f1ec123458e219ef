"""What the bar of mapped shards needs: one instance whose shards are as small as can be, and a list
of objects for each of them. Real shards hold some 20,000 objects each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

INSTANCE = "many.local"
NAMESPACES = 8

_FILE = '''\
"""Backup DAGs, one of them with small shards (airflow)."""
from airflow.sdk import get_parsing_context
from lifeboat.pipeline.build import backup_dags
from lifeboat.steps import enumerate as step

if get_parsing_context().dag_id == "backup.{instance}":
    step._SHARD_OBJECTS = 1
globals().update(backup_dags())
'''


def dags_folder(folder: Path) -> Path:
    """Made of this file alone; Airflow's DAG folder for the run."""
    folder.mkdir(parents=True)
    (folder / "sharded.py").write_text(_FILE.format(instance=INSTANCE))
    return folder


def objects(namespace: str) -> list[dict[str, Any]]:
    """One of each of six kinds, beside the two that every namespace has: a list is never split."""
    kinds: dict[str, dict[str, Any]] = {
        "v1/Secret": {"data": {}},
        "v1/LimitRange": {"spec": {"limits": []}},
        "v1/Service": {"spec": {"ports": [{"port": 80}]}},
        "v1/PodTemplate": {"template": {"spec": {"containers": [{"name": "a", "image": "a"}]}}},
        "rbac.authorization.k8s.io/v1/Role": {"rules": []},
        "networking.k8s.io/v1/NetworkPolicy": {"spec": {"podSelector": {}}},
    }
    metadata = {"name": "one", "namespace": namespace}
    made = []
    for name, body in kinds.items():
        version, _, kind = name.rpartition("/")
        made.append({"apiVersion": version, "kind": kind, "metadata": metadata, **body})
    return made
