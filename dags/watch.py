"""The watch DAG: tells who must know what is wrong with any instance (airflow)."""

from __future__ import annotations

from lifeboat.pipeline.build import watch_dags

globals().update(watch_dags())
