"""The standby DAGs: bring new points to the cluster that stands by (airflow)."""

from __future__ import annotations

from lifeboat.pipeline.build import standby_dags

globals().update(standby_dags())
