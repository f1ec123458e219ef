"""The test-restore DAGs: one for each policy and cluster that asks for it (airflow)."""

from __future__ import annotations

from lifeboat.pipeline.build import test_restore_dags

globals().update(test_restore_dags())
