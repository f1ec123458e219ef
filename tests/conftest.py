"""Fixtures that every test may use; each lives in tests/support."""

from __future__ import annotations

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
