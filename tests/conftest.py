"""Fixtures that every test may use; each lives in tests/support. Which tests run side by side."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Under `-n`, tests of one file stay on one worker, so that what a module sets up is set up
    once. So do all that start an Airflow: each keeps half a processor busy even when it has nothing
    to do. Those that have one to themselves come first, since the session's stays to the end."""
    items.sort(key=_turn)
    for item in items:
        airflow = _turn(item) < _WITHOUT_AIRFLOW
        group = "airflow" if airflow else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))


_WITHOUT_AIRFLOW = 2


def _turn(item: pytest.Item) -> int:
    if "airflow" in getattr(item, "fixturenames", ()):
        return 1
    return 0 if item.get_closest_marker("airflow") else _WITHOUT_AIRFLOW
