"""What may stand in a restore's way, theme by theme."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from lifeboat.errors import Forbidden
from lifeboat.ports.cluster import Json, Kind
from lifeboat.restore.model import Action, PlanItem
from lifeboat.restore.warnings.admission import admission_warnings
from lifeboat.restore.warnings.look import look
from lifeboat.restore.warnings.places import class_warnings, ending_warnings, zone_warnings
from lifeboat.restore.warnings.quota import quota_warnings
from lifeboat.restore.warnings.rights import rights_warnings
from lifeboat.restore.warnings.served import nearest, served_warnings
from lifeboat.restore.warnings.tally import Tally
from lifeboat.restore.warnings.usage import amount, usage
from lifeboat.vault.records import Place
from tests.support.fake_cluster import FakeCluster
from tests.support.kinds import (
    CLAIM,
    CLUSTER_ROLE,
    CONFIG_MAP,
    CRON_JOB,
    DEPLOYMENT,
    ENDPOINT_SLICE,
    NAMESPACE,
    NODE,
    POD,
    RESOURCE_QUOTA,
    SECRET,
    SERVICE,
    STORAGE_CLASS,
    VALIDATING_WEBHOOKS,
    VOLUME,
)
from tests.support.manifests import claim, manifest

ZONE = "topology.kubernetes.io/zone"


def pods(cpu: str = "250m", memory: str = "64Mi", **more: Any) -> Json:
    resources = {"requests": {"cpu": cpu}, "limits": {"cpu": cpu, "memory": memory}}
    return {"containers": [{"name": "m", "resources": resources}], **more}


def deployment(replicas: int = 3, **more: Any) -> Json:
    return {"replicas": replicas, "template": {"spec": pods(**more)}}


def item(kind: Kind, name: str, action: Action = "create", namespace: str = "shop") -> PlanItem:
    return PlanItem(
        wave=0,
        kind=kind,
        source_namespace=namespace,
        namespace=namespace if kind.namespaced else "",
        name=name,
        record="",
        place=Place("", 0, 0, 0, 0),
        action=action,
    )


def test_a_workload_takes_what_its_pods_will() -> None:
    found = usage(DEPLOYMENT, deployment(3))
    assert found["pods"] == 3
    assert found["requests.cpu"] == found["cpu"] == found["limits.cpu"] == 750
    assert found["requests.memory"] == 3 * 64 * 2**20, "without a request, the limit counts"
    assert found["count/deployments.apps"] == 1


def test_claims_and_services_take_their_own() -> None:
    found = usage(CLAIM, claim("data", "10Gi", storageClassName="fast")["spec"])
    assert found["requests.storage"] == 10 * 2**30
    assert found["fast.storageclass.storage.k8s.io/requests.storage"] == 10 * 2**30
    assert found["persistentvolumeclaims"] == 1
    found = usage(SERVICE, {"type": "LoadBalancer", "ports": [{"port": 80}, {"port": 81}]})
    assert (found["services"], found["services.loadbalancers"]) == (1, 1)
    assert found["services.nodeports"] == 2


@pytest.mark.parametrize(
    ("resource", "text", "wanted"),
    [
        ("cpu", "250m", 250), ("limits.cpu", "2", 2000), ("cpu", "0.5", 500),
        ("memory", "1Gi", 2**30), ("pods", "10", 10), ("memory", "1500m", 2), ("cpu", "1k", 10**6),
    ],
)  # fmt: skip
def test_amounts_are_in_one_unit(resource: str, text: str, wanted: int) -> None:
    assert amount(resource, text) == wanted


def test_a_quota_that_would_be_exceeded_is_named_with_its_figures() -> None:
    quota = manifest(
        RESOURCE_QUOTA, "small", spec={"hard": {"pods": "4", "cpu": "1", "secrets": "9"}}
    )
    quota["status"] = {"used": {"pods": "2", "cpu": "100m"}}
    told = list(quota_warnings("shop", [quota], usage(DEPLOYMENT, deployment(3))))
    assert told == ["quota shop/small: pods would be 5 of 4 (2 used, 3 restored)"]
    quota["spec"]["hard"]["cpu"] = "800m"
    told = list(quota_warnings("shop", [quota], usage(DEPLOYMENT, deployment(3))))
    assert told[0] == "quota shop/small: cpu would be 0.85 of 800m (100m used, 0.75 restored)"
    quota["spec"]["scopes"] = ["BestEffort"]
    assert list(quota_warnings("shop", [quota], usage(DEPLOYMENT, deployment(3)))) == []


@pytest.mark.parametrize(
    ("captured", "served", "wanted"),
    [
        ("v1", ("v1", "v1beta1"), "v1"),
        ("v1beta1", ("v2", "v1"), "v1"),
        ("v2", ("v1", "v1beta1"), "v1"),
        ("v1", ("v1beta1", "v1beta2", "v1alpha1"), "v1beta2"),
        ("v1alpha1", ("v1beta1", "v1beta2"), "v1beta1"),
    ],
)
def test_the_nearest_version_is_taken(captured: str, served: tuple[str, ...], wanted: str) -> None:
    assert nearest(captured, served) == wanted


def test_a_downgrade_is_named() -> None:
    assert list(served_warnings({("Car.example", "v2", "v1"): 2})) == [
        "Car.example: the target does not serve v2; 2 objects are restored down to v1, which may"
        " not know all of their fields",
    ]


def hooks(**more: Any) -> Json:
    rule = {
        "operations": ["CREATE"],
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["configmaps"],
    }
    service = {"namespace": "guard", "name": "judge"}
    hook = {"name": "judge.example", "clientConfig": {"service": service}, "rules": [rule], **more}
    return manifest(VALIDATING_WEBHOOKS, "guard", webhooks=[hook])


NEEDS = Counter({(CONFIG_MAP, "shop", "create"): 4, (SECRET, "shop", "create"): 2})


def test_a_webhook_that_nobody_answers_for_is_named() -> None:
    (told,) = admission_warnings([hooks()], NEEDS, lambda *_: False)
    assert told == (
        "webhook judge.example (guard) must allow 4 requests and fails closed, but service"
        " guard/judge has no ready endpoint"
    )
    (told,) = admission_warnings([hooks()], NEEDS, lambda *_: False, [("guard", "judge")])
    assert told.endswith("; the restore brings it, but later")


@pytest.mark.parametrize(
    ("more", "answers"),
    [
        ({"failurePolicy": "Ignore"}, False),
        ({}, True),
        ({"rules": [{"operations": ["DELETE"], "apiGroups": ["*"], "resources": ["*"]}]}, False),
        ({"namespaceSelector": {"matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]},
        ]}}, False),
        ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "else"}}}, False),
    ],
)  # fmt: skip
def test_a_webhook_that_is_not_in_the_way_is_not(more: Json, answers: bool) -> None:
    assert list(admission_warnings([hooks(**more)], NEEDS, lambda *_: answers)) == []


def test_places_that_are_not_there() -> None:
    assert list(class_warnings({"fast": 2, "slow": 1}, {"slow"})) == [
        "StorageClass fast, which 2 claims name, is missing (there is: slow)"
    ]
    wanted = {("workloads", ("z1",)): 2, ("workloads", ("z2",)): 1, ("volumes", ("z1", "z3")): 1}
    assert list(zone_warnings(wanted, ["z2"])) == [
        "1 volumes insist on zone z1 or z3, where no node is (nodes: z2)",
        "2 workloads insist on zone z1, where no node is (nodes: z2)",
    ]
    assert list(zone_warnings({("workloads", ("z1", "z2")): 1}, ["z2"])) == [], "one is enough"
    ending = manifest(NAMESPACE, "shop")
    ending["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert len(list(ending_warnings([ending, manifest(NAMESPACE, "b")], {"shop", "b"}))) == 1
    assert list(ending_warnings([ending], {"b"})) == []


def in_zones(*terms: tuple[str, ...]) -> Json:
    """What requires a node that fits any of the terms."""
    return {
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": ZONE, "operator": "In", "values": list(values)}]}
            for values in terms
        ]
    }


def test_zones_are_read_from_whatever_insists_on_one() -> None:
    tally = Tally()
    selected = {"spec": {"template": {"spec": pods(nodeSelector={ZONE: "z1"})}}}
    tally.add(item(DEPLOYMENT, "a"), selected)
    required = {"requiredDuringSchedulingIgnoredDuringExecution": in_zones(("z2", "z3"))}
    template = {"template": {"spec": pods(affinity={"nodeAffinity": required})}}
    tally.add(item(CRON_JOB, "b"), {"spec": {"jobTemplate": {"spec": template}}})
    tally.add(item(POD, "c", "skip"), {"spec": pods(nodeSelector={ZONE: "z9"})})
    by_hand = {"nodeAffinity": {"required": in_zones(("z4",), ("z5",))}}
    tally.add(item(VOLUME, "d"), {"spec": by_hand})
    topology = {"matchLabelExpressions": [{"key": "topology.example.com/zone", "values": ["z6"]}]}
    tally.add(item(STORAGE_CLASS, "e"), {"allowedTopologies": [topology]})
    free = {"required": {"nodeSelectorTerms": [*in_zones(("z9",))["nodeSelectorTerms"], {}]}}
    tally.add(item(VOLUME, "f"), {"spec": {"nodeAffinity": free}})
    assert tally.zones == {
        ("workloads", ("z1",)): 1,
        ("workloads", ("z2", "z3")): 1,
        ("volumes", ("z4", "z5")): 1,
        ("StorageClasses", ("z6",)): 1,
    }


def test_rights_are_asked_for_once_a_namespace_and_named_by_kind() -> None:
    rules = {"shop": [{"verbs": ["create"], "apiGroups": [""], "resources": ["configmaps"]}]}
    asked: list[str] = []

    def review(namespace: str) -> list[Json] | None:
        asked.append(namespace)
        return rules.get(namespace)

    needs = Counter({**NEEDS, (CONFIG_MAP, "far", "create"): 1, (CLUSTER_ROLE, "", "create"): 1})
    single: list[tuple[str, str, str]] = []

    def ask(kind: Kind, namespace: str, verb: str) -> bool:
        single.append((kind.resource, namespace, verb))
        return kind is CONFIG_MAP

    told = list(rights_warnings(needs, review, ask))
    assert told == [
        "this credential may not create clusterroles.rbac.authorization.k8s.io:"
        " 1 objects will fail",
        "this credential may not create secrets in shop: 2 objects will fail",
    ]
    assert sorted(asked) == ["far", "shop"]
    assert sorted(place for _, place, _ in single) == ["", "far"]


def test_a_look_at_a_cluster_finds_all_of_it() -> None:
    cluster = FakeCluster(rules=[{"verbs": ["*"], "apiGroups": ["", "apps"], "resources": ["*"]}])
    cluster.create(NAMESPACE, None, manifest(NAMESPACE, "shop"))
    quota = manifest(RESOURCE_QUOTA, "q", spec={"hard": {"pods": "1"}})
    quota["metadata"]["namespace"] = "shop"
    cluster.put(RESOURCE_QUOTA, quota)
    node = manifest(NODE, "n")
    node["metadata"]["labels"] = {ZONE: "z1"}
    cluster.create(NODE, None, node)
    cluster.create(VALIDATING_WEBHOOKS, None, hooks())
    cluster.create(STORAGE_CLASS, None, manifest(STORAGE_CLASS, "fast", provisioner="x"))
    cluster.create(NAMESPACE, None, manifest(NAMESPACE, "guard"))
    tally = Tally()
    tally.add(item(DEPLOYMENT, "web"), {"spec": deployment(2, nodeSelector={ZONE: "z9"})})
    tally.add(item(CONFIG_MAP, "settings"), None)
    tally.add(item(CLUSTER_ROLE, "boss"), None)
    tally.add(item(CLAIM, "data"), {"spec": {"storageClassName": "gone"}})
    tally.add(item(CLAIM, "more"), {"spec": {"storageClassName": "fast"}})
    told = "\n".join(look(cluster, tally))
    for words in (
        "quota shop/q: pods",
        "zone z9",
        "StorageClass gone",
        "webhook judge",
        "clusterr",
    ):
        assert words in told
    assert told.count("\n") == 4
    ready = manifest(ENDPOINT_SLICE, "judge-1", endpoints=[{"conditions": {"ready": True}}])
    ready["metadata"]["labels"] = {"kubernetes.io/service-name": "judge"}
    cluster.create(ENDPOINT_SLICE, "guard", ready)
    assert "webhook" not in "\n".join(look(cluster, tally))


def test_what_may_not_be_looked_at_is_told_in_one_line() -> None:
    cluster = FakeCluster()
    tally = Tally()
    tally.add(item(CONFIG_MAP, "settings"), None)
    cluster.fail_next("list_pages", Forbidden("no"), times=9)
    assert look(cluster, tally) == (
        "not checked, since this credential may not look at"
        " mutatingwebhookconfigurations.admissionregistration.k8s.io, namespaces, resourcequotas,"
        " validatingwebhookconfigurations.admissionregistration.k8s.io",
    )


def test_a_plan_that_does_nothing_asks_nothing() -> None:
    cluster = FakeCluster()
    tally = Tally()
    tally.add(item(CONFIG_MAP, "settings", "skip"), None)
    tally.add_version(replace(CONFIG_MAP, version="v1"), "v2")
    assert len(look(cluster, tally)) == 1
    assert cluster.calls == []
