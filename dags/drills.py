"""The drills DAG, where some policy asks for drills (airflow)."""

from __future__ import annotations

from lifeboat.pipeline.build import drills_dags

globals().update(drills_dags())
