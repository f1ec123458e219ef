"""Scratch namespaces: fenced as the policy says, harmless, and found again after a crash."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lifeboat.errors import NotProven
from lifeboat.ports.cluster import Json
from lifeboat.proof.run import clean_left, clean_up, scratch_plan
from lifeboat.restore.harmless import make_harmless
from lifeboat.restore.leave import Meta, Seen, why_left
from lifeboat.restore.run import bring_volumes, prepare
from lifeboat.steps.left_tests import left_tests
from lifeboat.steps.reconcile import reconcile, remove_orphans
from tests.support.kinds import CONTENT, DEPLOYMENT, NAMESPACE, NETWORK_POLICY, kind
from tests.support.manifests import manifest
from tests.support.proof_world import LIMITS, QUOTA, ProofWorld

FENCED = """
testRestore:
  timeout: 5s
  checks: [objectsComplete]
  quota: {pods: "5", services.loadbalancers: "9"}
  limits: {cpu: 100m}
  allow: [{to: dns}, {egress: 10.0.0.7/32, ports: [5432]}, {ingress: monitoring}]
"""


def scratch(world: ProofWorld, test: str = "test-1") -> str:
    """The scratch namespace of a plan, of which nothing else was done."""
    plan = scratch_plan(world.context(), world.back_up().point, test)
    return plan.request.mapping["shop"]


def test_fences_stand_before_anything_runs() -> None:
    world = ProofWorld(FENCED)
    space = scratch(world)
    policies = world.cluster.objects(NETWORK_POLICY, space)
    deny = policies["lifeboat-deny-all"]["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    allowed = policies["lifeboat-allowed"]["spec"]
    dns, out = allowed["egress"]
    assert dns["to"][0] == {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}
    }
    assert out == {
        "to": [{"ipBlock": {"cidr": "10.0.0.7/32"}}],
        "ports": [{"protocol": "TCP", "port": 5432}],
    }
    (into,) = allowed["ingress"]
    assert into["from"][0]["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "monitoring"
    }
    (quota,) = world.cluster.objects(QUOTA, space).values()
    assert quota["spec"]["hard"] == {
        "pods": "5", "services.loadbalancers": "0", "services.nodeports": "0",
    }  # fmt: skip
    (limits,) = world.cluster.objects(LIMITS, space).values()
    assert limits["spec"]["limits"][0]["default"] == {"cpu": "100m"}


def test_by_default_pods_reach_names_and_each_other_and_nothing_else() -> None:
    world = ProofWorld()
    spec = world.cluster.objects(NETWORK_POLICY, scratch(world))["lifeboat-allowed"]["spec"]
    _, ours = spec["egress"]
    selector = {"matchLabels": {"lifeboat.dev/test-restore": "test-1"}}
    assert ours == {"to": [{"namespaceSelector": selector}]}
    assert spec["ingress"] == [{"from": [{"namespaceSelector": selector}]}]


def test_without_exceptions_everything_is_denied() -> None:
    world = ProofWorld("testRestore: {checks: [objectsComplete], allow: []}\n")
    assert list(world.cluster.objects(NETWORK_POLICY, scratch(world))) == ["lifeboat-deny-all"]


@pytest.mark.parametrize(
    ("body", "spec", "told"),
    [
        (
            {"kind": "Service", "spec": {"type": "ExternalName", "externalName": "db.example.com"}},
            {"type": "ClusterIP", "clusterIP": "None"},
            "db.example.com",
        ),
        (
            {"kind": "Service", "spec": {"externalIPs": ["1.2.3.4"], "loadBalancerIP": "5.6.7.8"}},
            {},
            "externalIPs",
        ),
        (
            {"kind": "Deployment", "spec": {"replicas": 3, "template": {"spec": {}}}},
            {"replicas": 1, "template": {"spec": {"nodeSelector": {"pool": "drills"}}}},
            "3 replicas became 1",
        ),
        (
            {"kind": "StatefulSet", "spec": {"replicas": 1, "template": {"spec": {}}}},
            {"replicas": 1, "template": {"spec": {"nodeSelector": {"pool": "drills"}}}},
            "pinned",
        ),
        (
            {"kind": "Pod", "spec": {"nodeSelector": {"disk": "ssd"}}},
            {"nodeSelector": {"disk": "ssd", "pool": "drills"}},
            "pinned to nodes with pool=drills",
        ),
        (
            {"kind": "HorizontalPodAutoscaler", "spec": {"minReplicas": 2, "maxReplicas": 9}},
            {"minReplicas": 1, "maxReplicas": 1},
            "at most 9 replicas became 1",
        ),
        (
            {"kind": "Pod", "spec": {"hostNetwork": True, "hostPID": True, "hostIPC": True}},
            {"nodeSelector": {"pool": "drills"}},
            "hostNetwork off: no network policy holds for a pod in its node's network; hostPID off",
        ),
        (
            {"kind": "Rollout", "spec": {"template": {"spec": {"hostNetwork": True, "containers": [
                {"name": "m", "ports": [{"containerPort": 8080, "hostPort": 80, "hostIP": "::"}]},
            ], "initContainers": [
                {"name": "i", "ports": [{"containerPort": 1, "hostPort": 1}]},
            ]}}}},
            {"template": {"spec": {"nodeSelector": {"pool": "drills"}, "containers": [
                {"name": "m", "ports": [{"containerPort": 8080}]},
            ], "initContainers": [{"name": "i", "ports": [{"containerPort": 1}]}]}}},
            "host ports 80, 1 dropped: nothing outside may reach it",
        ),
        ({"kind": "Odd", "spec": "a word"}, "a word", ""),
        ({"kind": "Odd", "spec": {"template": "a word"}}, {"template": "a word"}, ""),
        ({"kind": "ConfigMap", "data": {}}, None, ""),
    ],
)  # fmt: skip
def test_objects_are_made_small_and_harmless(
    body: Json, spec: Json | str | None, told: str
) -> None:
    changes = make_harmless(body, 1, {"pool": "drills"})
    assert body.get("spec") == spec
    assert told in "; ".join(changes)
    assert bool(told) == bool(changes)


@pytest.mark.parametrize(
    ("group", "plural", "name"),
    [
        ("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute"),
        ("networking.k8s.io/v1", "ingresses", "Ingress"),
        ("cert-manager.io/v1", "certificates", "Certificate"),
        ("argoproj.io/v1alpha1", "applications", "Application"),
    ],
)
def test_what_acts_outside_is_left_out_of_scratch_only(group: str, plural: str, name: str) -> None:
    seen, one = Seen(Meta("web", "shop")), kind(group, plural, name)
    assert "a test restore must not" in why_left(one, seen, (), scratch=True)
    assert why_left(one, seen, (), scratch=False) == ""


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("cilium.io/v2", "CiliumNetworkPolicy"),
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy"),
        ("crd.projectcalico.org/v1", "NetworkPolicy"),
        ("projectcalico.org/v3", "GlobalNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
        ("crd.antrea.io/v1beta1", "NetworkPolicy"),
        ("networking.gke.io/v1alpha1", "FQDNNetworkPolicy"),
    ],
)
def test_no_other_policy_opens_what_the_fence_closes(group: str, name: str) -> None:
    seen, one = Seen(Meta("open", "shop")), kind(group, f"{name.lower()}s", name)
    assert "adds up" in why_left(one, seen, (), scratch=True)
    assert why_left(one, seen, (), scratch=False) == ""


@pytest.mark.parametrize(
    ("group", "plural", "name"),
    [
        ("argoproj.io/v1alpha1", "rollouts", "Rollout"),
        ("networking.istio.io/v1", "destinationrules", "DestinationRule"),
    ],
)
def test_what_the_application_is_made_of_is_restored(group: str, plural: str, name: str) -> None:
    assert why_left(kind(group, plural, name), Seen(Meta("web", "shop")), (), scratch=True) == ""


def test_workloads_are_scaled_and_still_complete() -> None:
    world = ProofWorld(
        "testRestore: {timeout: 5s, checks: [objectsComplete], scale: 1, nodeSelector: {a: b}}\n"
    )
    spec: dict[str, Any] = {"replicas": 4, "template": {"spec": {"containers": []}}}
    world.cluster.create(DEPLOYMENT, "shop", manifest(DEPLOYMENT, "web", spec=spec))
    counts = dict.fromkeys(("updatedReplicas", "availableReplicas", "readyReplicas"), 1)
    status = {**counts, "observedGeneration": 9}
    world.cluster.reactions["Deployment.apps"] = lambda body: body.update(status=status)
    made: list[Json] = []
    create = world.cluster.create

    def watched(kind: Any, namespace: Any, body: Json, **more: Any) -> Json:
        if body["kind"] == "Deployment":
            made.append(body)
        return create(kind, namespace, body, **more)

    world.cluster.create = watched  # type: ignore[method-assign]
    verdict = world.prove(world.back_up().point)
    assert verdict.outcome == "passed"
    (body,) = made
    assert body["spec"]["replicas"] == 1
    assert body["spec"]["template"]["spec"]["nodeSelector"] == {"a": "b"}


def test_what_a_killed_test_restore_left_is_found_after_a_day_and_removed() -> None:
    world = ProofWorld()
    context = world.context()
    plan = scratch_plan(context, world.back_up().point, "test-1")
    prepare(context, plan, lambda _: None)
    before = set(world.cluster.objects(CONTENT))
    bring_volumes(context, plan, lambda _: None)
    assert set(world.cluster.objects(CONTENT)) > before, "helpers of the restored volume"
    space = plan.request.mapping["shop"]

    def orphans() -> list[str]:
        return [one.what for one in reconcile(world.context()).orphans if one.test]

    what = f"test restore test-1 in {space}"
    assert orphans() == [what]
    clean = lambda test: clean_up(world.context(), test)  # noqa: E731
    assert remove_orphans(world.context(), reconcile(world.context()), clean) == []
    world.tick(hours=25)
    assert left_tests(world.cluster, "shop.local"), "a record alone removes nothing"
    assert remove_orphans(world.context(), reconcile(world.context()), clean) == [what]
    assert orphans() == []
    assert set(world.cluster.objects(CONTENT)) == before
    assert space not in world.cluster.objects(NAMESPACE)


def test_in_another_cluster_it_is_removed_a_day_later_without_a_record() -> None:
    world = ProofWorld()
    space = scratch(world)
    assert clean_left(world.context()) == []
    world.tick(hours=25)
    assert clean_left(world.context()) == [space]
    assert left_tests(world.cluster, "shop.local") == []


def test_a_test_restore_of_another_instance_is_nobody_elses_orphan() -> None:
    world = ProofWorld()
    scratch(world)
    assert left_tests(world.cluster, "other.local") == []
    assert not remove_orphans(world.context(), reconcile(world.context(), timedelta(0)))


def test_after_a_verdict_nothing_is_left_whatever_it_says() -> None:
    world = ProofWorld("testRestore: {timeout: 5s, checks: [volumeBytesEqual]}\n")
    point = world.back_up().point
    before = (set(world.cluster.objects(NAMESPACE)), set(world.cluster.objects(CONTENT)))
    with pytest.raises(NotProven):
        world.prove(point)
    after = (set(world.cluster.objects(NAMESPACE)), set(world.cluster.objects(CONTENT)))
    assert after == before
