"""A folder with the one DAG file of the bench: the backup DAGs, with shards as small as the bar of
64 mapped shards needs them. Real ones hold some 20,000 objects each."""

from __future__ import annotations

from pathlib import Path

SHARDS = 64
NAMESPACES = 8
OBJECTS = 64
"""ConfigMaps in each of the namespaces."""

_FILE = '''\
"""Backup DAGs with small shards (airflow)."""
from lifeboat.pipeline.build import backup_dags
from lifeboat.steps import enumerate as step

step._SHARD_OBJECTS = {objects}
globals().update(backup_dags())
'''


def dags_folder(folder: Path) -> Path:
    """Made of this file alone; Airflow's DAG folder for the run."""
    folder.mkdir(parents=True)
    text = _FILE.format(objects=NAMESPACES * OBJECTS // SHARDS)
    (folder / "sharded.py").write_text(text)
    return folder
