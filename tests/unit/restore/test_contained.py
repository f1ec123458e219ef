"""What comes along outside namespaces acts on this test restore's own ones and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from lifeboat.ports.cluster import Json
from lifeboat.restore.contained import Fence, contain

FENCE = Fence("test-1", {"shop": "lifeboat-test-1-shop"})
OURS = {"lifeboat.dev/test-restore": "test-1"}


def body(kind: str, labels: dict[str, str] | None = None, **fields: Any) -> Json:
    return {"kind": kind, "metadata": {"name": "one", "labels": labels or {}}, **fields}


def hook(name: str, space: str = "lifeboat-test-1-shop", **fields: Any) -> Json:
    client = {"service": {"namespace": space, "name": "gate"}}
    rules = [{"resources": ["pods"], "scope": "*"}, {"resources": ["nodes"], "scope": "Cluster"}]
    return {"name": name, "clientConfig": client, "rules": rules, **fields}


@pytest.mark.parametrize("kind", ["MutatingWebhook", "ValidatingWebhook"])
def test_a_webhook_is_asked_about_scratch_namespaces_alone(kind: str) -> None:
    outside = hook("url.example.com", clientConfig={"url": "https://example.com"})
    elsewhere = hook("gone.example.com", "platform")
    nodes = hook("nodes.example.com", rules=[{"resources": ["nodes"], "scope": "Cluster"}])
    ours = hook("ours.example.com", namespaceSelector={"matchLabels": {"team": "a"}})
    made = body(f"{kind}Configuration", webhooks=[outside, elsewhere, nodes, ours])
    changes = contain(made, FENCE)
    (kept,) = made["webhooks"]
    assert kept["clientConfig"]["service"]["namespace"] == "lifeboat-test-1-shop"
    assert kept["rules"] == [{"resources": ["pods"], "scope": "Namespaced"}]
    assert kept["namespaceSelector"] == {"matchLabels": {"team": "a", **OURS}}
    assert made["metadata"]["labels"] == OURS
    told = "; ".join(changes)
    for reason in ("answers it is outside", "in platform, which is not", "outside namespaces"):
        assert reason in told


@pytest.mark.parametrize("rules", [None, [{"resources": ["pods"]}], [{"scope": "Cluster"}]])
def test_a_policy_is_bound_to_scratch_namespaces_alone(rules: Any) -> None:
    matched = {"resourceRules": rules} if rules else {}
    spec = {"policyName": "p", "paramRef": {"namespace": "shop"}, "matchResources": matched}
    made = body("ValidatingAdmissionPolicyBinding", spec=spec)
    contain(made, FENCE)
    found = made["spec"]["matchResources"]
    assert found["namespaceSelector"] == {"matchLabels": OURS}
    assert {rule["scope"] for rule in found["resourceRules"]} == {"Namespaced"}
    assert made["spec"]["paramRef"]["namespace"] == "lifeboat-test-1-shop"


def test_nobody_outside_gets_a_right() -> None:
    inside = {"kind": "ServiceAccount", "name": "web", "namespace": "lifeboat-test-1-shop"}
    group = {"kind": "Group", "name": "system:serviceaccounts:lifeboat-test-1-shop"}
    others = [
        {"kind": "ServiceAccount", "name": "web", "namespace": "platform"},
        {"kind": "Group", "name": "system:serviceaccounts:platform"},
        {"kind": "Group", "name": "ops"},
        {"kind": "User", "name": "ada"},
    ]
    made = body("ClusterRoleBinding", subjects=[*others, inside, group])
    changes = contain(made, FENCE)
    assert made["subjects"] == [inside, group]
    assert "not bound to User ada, who is not of this restore" in changes
    assert len(changes) == len(others)


def test_no_role_that_is_there_grows() -> None:
    label = "rbac.authorization.k8s.io/aggregate-to-edit"
    made = body("ClusterRole", {label: "true", "team": "a"})
    assert contain(made, FENCE) == ["not added to the role edit"]
    assert made["metadata"]["labels"] == {"team": "a", **OURS}


@pytest.mark.parametrize(
    ("kind", "mark"),
    [
        ("StorageClass", "storageclass.kubernetes.io/is-default-class"),
        ("IngressClass", "ingressclass.kubernetes.io/is-default-class"),
        ("VolumeSnapshotClass", "snapshot.storage.kubernetes.io/is-default-class"),
    ],
)
def test_no_class_is_the_default(kind: str, mark: str) -> None:
    made = body(kind)
    made["metadata"]["annotations"] = {mark: "true", "kept": "yes"}
    assert contain(made, FENCE) == ["is no default: others would get it, too"]
    assert made["metadata"]["annotations"] == {"kept": "yes"}


def test_no_priority_is_everybodys() -> None:
    made = body("PriorityClass", globalDefault=True, value=7)
    assert contain(made, FENCE) == ["is no default: others would get it, too"]
    assert "globalDefault" not in made
