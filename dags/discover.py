"""The discover DAG, where clusters.yaml says where clusters are found (airflow)."""

from __future__ import annotations

from lifeboat.pipeline.build import discover_dags

globals().update(discover_dags())
