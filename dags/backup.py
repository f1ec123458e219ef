"""The backup DAGs: one for each policy and cluster, generated from include/policies (airflow)."""

from __future__ import annotations

from lifeboat.pipeline.build import backup_dags

globals().update(backup_dags())
