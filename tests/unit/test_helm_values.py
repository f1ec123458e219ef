"""deploy/helm/values.yaml: pinned, no secret written out, nothing as root, identities where needed.

The chart itself is not in any package index that the tests use: that it takes every key is checked
against the list of its sections below, which was written by hand from its documentation.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "deploy/helm/values.yaml").read_text()
SECTIONS = {
    "executor", "airflowVersion", "defaultAirflowTag", "images", "fernetKeySecretName",
    "apiSecretKeySecretName", "jwtSecretName", "postgresql", "redis", "data", "securityContexts",
    "env", "extraEnvFrom", "workers", "triggerer", "scheduler", "apiServer", "dagProcessor", "rbac",
    "allowPodLaunching", "statsd", "createUserJob", "migrateDatabaseJob",
}  # fmt: skip


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEXT)
    return found


def test_there_are_only_sections_that_the_chart_has(values: dict[str, Any]) -> None:
    assert values.keys() <= SECTIONS


def test_everything_runs_the_airflow_that_is_pinned(values: dict[str, Any]) -> None:
    pinned = re.search(
        r"^apache-airflow==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
    assert pinned is not None
    assert values["airflowVersion"] == values["defaultAirflowTag"] == pinned[1]
    assert values["images"]["airflow"]["tag"] == pinned[1]


def test_secrets_are_named_and_never_written(values: dict[str, Any]) -> None:
    for name in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName"):
        assert values[name]
    assert values["data"] == {"metadataSecretName": "airflow-metadata"}
    names = [entry["name"] for entry in values["env"]]
    assert not [name for name in names if re.search(r"(KEY|SECRET|PASSWORD)$", name)]


def test_nothing_runs_as_root(values: dict[str, Any]) -> None:
    contexts = values["securityContexts"]
    assert contexts["pod"]["runAsNonRoot"]
    assert contexts["pod"]["runAsUser"] != 0
    assert not contexts["containers"]["allowPrivilegeEscalation"]


def test_who_talks_to_clusters_and_azure_has_an_identity(values: dict[str, Any]) -> None:
    for section, account in (
        (values["workers"], values["workers"]["kubernetes"]["serviceAccount"]),
        (values["triggerer"], values["triggerer"]["serviceAccount"]),
    ):
        assert section["labels"] == {"azure.workload.identity/use": "true"}
        assert "azure.workload.identity/client-id" in account["annotations"]


def test_statsd_has_the_mapping_that_is_shipped(values: dict[str, Any]) -> None:
    shipped = yaml.safe_load((ROOT / "deploy/prometheus/statsd-mapping.yaml").read_text())
    assert values["statsd"]["extraMappings"] == shipped["mappings"]
