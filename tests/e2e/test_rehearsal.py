"""An upgrade rehearsal between two real control planes, of which one does not serve everything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from lifeboat.cli import app as cli
from lifeboat.errors import NotProven
from lifeboat.point.facts import read_verdicts
from lifeboat.proof.rehearsal import missing_api
from lifeboat.wiring import NoConnections, open_context
from local.api import wait_until
from local.cluster import LocalCluster, temporary_cluster
from tests.support.app import App

GONE = "autoscaling/v2"


@pytest.fixture(scope="module")
def next_version() -> Iterator[LocalCluster]:
    """As a later Kubernetes: an API version of today is not served any more."""
    with temporary_cluster(without=(GONE,)) as running:
        yield running


def definition(plural: str) -> dict[str, Any]:
    """A CustomResourceDefinition that only one of the clusters has."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": plural, "singular": plural, "kind": plural.title()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.rehearsal.example.com"},
        "spec": {
            "group": "rehearsal.example.com",
            "scope": "Namespaced",
            "names": names,
            "versions": [version],
        },
    }


def include_of(app: App, tmp_path: Path) -> Path:
    """The files that the CLI reads, for the same vault."""
    folder = tmp_path / "include"
    (folder / "policies").mkdir(parents=True)
    vault = app.instance().vault
    clusters = {
        "clusters": [{"name": "local", "kubeconfig": str(app.cluster.kubeconfig)}],
        "vaults": [{"name": "main", "url": vault.url, "key": vault.key}],
    }
    (folder / "clusters.yaml").write_text(yaml.safe_dump(clusters))
    (folder / "policies" / f"{app.name}.yaml").write_text(yaml.safe_dump(app.policy))
    return folder


def test_a_rehearsal_names_lost_apis_restores_the_rest_and_leaves_nothing(
    app: App, next_version: LocalCluster, tmp_path: Path
) -> None:
    api = app.cluster.api
    api.apply(definition("widgets"))
    kind = "rehearsal.example.com/v1"
    wait_until("widgets are served", lambda: api.list(kind, "Widgets", app.name) == [], 30)
    metadata = {"name": "one", "namespace": app.name}
    api.apply({"apiVersion": kind, "kind": "Widgets", "metadata": metadata, "spec": {"a": 1}})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {
        "apiVersion": GONE,
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata,
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3},
    }
    api.apply(scaler)
    app.policy |= {
        "volumes": {"snapshot": False},
        "testRestore": {"timeout": "90s", "checks": ["workloadsReady", "objectsComplete"]},
    }
    point = app.backup().point
    asked = ["rehearse", f"{app.name}.local", "--json", "--include", str(include_of(app, tmp_path))]
    done = CliRunner().invoke(cli, [*asked, "--kubeconfig", str(next_version.kubeconfig)])
    assert done.exception is None or isinstance(done.exception, NotProven | SystemExit), done.output
    told = json.loads(done.stdout)
    version = next_version.api.request("GET", "/version")["gitVersion"]
    assert told["api"] == [
        f"1 HorizontalPodAutoscaler.autoscaling in version v2: {version} does not serve this"
        " version; they are restored as v1",
        f"1 Widgets.rehearsal.example.com in version v1: {version} does not serve this kind",
    ]
    assert told["cluster"] == str(next_version.kubeconfig)
    checks = {check["name"]: check["outcome"] for check in told["checks"]}
    assert checks["workloadsReady"] == "passed", told
    (verdict,) = read_verdicts(app.context().vault, f"{app.name}.local", point)
    assert list(verdict.api) == told["api"]
    spaces = [s["metadata"]["name"] for s in next_version.api.list("v1", "Namespace")]
    assert not [name for name in spaces if app.name in name]
    assert api.get(GONE, "HorizontalPodAutoscaler", app.name, "one"), "the live one is as it was"
    api.delete(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "widgets.rehearsal.example.com"
    )


def test_its_own_cluster_serves_everything(app: App) -> None:
    point = app.backup().point
    assert missing_api(open_context(app.instance(), NoConnections()), point) == ()
