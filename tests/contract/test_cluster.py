"""The promises of lifeboat/ports/cluster.py, kept by the adapter and by the tests' own fake.

Each test runs on a real API server and in memory. What only a real one can show is in
test_cluster_real.py, what only a script can provoke in tests/unit/adapters/test_cluster_errors.py.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.kubeconfig import from_kubeconfig
from lifeboat.errors import AlreadyExists, Conflict, Invalid, NotFound
from lifeboat.ports.cluster import Cluster, Json, Kind
from local.cluster import LocalCluster
from tests.support.fake_cluster import FakeCluster
from tests.support.kinds import (
    ACCESS_REVIEW,
    CLUSTER_ROLE,
    CONFIG_MAP,
    CRD,
    DEPLOYMENT,
    NAMESPACE,
    RULES_REVIEW,
)
from tests.support.manifests import crd, manifest
from tests.support.poll import until


@pytest.fixture(params=["real", "fake"])
def api(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    if request.param == "fake":
        yield FakeCluster()
        return
    real: LocalCluster = request.getfixturevalue("cluster")
    adapter = ClusterApi(from_kubeconfig(real.kubeconfig))
    yield adapter
    adapter.close()


@pytest.fixture
def space(api: Cluster) -> Iterator[str]:
    """A namespace of this test's own."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    api.create(NAMESPACE, None, manifest(NAMESPACE, name))
    yield name
    api.delete(NAMESPACE, None, name)


def config(name: str, **fields: Any) -> Json:
    return manifest(CONFIG_MAP, name, **fields)


def names(api: Cluster, kind: Kind, **where: Any) -> list[str]:
    return [
        json.loads(raw)["metadata"]["name"]
        for page in api.list_pages(kind, **where)
        for raw in page.items
    ]


def mine(api: Cluster, space: str) -> list[str]:
    """ConfigMaps of the namespace but the one that the controller manager puts into each."""
    found = names(api, CONFIG_MAP, namespace=space)
    return [name for name in found if name != "kube-root-ca.crt"]


def test_discovery_names_every_kind_once_and_no_subresource(api: Cluster) -> None:
    found = api.discover()
    assert found.failures == {}
    assert found.server_version.startswith("v1.")
    by_resource = {kind.resource: kind for kind in found.kinds}
    assert len(by_resource) == len(found.kinds)
    assert not [kind.plural for kind in found.kinds if "/" in kind.plural]
    deployments = by_resource["deployments.apps"]
    assert deployments.api_version == "apps/v1"
    assert deployments.group_kind == "Deployment.apps"
    assert deployments.namespaced
    assert {"list", "create", "delete"} <= set(deployments.verbs)
    assert not by_resource["namespaces"].namespaced
    assert by_resource["volumesnapshots.snapshot.storage.k8s.io"].kind == "VolumeSnapshot"
    assert list(found.kinds) == sorted(found.kinds)


def test_what_was_created_is_got_and_listed(api: Cluster, space: str) -> None:
    made = api.create(CONFIG_MAP, space, config("a", data={"k": "v"}))
    assert made["metadata"]["uid"]
    assert made["metadata"]["resourceVersion"]
    got = api.get(CONFIG_MAP, space, "a")
    assert got["data"] == {"k": "v"}
    assert (got["apiVersion"], got["kind"]) == ("v1", "ConfigMap")
    assert got["metadata"]["uid"] == made["metadata"]["uid"]
    assert mine(api, space) == ["a"]
    assert "a" in names(api, CONFIG_MAP)


def test_items_of_built_in_lists_carry_no_kind(api: Cluster, space: str) -> None:
    api.create(CONFIG_MAP, space, config("a"))
    (page,) = api.list_pages(CONFIG_MAP, namespace=space)
    assert all("kind" not in json.loads(raw) for raw in page.items)


def test_creating_twice_is_refused(api: Cluster, space: str) -> None:
    api.create(CONFIG_MAP, space, config("a", data={"k": "first"}))
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        api.create(CONFIG_MAP, space, config("a", data={"k": "second"}))
    assert api.get(CONFIG_MAP, space, "a")["data"] == {"k": "first"}


def test_a_name_is_made_from_generate_name(api: Cluster, space: str) -> None:
    body = manifest(CONFIG_MAP, "")
    body["metadata"] = {"generateName": "many-"}
    made = {api.create(CONFIG_MAP, space, body)["metadata"]["name"] for _ in range(3)}
    assert len(made) == 3
    assert all(name.startswith("many-") for name in made)


def test_a_dry_run_changes_nothing(api: Cluster, space: str) -> None:
    api.create(CONFIG_MAP, space, config("there", data={"k": "v"}))
    assert api.create(CONFIG_MAP, space, config("a"), dry_run=True)["metadata"]["name"] == "a"
    changed = api.patch(CONFIG_MAP, space, "there", {"data": {"k": "w"}}, dry_run=True)
    assert changed["data"] == {"k": "w"}
    assert mine(api, space) == ["there"]
    assert api.get(CONFIG_MAP, space, "there")["data"] == {"k": "v"}


def test_a_dry_run_of_an_update_answers_as_the_update_would(api: Cluster, space: str) -> None:
    first = api.create(CONFIG_MAP, space, config("a", data={"k": "1", "old": "1"}))
    for body in (config("a", data={"k": "2"}), {**first, "data": {"k": "2"}}):
        tried = api.replace(CONFIG_MAP, space, "a", body, dry_run=True)
        assert tried["data"] == {"k": "2"}
        assert tried["metadata"]["uid"] == first["metadata"]["uid"]
    stale = {**first, "metadata": {**first["metadata"], "resourceVersion": "1"}}
    with pytest.raises(Conflict):
        api.replace(CONFIG_MAP, space, "a", stale, dry_run=True)
    assert api.get(CONFIG_MAP, space, "a") == first


def test_a_dry_run_refuses_what_may_not_change(api: Cluster, space: str) -> None:
    api.create(CONFIG_MAP, space, config("fixed", data={"k": "1"}, immutable=True))
    with pytest.raises(Invalid, match="immutable"):
        api.patch(CONFIG_MAP, space, "fixed", {"data": {"k": "2"}}, dry_run=True)
    with pytest.raises(Invalid, match="immutable"):
        api.replace(CONFIG_MAP, space, "fixed", config("fixed", data={"k": "2"}), dry_run=True)


def test_a_dry_run_of_a_create_is_judged_before_it_is_found_to_exist(
    api: Cluster, space: str
) -> None:
    """So that it tells whether an object could be made again before it is deleted."""
    api.create(CONFIG_MAP, space, config("a"))
    with pytest.raises(AlreadyExists):
        api.create(CONFIG_MAP, space, config("a"), dry_run=True)
    with pytest.raises(Invalid):
        api.create(CONFIG_MAP, space, config("a", data={"not/a/key": "1"}), dry_run=True)


def test_the_caller_is_told_its_rights(api: Cluster, space: str) -> None:
    review = manifest(RULES_REVIEW, "", spec={"namespace": space})
    status = api.create(RULES_REVIEW, None, review)["status"]
    every = [rule for rule in status["resourceRules"] if rule["verbs"] == ["*"]]
    assert any("*" in rule["resources"] and "*" in rule["apiGroups"] for rule in every)
    asked = {"verb": "delete", "resource": "configmaps", "namespace": space}
    review = manifest(ACCESS_REVIEW, "", spec={"resourceAttributes": asked})
    assert api.create(ACCESS_REVIEW, None, review)["status"]["allowed"] is True


def test_what_is_not_there(api: Cluster, space: str) -> None:
    with pytest.raises(NotFound, match='configmaps "nothing" not found'):
        api.get(CONFIG_MAP, space, "nothing")
    with pytest.raises(NotFound):
        api.patch(CONFIG_MAP, space, "nothing", {"data": {}})
    with pytest.raises(NotFound):
        api.create(CONFIG_MAP, f"{space}-not", config("a"))
    api.delete(CONFIG_MAP, space, "nothing")


def test_only_what_was_looked_at_is_deleted(api: Cluster, space: str) -> None:
    """An object of the same name that somebody made meanwhile, or changed, stays."""
    first = api.create(CONFIG_MAP, space, config("a"))["metadata"]
    api.delete(CONFIG_MAP, space, "a", uid=first["uid"], version=first["resourceVersion"])
    second = api.create(CONFIG_MAP, space, config("a"))["metadata"]
    with pytest.raises(Conflict):
        api.delete(CONFIG_MAP, space, "a", uid=first["uid"])
    marked = {"metadata": {"uid": first["uid"], "labels": {"a": "b"}}}
    with pytest.raises((Conflict, Invalid)):
        api.patch(CONFIG_MAP, space, "a", marked)
    api.patch(CONFIG_MAP, space, "a", {"data": {"new": "1"}})
    old = second["resourceVersion"]
    with pytest.raises(Conflict):
        api.delete(CONFIG_MAP, space, "a", uid=second["uid"], version=old)
    assert api.get(CONFIG_MAP, space, "a")["metadata"]["uid"] == second["uid"]
    api.delete(CONFIG_MAP, space, "a", uid=second["uid"])
    with pytest.raises(NotFound):
        api.get(CONFIG_MAP, space, "a")


def test_what_is_to_stay_is_not_called_deprecated(api: Cluster) -> None:
    assert api.deprecation(CONFIG_MAP) == ""
    with pytest.raises(NotFound):
        api.deprecation(Kind("horses.example", "v1", "unicorns", "Unicorn", namespaced=True))


def test_a_kind_that_is_not_served_is_not_found(api: Cluster, space: str) -> None:
    unicorn = Kind("horses.example", "v1", "unicorns", "Unicorn", namespaced=True)
    with pytest.raises(NotFound):
        list(api.list_pages(unicorn, namespace=space))
    with pytest.raises(NotFound):
        api.get(unicorn, space, "x")


@pytest.mark.parametrize("name", ["Not_A_Name", "a/b", "-a"])
def test_a_bad_name_is_invalid(api: Cluster, space: str, name: str) -> None:
    with pytest.raises(Invalid, match=r"[iI]nvalid"):
        api.create(CONFIG_MAP, space, config(name))


def test_a_body_of_another_kind_is_invalid(api: Cluster, space: str) -> None:
    with pytest.raises(Invalid):
        api.create(CONFIG_MAP, space, manifest(DEPLOYMENT, "a"))


def test_replace_knows_whether_the_object_moved_on(api: Cluster, space: str) -> None:
    first = api.create(CONFIG_MAP, space, config("a", data={"k": "1"}))
    second = api.replace(CONFIG_MAP, space, "a", {**first, "data": {"k": "2"}})
    assert second["metadata"]["resourceVersion"] != first["metadata"]["resourceVersion"]
    with pytest.raises(Conflict, match="modified"):
        api.replace(CONFIG_MAP, space, "a", {**first, "data": {"k": "3"}})
    assert api.get(CONFIG_MAP, space, "a")["data"] == {"k": "2"}


def test_a_merge_patch_changes_what_it_names(api: Cluster, space: str) -> None:
    api.create(CONFIG_MAP, space, config("a", data={"keep": "1", "drop": "2", "change": "3"}))
    body = {"data": {"drop": None, "change": "4"}, "metadata": {"labels": {"l": "1"}}}
    changed = api.patch(CONFIG_MAP, space, "a", body)
    assert changed["data"] == {"keep": "1", "change": "4"}
    again = api.patch(CONFIG_MAP, space, "a", body)
    assert again["metadata"]["resourceVersion"] == changed["metadata"]["resourceVersion"]


def test_a_json_patch_is_applied_in_order(api: Cluster, space: str) -> None:
    body = config("a", data={"old": "1"})
    body["metadata"]["labels"] = {"x/y": "1"}
    api.create(CONFIG_MAP, space, body)
    operations = [
        {"op": "test", "path": "/metadata/labels/x~1y", "value": "1"},
        {"op": "add", "path": "/data/new", "value": "2"},
        {"op": "remove", "path": "/data/old"},
    ]
    changed = api.patch(CONFIG_MAP, space, "a", operations, patch_type="json")
    assert changed["data"] == {"new": "2"}
    with pytest.raises(Invalid):
        api.patch(CONFIG_MAP, space, "a", operations, patch_type="json")


def test_apply_creates_and_then_changes(api: Cluster, space: str) -> None:
    for value in ("1", "2"):
        body = config("a", data={"k": value})
        api.patch(CONFIG_MAP, space, "a", body, patch_type="apply")
        assert api.get(CONFIG_MAP, space, "a")["data"] == {"k": value}


def test_a_status_is_set_through_its_subresource_only(api: Cluster, space: str) -> None:
    labels = {"app": "x"}
    pod = {"containers": [{"name": "m", "image": "registry.example/m:1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    made = api.create(
        DEPLOYMENT, space, manifest(DEPLOYMENT, "d", spec=spec, status={"collisionCount": 9})
    )
    assert made.get("status", {}).get("collisionCount") is None
    body = {"status": {"collisionCount": 9}}
    assert api.patch(DEPLOYMENT, space, "d", body).get("status", {}).get("collisionCount") is None
    changed = api.patch(DEPLOYMENT, space, "d", body, subresource="status")
    assert changed["status"]["collisionCount"] == 9


def test_fields_are_those_of_the_objects(api: Cluster, space: str) -> None:
    api.create(CONFIG_MAP, space, config("one", data={"n": "1", "q": '"quoted": {'}))
    api.create(CONFIG_MAP, space, config("two"))
    whole = [
        json.loads(raw)
        for page in api.list_pages(CONFIG_MAP, namespace=space)
        for raw in page.items
    ]
    split = [
        {name: json.loads(bytes(value)) for name, value in fields.items()}
        for page in api.list_fields(CONFIG_MAP, namespace=space)
        for fields in page.items
    ]
    assert split == whole
    assert [page.size for page in api.list_fields(CONFIG_MAP, namespace=space)] > [0]


def test_pages_are_of_one_moment(api: Cluster, space: str) -> None:
    for number in range(25):
        api.create(CONFIG_MAP, space, config(f"c{number:02}", data={"n": "before"}))
    have = len(names(api, CONFIG_MAP, namespace=space))
    pages = api.list_pages(CONFIG_MAP, namespace=space, limit=10)
    first = next(pages)
    assert (len(first.items), first.remaining) == (10, have - 10)
    api.create(CONFIG_MAP, space, config("c99"))
    api.delete(CONFIG_MAP, space, "c24")
    api.patch(CONFIG_MAP, space, "c23", {"data": {"n": "after"}})
    rest = list(pages)
    assert [len(page.items) for page in rest] == [10, have - 20]
    assert {page.resource_version for page in rest} == {first.resource_version}
    listed = {
        item["metadata"]["name"]: item.get("data")
        for page in (first, *rest)
        for item in map(json.loads, page.items)
    }
    assert "c99" not in listed
    assert listed["c24"] == listed["c23"] == {"n": "before"}
    assert not rest[-1].remaining


def test_labels_select(api: Cluster, space: str) -> None:
    for name, labels in {"a": {"x": "1"}, "b": {"x": "2"}, "c": {}}.items():
        body = config(name)
        body["metadata"]["labels"] = labels
        api.create(CONFIG_MAP, space, body)

    def select(selector: str) -> set[str]:
        found = names(api, CONFIG_MAP, namespace=space, label_selector=selector)
        return set(found) & {"a", "b", "c"}

    assert select("x=1") == {"a"}
    assert select("x!=1") == {"b", "c"}
    assert select("x") == {"a", "b"}
    assert select("!x") == {"c"}
    assert select("x in (1, 2),x!=2") == {"a"}
    assert select("x notin (1)") == {"b", "c"}


@pytest.mark.parametrize(
    "name", ["system:lifeboat:{}", "a.b.{}", "with space {}", "ü-{}", "{}?x=1#y"]
)
def test_names_with_odd_characters_travel(api: Cluster, name: str) -> None:
    name = name.format(uuid.uuid4().hex[:8])
    try:
        api.create(CLUSTER_ROLE, None, manifest(CLUSTER_ROLE, name, rules=[]))
        assert api.get(CLUSTER_ROLE, None, name)["metadata"]["name"] == name
        patched = api.patch(CLUSTER_ROLE, None, name, {"metadata": {"labels": {"l": "1"}}})
        assert patched["metadata"]["labels"] == {"l": "1"}
        assert name in names(api, CLUSTER_ROLE)
    finally:
        api.delete(CLUSTER_ROLE, None, name)
    with pytest.raises(NotFound):
        api.get(CLUSTER_ROLE, None, name)


def test_a_config_map_of_a_mebibyte(api: Cluster, space: str) -> None:
    data = {"k": "äß\u0001\n" + "x" * (1024 * 1024 - 16)}
    api.create(CONFIG_MAP, space, config("big", data=data))
    assert api.get(CONFIG_MAP, space, "big")["data"] == data
    raws = [raw for page in api.list_pages(CONFIG_MAP, namespace=space) for raw in page.items]
    assert data in [json.loads(raw).get("data") for raw in raws]


def test_many_threads_share_one_client(api: Cluster, space: str) -> None:
    with ThreadPoolExecutor(32) as pool:
        wanted = [f"t{number:03}" for number in range(100)]
        list(pool.map(lambda name: api.create(CONFIG_MAP, space, config(name)), wanted))
        got = pool.map(lambda name: api.get(CONFIG_MAP, space, name)["metadata"]["name"], wanted)
        assert list(got) == wanted
    assert mine(api, space) == wanted


def test_a_definition_with_no_objects_is_an_empty_list(api: Cluster, space: str) -> None:
    group = f"g{uuid.uuid4().hex[:8]}.example"
    definition = crd(group, "boats", "Boat")
    name = definition["metadata"]["name"]

    def served() -> list[Kind]:
        return [kind for kind in api.discover().kinds if kind.group == group]

    api.create(CRD, None, definition)
    try:
        (boat,) = until("the definition is served", served)
        assert (boat.plural, boat.kind, boat.namespaced) == ("boats", "Boat", True)

        def listed() -> list[tuple[bytes, ...]] | None:
            try:
                return [page.items for page in api.list_pages(boat, namespace=space)]
            except NotFound:  # discovery may be ahead of the handler
                return None

        assert until("it can be listed", listed) == [()]
        api.create(boat, space, {"apiVersion": f"{group}/v1", "kind": "Boat",
                                 "metadata": {"name": "b"}, "spec": {"length": 7}})  # fmt: skip
        (page,) = api.list_pages(boat, namespace=space)
        (item,) = map(json.loads, page.items)
        assert (item["kind"], item["spec"]) == ("Boat", {"length": 7})
    finally:
        api.delete(CRD, None, name)


def test_a_finalizer_holds_a_deleted_object(api: Cluster, space: str) -> None:
    body = config("held")
    body["metadata"]["finalizers"] = ["lifeboat.test/hold"]
    api.create(CONFIG_MAP, space, body)
    api.delete(CONFIG_MAP, space, "held")
    assert api.get(CONFIG_MAP, space, "held")["metadata"]["deletionTimestamp"]
    api.patch(CONFIG_MAP, space, "held", {"metadata": {"finalizers": None}})
    assert mine(api, space) == []


def test_a_deleted_owner_takes_what_it_owns_along(api: Cluster, space: str) -> None:
    owner = api.create(CONFIG_MAP, space, config("owner"))["metadata"]
    body = config("owned")
    body["metadata"]["ownerReferences"] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}
    ]
    api.create(CONFIG_MAP, space, body)
    api.delete(CONFIG_MAP, space, "owner")
    until("what it owned is gone", lambda: mine(api, space) == [])


def test_a_deleted_namespace_takes_its_objects_along(api: Cluster, space: str) -> None:
    api.create(CONFIG_MAP, space, config("a"))
    api.delete(NAMESPACE, None, space)

    def gone() -> bool:
        try:
            api.get(NAMESPACE, None, space)
        except NotFound:
            return True
        return False

    until("the namespace is gone", gone)
    with pytest.raises(NotFound):
        api.get(CONFIG_MAP, space, "a")
    assert names(api, CONFIG_MAP, namespace=space) == []
