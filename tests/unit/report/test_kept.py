"""What the cluster does by itself, told from what people do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from lifeboat.report.changes import ObjectChange, looked_into, unread

POD = ("", "v1", "Pod", "shop", "web-1")


def record(**metadata: Any) -> bytes:
    return msgspec.json.encode({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})


def of_itself(before: dict[str, Any], after: dict[str, Any]) -> ObjectChange:
    key = ("", "v1", "Service", "shop", "web")
    return looked_into(key, msgspec.json.encode(before), msgspec.json.encode(after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"status": {"phase": "Bound"}}),
        ({"apiVersion": "a.example.com/v1"}, {"apiVersion": "a.example.com/v2"}),
        ({"metadata": {"generation": 1}}, {"metadata": {"generation": 2}}),
        ({"metadata": {}}, {"metadata": {"managedFields": [{"manager": "kubectl"}]}}),
        (
            {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "1"}}},
            {"metadata": {"annotations": {"deployment.kubernetes.io/revision": "2"}}},
        ),
        (
            {},
            {"metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration": ""}}},
        ),
        ({}, {"metadata": {"annotations": {"lifeboat.dev/restore": "r1"}}}),
        (
            {"metadata": {"finalizers": ["kubernetes.io/pvc-protection"]}},
            {
                "metadata": {
                    "finalizers": [
                        "kubernetes.io/pvc-protection",
                        "snapshot.storage.kubernetes.io/pvc-as-source-protection",
                    ]
                }
            },
        ),
        ({"spec": {"nodeName": "one"}}, {"spec": {"nodeName": "two"}}),
        (
            {"spec": {"volumes": [{"name": "kube-api-access-aaaaa"}]}},
            {"spec": {"volumes": [{"name": "kube-api-access-bbbbb"}]}},
        ),
    ],
)
def test_what_the_cluster_sets(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert of_itself(before, after).of_itself
    changed = of_itself({**before, "data": {"a": "b"}}, after)
    assert not changed.of_itself
    assert [field.place for field in changed.fields] == ["data.a"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"metadata": {"annotations": {"team": "web"}}}),
        ({}, {"metadata": {"labels": {"deployment.kubernetes.io/revision": "2"}}}),
        ({}, {"metadata": {"finalizers": ["example.com/keep"]}}),
        (
            {"metadata": {"finalizers": ["example.com/keep", "kubernetes.io/pv-protection"]}},
            {"metadata": {"finalizers": []}},
        ),
        ({}, {"spec": {"status": "on"}}),
        (
            {},
            {
                "spec": {
                    "template": {
                        "metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": ""}}
                    }
                }
            },
        ),
        ({"spec": {"replicas": 2}}, {"spec": {"replicas": 3}}),
    ],
)
def test_what_people_set(before: dict[str, Any], after: dict[str, Any]) -> None:
    assert not of_itself(before, after).of_itself


def test_objects_that_a_controller_makes_go_with_their_owner() -> None:
    owned = record(name="web-1", ownerReferences=[{"kind": "ReplicaSet", "controller": True}])
    other = record(name="web-1", ownerReferences=[{"kind": "ReplicaSet"}])
    relabelled = owned.replace(b'"name":"web-1"', b'"name":"web-1","labels":{"a":"b"}')
    for before, after in ((owned, None), (None, owned), (owned, relabelled)):
        assert looked_into(POD, before, after).of_itself
    for before, after in ((other, None), (None, other), (record(name="web-1"), None)):
        assert not looked_into(POD, before, after).of_itself
    widget = ("example.com", "v1", "Widget", "shop", "web-1")
    assert not looked_into(widget, owned, None).of_itself


def test_what_each_namespace_gets_goes_with_it() -> None:
    for kind, name in (("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")):
        key = ("", "v1", kind, "shop", name)
        assert unread(key, None, object()).of_itself
        assert unread(key, object(), None).of_itself
        assert not unread(key, object(), object()).of_itself
        assert not unread((*key[:4], "other"), None, object()).of_itself
