"""deploy/helm/values.yaml: what the chart takes, pinned, no secret written out, nothing as root,
identities where needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.support.airflow_chart import PATHS, schema

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "deploy/helm/values.yaml").read_text()
PAGE = (ROOT / "docs/upgrading.md").read_text()
IDENTITY = "azure.workload.identity"


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(TEXT)
    return found


def test_the_chart_takes_every_value(values: dict[str, Any]) -> None:
    errors = Draft202012Validator(schema()).iter_errors(values)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


def test_every_path_that_is_written_down_is_used(values: dict[str, Any]) -> None:
    for path in PATHS:
        found: Any = values
        for part in path.split("."):
            assert part in found, path
            found = found[part]


def test_everything_runs_the_airflow_that_is_pinned(values: dict[str, Any]) -> None:
    pinned = re.search(
        r"^apache-airflow==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
    assert pinned is not None
    assert values["airflowVersion"] == values["defaultAirflowTag"] == pinned[1]
    images = values["images"]
    assert images["airflow"]["tag"] == pinned[1]
    assert images["pod_template"] == images["airflow"], "or tasks would run without the code"


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


def test_who_talks_to_clusters_vaults_and_azure_has_an_identity(values: dict[str, Any]) -> None:
    """Pods of tasks, triggers, and the API server for the Recovery page: each by an account of its
    own that Azure knows, and that the page names. Who has none has no label either: the webhook
    would put a token into a pod that no identity is for."""
    sections = ("workers", "triggerer", "apiServer")
    accounts = [
        values["workers"]["kubernetes"]["serviceAccount"],
        *(values[name]["serviceAccount"] for name in sections[1:]),
    ]
    for section, account in zip(sections, accounts, strict=True):
        assert values[section]["labels"] == {f"{IDENTITY}/use": "true"}, section
        assert account["annotations"].keys() == {f"{IDENTITY}/client-id"}
        assert account["create"]
        assert f"`{account['name']}`" in PAGE
    assert len({account["name"] for account in accounts}) == len(sections)
    assert TEXT.count(f"{IDENTITY}/use") == TEXT.count(f"{IDENTITY}/client-id") == len(sections)


def test_the_executor_may_launch_pods_and_their_logs_stay(values: dict[str, Any]) -> None:
    assert values["executor"] == "KubernetesExecutor"
    assert values["rbac"] == {"create": True}
    assert values["allowPodLaunching"]
    assert not values["redis"]["enabled"], "which is Celery's"
    assert values["logs"]["persistence"]["enabled"]
    assert values["workers"]["kubernetes"]["resources"]["limits"].keys() == {"memory"}


def test_every_secret_that_is_named_is_on_the_page_with_its_keys(values: dict[str, Any]) -> None:
    (source,) = yaml.safe_load(values["extraEnvFrom"])
    wanted = {
        values["fernetKeySecretName"]: "fernet-key",
        values["apiSecretKeySecretName"]: "api-secret-key",
        values["jwtSecretName"]: "jwt-secret",
        values["data"]["metadataSecretName"]: "connection",
        source["secretRef"]["name"]: "LIFEBOAT_VAULT_KEY",
    }
    told = dict(re.findall(r"^\| `([a-z-]+)` \| `([\w-]+)`", PAGE, re.MULTILINE))
    assert told == wanted


def test_what_the_files_refer_to_is_in_the_environment(values: dict[str, Any]) -> None:
    """`env:NAME` of the vaults that clusters.yaml comes with; the clusters are the user's own."""
    vaults = yaml.safe_load((ROOT / "include/clusters.yaml").read_text())["vaults"]
    asked = set(re.findall(r"env:(\w+)", yaml.safe_dump(vaults)))
    assert asked == {"LIFEBOAT_VAULT_URL", "LIFEBOAT_VAULT_KEY"}
    plain = {entry["name"] for entry in values["env"]}
    assert asked - plain == {"LIFEBOAT_VAULT_KEY"}, "which is a secret"


def test_statsd_has_the_mapping_that_is_shipped(values: dict[str, Any]) -> None:
    shipped = yaml.safe_load((ROOT / "deploy/prometheus/statsd-mapping.yaml").read_text())
    assert values["statsd"]["extraMappings"] == shipped["mappings"]
