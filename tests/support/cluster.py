"""Fixtures: the real local control plane, once for the whole run, and a namespace per test.

Everything that a test makes lives in its namespace, or carries the test's own unique name.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import pytest

from local.cluster import LocalCluster, temporary_cluster
from local.errors import ApiError


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    """A running cluster with its own root and kubeconfig, and an audit log of ServiceAccounts."""
    with temporary_cluster(audit=True) as running:
        yield running


@pytest.fixture
def namespace(cluster: LocalCluster) -> Iterator[str]:
    """A new namespace with a unique name, deleted (not waited for) after the test."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    cluster.api.apply(manifest)
    yield name
    with contextlib.suppress(ApiError):  # a fault test may have left no API server to ask
        cluster.api.delete("v1", "Namespace", "", name)
