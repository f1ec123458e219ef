"""Whom webhooks, conversions and APIs are answered by under a mapping."""

from __future__ import annotations

from typing import Any

import pytest

from lifeboat.errors import Forbidden, Throttled
from lifeboat.ports.cluster import Json
from lifeboat.restore.services import answering_of, follow
from lifeboat.restore.transform import Target, clean
from tests.support.fake_cluster import FakeCluster
from tests.support.kinds import (
    API_SERVICE,
    CONFIG_MAP,
    CRD,
    NAMESPACE,
    SERVICE,
    VALIDATING_WEBHOOKS,
)
from tests.support.manifests import crd, manifest

MAPPING = {"shop": "copy", "same": "same"}


def client(space: str, name: str = "gate") -> Json:
    return {"service": {"namespace": space, "name": name, "path": "/p"}}


def webhooks(*clients: Json) -> Json:
    hooks = [{"name": f"{n}.example.com", "clientConfig": c} for n, c in enumerate(clients)]
    return manifest(VALIDATING_WEBHOOKS, "gate", webhooks=hooks)


def definition(space: str) -> Json:
    body = crd("example.com", "widgets", "Widget")
    body["spec"]["conversion"] = {"strategy": "Webhook", "webhook": {"clientConfig": client(space)}}
    return body


def api(space: str) -> Json:
    spec = {"group": "g", "version": "v1", "service": {"namespace": space, "name": "gate"}}
    return manifest(API_SERVICE, "v1.g", spec=spec)


def spaces(body: Json) -> list[str]:
    """Of every Service that the body names, in order."""
    found: list[str] = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            if "service" in value:
                found.append(value["service"]["namespace"])
            for one in value.values():
                look(one)
        elif isinstance(value, list):
            for one in value:
                look(one)

    look(body)
    return found


@pytest.mark.parametrize("make", [lambda s: webhooks(client(s)), definition, api])
def test_what_is_made_for_a_copy_asks_the_copy(make: Any) -> None:
    made = make("shop")
    cleaned = clean(made, Target("r1", "p1", MAPPING))
    assert spaces(made) == ["copy"]
    assert cleaned.changes == ["service shop/gate became copy/gate"]
    for space in ("same", "elsewhere"):
        left = make(space)
        assert clean(left, Target("r1", "p1", MAPPING)).changes == []
        assert spaces(left) == [space]


def test_each_reference_goes_its_own_way() -> None:
    url = {"url": "https://example.com"}
    body = webhooks(client("shop"), client("shop", "other"), client("shop"), client("far"), url)
    told = follow(body, MAPPING, {"ValidatingWebhookConfiguration gate": ("shop/other",)})
    assert spaces(body) == ["copy", "shop", "copy", "far"]
    assert told == ["service shop/gate became copy/gate"]


@pytest.fixture
def cluster() -> FakeCluster:
    made = FakeCluster()
    made.create(NAMESPACE, None, manifest(NAMESPACE, "shop"))
    made.create(VALIDATING_WEBHOOKS, None, webhooks(client("shop"), client("shop", "gone")))
    made.create(CRD, None, definition("shop"))
    made.create(API_SERVICE, None, api("copy"))
    made.create(SERVICE, "shop", manifest(SERVICE, "gate", spec={"ports": [{"port": 1}]}))
    return made


KINDS = (VALIDATING_WEBHOOKS, CRD, API_SERVICE, CONFIG_MAP)


def test_a_service_that_is_there_goes_on_answering_for_who_names_it(cluster: FakeCluster) -> None:
    """What names the copy already, or a Service that is gone, follows the mapping."""
    assert answering_of(cluster, KINDS, MAPPING) == {
        "ValidatingWebhookConfiguration gate": ("shop/gate",),
        "CustomResourceDefinition widgets.example.com": ("shop/gate",),
    }


def test_without_a_mapping_nobody_is_asked(cluster: FakeCluster) -> None:
    cluster.calls.clear()
    assert answering_of(cluster, KINDS, {}) == {}
    assert cluster.calls == []


def test_a_service_that_may_not_be_seen_counts_as_there(cluster: FakeCluster) -> None:
    cluster.fail_next("get", Forbidden("no"), times=9, resource="services")
    found = answering_of(cluster, KINDS, MAPPING)
    assert found["ValidatingWebhookConfiguration gate"] == ("shop/gate", "shop/gone")


def test_kinds_that_may_not_be_listed_keep_nobody(cluster: FakeCluster) -> None:
    cluster.fail_next("list_pages", Forbidden("no"), resource=CRD.resource)
    assert list(answering_of(cluster, KINDS, MAPPING)) == ["ValidatingWebhookConfiguration gate"]


@pytest.mark.parametrize(("method", "what"), [("get", SERVICE), ("list_pages", CRD)])
def test_what_may_pass_is_tried_again(cluster: FakeCluster, method: str, what: Any) -> None:
    cluster.fail_next(method, Throttled("later"), resource=what.resource)
    with pytest.raises(Throttled):
        answering_of(cluster, KINDS, MAPPING)
