"""Fixtures that every test may use; each lives in tests/support. Which tests run side by side."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

# No test depends on the machine's speed. A failure prints what repeats just that example.
settings.register_profile(
    "lifeboat", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("lifeboat")

pytest_plugins = [
    "tests.support.access",
    "tests.support.airflow",
    "tests.support.app",
    "tests.support.arm",
    "tests.support.azurite",
    "tests.support.browser",
    "tests.support.cluster",
    "tests.support.kubelet",
    "tests.support.registry",
    "tests.support.s3",
    "tests.support.worm_azurite",
]


AIRFLOW = (
    "tests/airflow/",
    "tests/chaos/",
    "tests/e2e/test_demo.py",
    "tests/web/test_in_airflow.py",
)
"""Where tests start an Airflow, or share the session's."""

_PARSED_ONLY = ("tests/airflow/test_dags.py", "tests/airflow/test_pitfalls.py")


class Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Which tests one worker takes, one after the other: those of one file, so that what a module
    sets up is set up once; and all that start an Airflow, since each of these keeps half a
    processor busy even when it has nothing to do."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(AIRFLOW) and not nodeid.startswith(_PARSED_ONLY):
            return "airflow"
        return nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """By files under `-n`. xdist's own groups by marks do nothing under pytest 9."""
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that have an Airflow to themselves come first: the session's stays to the end."""
    items.sort(key=_turn)
    for item in items:
        found = item.nodeid.startswith(AIRFLOW)
        assert found or _turn(item) == _NONE, f"{item.nodeid} starts an Airflow: see AIRFLOW"


_NONE = 2


def _turn(item: pytest.Item) -> int:
    if "airflow" in getattr(item, "fixturenames", ()):
        return 1
    return 0 if item.get_closest_marker("airflow") else _NONE
