"""The upkeep DAGs: one for each policy and cluster (airflow)."""

from __future__ import annotations

from lifeboat.pipeline.build import upkeep_dags

globals().update(upkeep_dags())
