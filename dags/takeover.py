"""The failover and failback DAGs: the clusters of a standby change places (airflow)."""

from __future__ import annotations

from lifeboat.pipeline.build import takeover_dags

globals().update(takeover_dags())
