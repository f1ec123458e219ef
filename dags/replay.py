"""The replay DAG: after a restore, other DAGs of this Airflow run again from its point on."""

from __future__ import annotations

from lifeboat.pipeline.build import replay_dags

globals().update(replay_dags())
