"""The restore DAG: bring back a recovery point, or part of one (airflow)."""

from __future__ import annotations

from lifeboat.pipeline.build import restore_dags

globals().update(restore_dags())
