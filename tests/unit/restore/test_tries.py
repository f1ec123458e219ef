"""Dry runs against a cluster: what would differ, what is refused, what of Secrets is untold."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec
import pytest

from lifeboat.errors import Forbidden, Throttled
from lifeboat.ports.cluster import Json, Kind
from lifeboat.restore.carry import without_addresses
from lifeboat.restore.choice import Choice
from lifeboat.restore.live import listed_state, state_of
from lifeboat.restore.live_bodies import LiveBodies
from lifeboat.restore.model import Mode, PlanItem, RestoreRequest
from lifeboat.restore.tries import MOST_FIELDS, Tries
from lifeboat.vault.records import Place
from tests.support.fake_cluster import FakeCluster
from tests.support.kinds import CLAIM, CONFIG_MAP, NAMESPACE, POD, SECRET, SERVICE, SERVICE_ACCOUNT
from tests.support.manifests import claim, manifest

WRITES = ("create", "replace", "patch", "delete")


@pytest.fixture
def cluster() -> FakeCluster:
    made = FakeCluster()
    made.create(NAMESPACE, None, manifest(NAMESPACE, "shop"))
    return made


def item(kind: Kind, name: str) -> PlanItem:
    return PlanItem(
        wave=0,
        kind=kind,
        source_namespace="shop",
        namespace="shop",
        name=name,
        record="0" * 32,
        place=Place("", 0, 0, 0, 0),
        action="create",
    )


def settled(cluster: FakeCluster, body: Json, kind: Kind, mode: Mode, **wishes: object) -> PlanItem:
    name = body["metadata"]["name"]
    wanted = RestoreRequest(instance="i", point="p", mode=mode, in_flight=4)
    request = msgspec.structs.replace(wanted, **wishes)
    exists = name in cluster.objects(kind, "shop")
    before = cluster.objects(kind)
    (found,) = Tries(cluster, request, lambda _: body, LiveBodies(cluster)).settle(
        [(item(kind, name), exists)]
    )
    assert cluster.objects(kind) == before, "a try changes nothing"
    return found


def settings(**data: str) -> Json:
    return manifest(CONFIG_MAP, "settings", data=data)


@pytest.mark.parametrize(("mode", "action"), [("merge", "merge"), ("replace", "replace")])
def test_what_differs_is_spelled(cluster: FakeCluster, mode: Mode, action: str) -> None:
    live = cluster.create(CONFIG_MAP, "shop", settings(colour="red", extra="1"))
    found = settled(cluster, settings(colour="blue"), CONFIG_MAP, mode)
    assert (found.action, found.reason) == (action, "exists")
    assert found.live_version == state_of(live)
    gone = ['data.extra: "1" → (none)'] if mode == "replace" else []
    assert found.fields == ('data.colour: "red" → "blue"', *gone)


@pytest.mark.parametrize("mode", ["merge", "replace", "fail"])
def test_an_equal_object_is_left_alone(cluster: FakeCluster, mode: Mode) -> None:
    cluster.create(CONFIG_MAP, "shop", settings(colour="red"))
    body = settings(colour="red")
    body["metadata"] |= {"namespace": "shop", "annotations": {"lifeboat.dev/restore": "r1"}}
    cluster.calls.clear()
    found = settled(cluster, body, CONFIG_MAP, mode)
    assert (found.action, found.reason, found.fields) == ("skip", "equal", ())
    assert [call.method for call in cluster.calls] == ["get"], "no dry run says nothing new"


def test_status_is_no_change_of_an_object_and_anything_else_is() -> None:
    """A HorizontalPodAutoscaler counts no generations, and its controller writes its status."""
    hpa = {"metadata": {"uid": "u", "resourceVersion": "1"}, "spec": {"maxReplicas": 3}}
    told = {**hpa, "status": {"currentReplicas": 1}}
    later = {**told, "metadata": {"uid": "u", "resourceVersion": "2"}, "status": {"x": 2}}
    assert state_of(told) == state_of(later)
    assert state_of({**later, "spec": {"maxReplicas": 4}}) != state_of(told)
    assert state_of({**later, "metadata": {"uid": "v"}}) != state_of(told)


def test_a_listed_object_has_the_state_of_one_that_was_asked_for() -> None:
    metadata = {"name": "n", "uid": "u", "resourceVersion": "1"}
    for more in ({}, {"status": {"a": 1}}, {"status": "said in a word"}, {"status": {}}):
        for counted in ({}, {"generation": 3}):
            live: Json = {"metadata": {**metadata, **counted}, "spec": {"b": 2}, **more}
            told, state = listed_state(json.dumps(live).encode())
            assert (told["name"], state) == ("n", state_of(live))


def test_a_service_is_no_rival_of_its_own_ports(cluster: FakeCluster) -> None:
    ports = [{"port": 80, "nodePort": 30080}]
    body = manifest(SERVICE, "settings", spec={"clusterIP": "10.0.0.7", "ports": ports})
    asked = without_addresses(body)
    assert asked["spec"] == {"ports": [{"port": 80}]}
    assert body["spec"]["ports"] == ports
    headless = manifest(SERVICE, "settings", spec={"clusterIP": "None", "ports": [{"port": 80}]})
    assert without_addresses(headless) == headless


def test_a_pod_keeps_its_token_and_priority(cluster: FakeCluster) -> None:
    token = {"name": "kube-api-access-x", "projected": {}}
    mount = {"name": "kube-api-access-x", "mountPath": "/var/run/secrets"}
    container = {"name": "m", "image": "i:1"}
    given = {**container, "volumeMounts": [mount]}
    spec = {"priority": 7, "volumes": [token], "containers": [given]}
    cluster.create(POD, "shop", manifest(POD, "settings", spec=spec))
    wanted = manifest(POD, "settings", spec={"volumes": [], "containers": [container]})
    for mode in ("merge", "replace"):
        found = settled(cluster, wanted, POD, mode)
        assert (found.action, found.fields) == ("skip", ())


def test_fail_names_what_differs(cluster: FakeCluster) -> None:
    cluster.create(CONFIG_MAP, "shop", settings(colour="red"))
    found = settled(cluster, settings(colour="blue"), CONFIG_MAP, "fail")
    assert (found.action, found.reason) == ("conflict", "exists and differs")
    assert found.fields == ('data.colour: "red" → "blue"',)


def test_an_immutable_object_is_made_anew_where_the_mode_allows(cluster: FakeCluster) -> None:
    cluster.create(CONFIG_MAP, "shop", {**settings(colour="red"), "immutable": True})
    body = {**settings(colour="blue"), "immutable": True}
    assert settled(cluster, body, CONFIG_MAP, "replace").action == "recreate"
    merged = settled(cluster, body, CONFIG_MAP, "merge")
    assert merged.action == "conflict"
    assert "immutable" in merged.reason


def test_what_could_not_be_made_again_stays(cluster: FakeCluster) -> None:
    cluster.create(CONFIG_MAP, "shop", settings(colour="red"))
    found = settled(
        cluster, manifest(CONFIG_MAP, "settings", data={"a/b": "1"}), CONFIG_MAP, "recreate"
    )
    assert found.action == "conflict"
    assert "could not be made anew" in found.reason


def test_values_of_secrets_are_in_no_plan(cluster: FakeCluster) -> None:
    cluster.create(SECRET, "shop", manifest(SECRET, "settings", data={"k": "aHVudGVyMg=="}))
    body = manifest(SECRET, "settings", data={"k": "c3dvcmRmaXNo"})
    found = settled(cluster, body, SECRET, "merge")
    assert found.fields == ("data.k: changed (9 bytes)",)
    cluster.fail_next("patch", Forbidden('Invalid value: "swordfish": no'))
    refused = settled(cluster, body, SECRET, "merge")
    assert refused.action == "conflict"
    assert "swordfish" not in refused.reason


def test_skip_asks_nothing_unless_all_is_compared(cluster: FakeCluster) -> None:
    cluster.create(CONFIG_MAP, "shop", settings(colour="red"))
    cluster.calls.clear()
    found = settled(cluster, settings(colour="blue"), CONFIG_MAP, "skip")
    assert (found.action, found.reason, cluster.calls) == ("skip", "exists", [])
    found = settled(cluster, settings(colour="blue"), CONFIG_MAP, "skip", compare_all=True)
    assert (found.action, found.reason) == ("skip", "exists")
    assert found.fields == ('data.colour: "red" → "blue"',)


def test_a_live_claim_is_made_anew_only_by_name(cluster: FakeCluster) -> None:
    cluster.create(CLAIM, "shop", claim("data"))
    assert settled(cluster, claim("data"), CLAIM, "recreate").action == "skip"
    chosen = Choice(claims=("data",))
    assert settled(cluster, claim("data"), CLAIM, "recreate", choice=chosen).action == "recreate"
    assert settled(cluster, claim("data"), CLAIM, "merge", choice=chosen).action == "skip"


def test_service_accounts_are_merged_in_every_mode(cluster: FakeCluster) -> None:
    cluster.create(SERVICE_ACCOUNT, "shop", manifest(SERVICE_ACCOUNT, "web"))
    body = manifest(SERVICE_ACCOUNT, "web", automountServiceAccountToken=False)
    for mode in ("skip", "merge", "replace", "recreate", "fail"):
        assert settled(cluster, body, SERVICE_ACCOUNT, mode).action == "merge"


def test_creates_are_tried_where_asked(cluster: FakeCluster) -> None:
    body = manifest(CONFIG_MAP, "settings", data={"a/b": "1"})
    assert settled(cluster, body, CONFIG_MAP, "skip").action == "create"
    found = settled(cluster, body, CONFIG_MAP, "skip", try_creates=True)
    assert found.action == "conflict"
    assert settled(cluster, settings(), CONFIG_MAP, "skip", try_creates=True).action == "create"


def test_what_may_not_be_looked_at_is_a_conflict_or_left(cluster: FakeCluster) -> None:
    cluster.create(CONFIG_MAP, "shop", settings())
    cluster.fail_next("get", Forbidden("no"), times=2)
    assert settled(cluster, settings(), CONFIG_MAP, "merge").action == "conflict"
    assert settled(cluster, settings(), CONFIG_MAP, "skip", compare_all=True).action == "skip"


def test_a_retryable_error_is_raised(cluster: FakeCluster) -> None:
    cluster.create(CONFIG_MAP, "shop", settings())
    cluster.fail_next("get", Throttled("slow down"))
    with pytest.raises(Throttled):
        settled(cluster, settings(a="1"), CONFIG_MAP, "merge")


def test_many_differences_are_counted(cluster: FakeCluster) -> None:
    cluster.create(CONFIG_MAP, "shop", settings())
    body = settings(**{f"k{number:03}": "1" for number in range(MOST_FIELDS + 7)})
    found = settled(cluster, body, CONFIG_MAP, "merge")
    assert len(found.fields) == MOST_FIELDS + 1
    assert found.fields[-1] == "and 7 more fields"


def test_a_service_keeps_its_address(cluster: FakeCluster) -> None:
    ports = [{"port": 80, "nodePort": 30080}]
    spec = {"type": "NodePort", "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"], "ports": ports}
    cluster.create(SERVICE, "shop", manifest(SERVICE, "settings", spec=spec))
    wanted = {"type": "NodePort", "ports": [{"port": 80}]}
    found = settled(cluster, manifest(SERVICE, "settings", spec=wanted), SERVICE, "replace")
    assert (found.action, found.fields) == ("skip", ())


def test_items_keep_their_order(cluster: FakeCluster) -> None:
    names = [f"c{number:04}" for number in range(600)]
    for name in names[::2]:
        cluster.create(CONFIG_MAP, "shop", manifest(CONFIG_MAP, name, data={"a": "1"}))
    there = cluster.objects(CONFIG_MAP, "shop")

    def items() -> Iterator[tuple[PlanItem, bool]]:
        for name in names:
            yield item(CONFIG_MAP, name), name in there

    def body(one: PlanItem) -> Json:
        return manifest(CONFIG_MAP, one.name, data={"a": "2"})

    request = RestoreRequest(instance="i", point="p", mode="merge", in_flight=4)
    found = list(Tries(cluster, request, body, LiveBodies(cluster)).settle(items()))
    assert [one.name for one in found] == names
    assert [one.action for one in found] == ["merge", "create"] * 300
