"""Fixtures: a real Airflow with the repository's DAGs and plugins, once for the whole run.

What DAGs need to know (clusters, vaults) comes from `airflow_env`, one environment for the whole
run. A test that needs another one starts its own with `local.airflow_stack.temporary_airflow`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.airflow_client import AirflowClient
from local.airflow_stack import AirflowStack, temporary_airflow


@pytest.fixture(scope="session")
def airflow_env() -> dict[str, str]:
    """What is added to the environment of every Airflow component."""
    return {}


@pytest.fixture(scope="session")
def airflow(airflow_env: dict[str, str]) -> Iterator[AirflowStack]:
    """A running, warm Airflow."""
    with temporary_airflow(airflow_env) as stack:
        yield stack


@pytest.fixture
def airflow_admin(airflow: AirflowStack) -> Iterator[AirflowClient]:
    """Its REST API as an administrator."""
    airflow.check()
    client = airflow.client()
    yield client
    client.close()
