"""Upgrade rehearsals between real control planes: of two minor versions of Kubernetes, and of one
that does not serve everything."""

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
from local.build import OLDER, kubernetes_version
from local.cluster import LocalCluster, temporary_cluster
from tests.support.app import App, running_app

GONE = "autoscaling/v2"


@pytest.fixture(scope="module")
def next_version() -> Iterator[LocalCluster]:
    """As a later Kubernetes: an API version of today is not served any more."""
    with temporary_cluster(without=(GONE,)) as running:
        yield running


@pytest.fixture(scope="module")
def older() -> Iterator[LocalCluster]:
    """Kubernetes of the minor version before."""
    with temporary_cluster(older=True) as running:
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


def rehearsed(app: App, target: LocalCluster, folder: Path) -> dict[str, Any]:
    """What `lifeboat rehearse` says of the newest point in another cluster."""
    asked = ["rehearse", f"{app.name}.local", "--json", "--include", str(include_of(app, folder))]
    done = CliRunner().invoke(cli, [*asked, "--kubeconfig", str(target.kubeconfig)])
    assert done.exception is None or isinstance(done.exception, NotProven | SystemExit), done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def checks_of(told: dict[str, Any]) -> dict[str, str]:
    """The outcome of each check."""
    return {check["name"]: check["outcome"] for check in told["checks"]}


def version_of(running: LocalCluster) -> str:
    """The version that the API server says it is."""
    version: str = running.api.request("GET", "/version")["gitVersion"]
    return version


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
    told = rehearsed(app, next_version, tmp_path)
    version = version_of(next_version)
    assert told["api"] == [
        f"1 HorizontalPodAutoscaler.autoscaling in version v2: {version} does not serve this"
        " version; they are restored as v1",
        f"1 Widgets.rehearsal.example.com in version v1: {version} does not serve this kind",
    ]
    assert told["cluster"] == str(next_version.kubeconfig)
    assert checks_of(told)["workloadsReady"] == "passed", told
    assert told["outcome"] == "failed", "a lost object is no pass, whatever else is well"
    assert "Widgets.rehearsal.example.com" in told["error"]
    (complete,) = [one["detail"] for one in told["checks"] if one["name"] == "objectsComplete"]
    assert "/one is missing: the target serves no such kind" in complete
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


PROVEN = {"timeout": "90s", "checks": ["workloadsReady", "objectsComplete"]}


# The first run compiles the other version: minutes.
@pytest.mark.timeout(2400)
def test_a_point_of_the_minor_version_before_is_proven_in_this_one(
    older: LocalCluster, cluster: LocalCluster, tmp_path: Path
) -> None:
    assert version_of(older) == kubernetes_version(OLDER) != version_of(cluster)
    with running_app(older, tmp_path) as app:
        app.policy |= {"volumes": {"snapshot": False}, "testRestore": PROVEN}
        point = app.backup().point
        told = rehearsed(app, cluster, tmp_path)
        assert told["api"] == []
        assert checks_of(told) == {"workloadsReady": "passed", "objectsComplete": "passed"}
        (verdict,) = read_verdicts(app.context().vault, f"{app.name}.local", point)
        assert verdict.cluster == str(cluster.kubeconfig)


@pytest.mark.timeout(2400)
def test_what_only_this_version_serves_is_named_where_the_one_before_is_to_take_it(
    app: App, older: LocalCluster, tmp_path: Path
) -> None:
    mutation = 'Object{metadata: Object.metadata{labels: {"seen": "yes"}}}'
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": app.name},
        "spec": {
            "failurePolicy": "Ignore",
            "reinvocationPolicy": "Never",
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["rehearsal.example.com"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["nothings"],
                    }
                ]
            },
            "mutations": [
                {
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {"expression": mutation},
                }
            ],
        },
    }
    app.cluster.api.apply(policy)
    app.policy["select"] |= {
        "clusterScoped": "all",
        "kinds": {
            "include": [
                "configmaps", "deployments", "mutatingadmissionpolicies", "namespaces", "services"
            ]
        },
    }  # fmt: skip
    app.policy |= {"volumes": {"snapshot": False}, "testRestore": PROVEN}
    try:
        app.backup()
        told = rehearsed(app, older, tmp_path)
    finally:
        app.cluster.api.delete(
            "admissionregistration.k8s.io/v1", "MutatingAdmissionPolicy", "", app.name
        )
    assert told["api"] == [
        "1 MutatingAdmissionPolicy.admissionregistration.k8s.io in version v1:"
        f" {version_of(older)} does not serve this kind"
    ]
