"""Finding clusters by the official clients, over TLS, from a stand-in for Azure; and those that
Airflow has connections to, from what its API answers (a real one is in tests/airflow)."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lifeboat.adapters import found_azure
from lifeboat.adapters.azure_arm import ArmClients, ArmSettings
from lifeboat.adapters.flows_airflow import AirflowFlows, AirflowSettings
from lifeboat.adapters.found_airflow import AirflowFinder
from lifeboat.adapters.found_azure import FleetFinder, GraphFinder
from lifeboat.errors import DisksUnavailable, Forbidden, Invalid, NotFound, Throttled
from local.arm import TOKEN, Settings
from local.arm.access import Principal
from local.arm.errors import ArmError
from tests.support.arm import OTHER_SUBSCRIPTION, SNAPSHOTS, SUBSCRIPTION, ArmWorld, standing
from tests.support.scripted_server import ok, scripted_server
from tests.support.static_credential import StaticCredential

FLEET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{SNAPSHOTS}/providers"
FLEET += "/Microsoft.ContainerService/fleets/shops"


@pytest.fixture
def azure(arm_tls: tuple[ssl.SSLContext, Path]) -> Iterator[ArmWorld]:
    """Pages of three."""
    with standing(arm_tls, Settings(page=3)) as world:
        yield world


def aks(name: str, subscription: str = SUBSCRIPTION, group: str = "shop") -> str:
    return (
        f"/subscriptions/{subscription}/resourceGroups/{group}"
        f"/providers/Microsoft.ContainerService/managedClusters/{name}"
    )


def row(name: str, subscription: str = SUBSCRIPTION, **tags: str) -> dict[str, Any]:
    found = {"id": aks(name, subscription), "name": name, "location": "westeurope"}
    return {**found, "tags": tags or None, "properties": {"fqdn": "secret"}}


def clients(azure: ArmWorld, token: str = TOKEN) -> ArmClients:
    settings = ArmSettings(endpoint=azure.url, certificates=str(azure.ca))
    return ArmClients(settings, StaticCredential(token))


def graph(azure: ArmWorld, *subscriptions: str, token: str = TOKEN) -> GraphFinder:
    return GraphFinder(clients(azure, token), subscriptions or (SUBSCRIPTION,))


def test_tags_become_labels_page_by_page(azure: ArmWorld) -> None:
    azure.arm.known = [row(f"aks-{number}", environment="prod") for number in range(7)]
    azure.arm.known.append(row("bare"))
    found = graph(azure).find()
    assert [one.name for one in found] == [*(f"aks-{n}" for n in range(7)), "bare"]
    assert (found[0].labels, found[0].location) == ({"environment": "prod"}, "westeurope")
    assert found[7].labels == {}
    assert len(azure.arm.requests) == 3


def test_only_the_subscriptions_that_were_asked_for(azure: ArmWorld) -> None:
    azure.arm.known = [row("here"), row("there", OTHER_SUBSCRIPTION)]
    assert [one.name for one in graph(azure).find()] == ["here"]
    both = graph(azure, SUBSCRIPTION, OTHER_SUBSCRIPTION).find()
    assert [one.name for one in both] == ["here", "there"]


def test_a_part_of_the_answer_is_no_answer(
    azure: ArmWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query without the ids of its rows gets no token for the next page."""
    azure.arm.known = [row(f"aks-{number}") for number in range(4)]
    asked = found_azure._QUERY.replace("project id, ", "project ")
    monkeypatch.setattr(found_azure, "_QUERY", asked)
    monkeypatch.setattr(found_azure, "_of_row", lambda told: told)
    with pytest.raises(Invalid, match="3 of 4 clusters"):
        graph(azure).find()


def test_a_throttled_question_says_when_to_come_back(azure: ArmWorld) -> None:
    azure.arm.known = [row("aks")]
    azure.arm.order("refuse", "POST", error=ArmError(429, "RateLimiting", "slow", retry_after=17))
    with pytest.raises(Throttled) as refused:
        graph(azure).find()
    assert refused.value.retry_after == 17
    assert len(azure.arm.requests) == 1, "the client itself tries nothing again"
    assert len(graph(azure).find()) == 1


def test_a_lost_connection_can_be_tried_again(azure: ArmWorld) -> None:
    azure.arm.order("lose", "POST")
    with pytest.raises(DisksUnavailable) as lost:
        graph(azure).find()
    assert lost.value.retryable


def test_members_of_a_fleet_bring_its_name_and_their_labels(azure: ArmWorld) -> None:
    azure.arm.fleets[FLEET.lower()] = {
        f"member-{number}": {
            "clusterResourceId": aks(f"aks-{number}", OTHER_SUBSCRIPTION),
            "labels": {"tier": "gold"},
            **({"group": "first"} if number == 0 else {}),
        }
        for number in range(5)
    }
    found = FleetFinder(clients(azure), SUBSCRIPTION, SNAPSHOTS, "shops").find()
    assert [one.name for one in found] == [f"aks-{number}" for number in range(5)]
    assert found[0].labels == {"tier": "gold", "fleet": "shops", "fleet-group": "first"}
    assert found[1].labels == {"tier": "gold", "fleet": "shops"}
    assert found[1].ident == aks("aks-1", OTHER_SUBSCRIPTION)


def test_who_may_not_ask_is_told_and_so_is_a_fleet_that_is_gone(azure: ArmWorld) -> None:
    azure.arm.access.tokens["other"] = Principal("nobody", ())
    finder = FleetFinder(clients(azure, "other"), SUBSCRIPTION, SNAPSHOTS, "shops")
    with pytest.raises(Forbidden, match="list the members of fleet backup-snapshots/shops"):
        finder.find()
    with pytest.raises(Forbidden, match="Resource Graph"):
        graph(azure, token="other").find()
    with pytest.raises(NotFound):
        FleetFinder(clients(azure), SUBSCRIPTION, SNAPSHOTS, "none").find()


def connection(ident: str, extra: Any, kind: str = "kubernetes") -> dict[str, Any]:
    text = extra if isinstance(extra, str) or extra is None else json.dumps(extra)
    return {"connection_id": ident, "conn_type": kind, "extra": text}


def of_airflow(*told: dict[str, Any]) -> tuple[Any, ...]:
    page = {"connections": list(told), "total_entries": len(told)}
    with scripted_server(ok({"access_token": "t"}), ok(page)) as script:
        airflow = AirflowFlows(AirflowSettings(script.url, "lifeboat", "secret"))
        return AirflowFinder(airflow).find()


def test_marked_connections_are_clusters() -> None:
    found = of_airflow(
        connection("prod", {"lifeboat": {"name": "production", "labels": {"tier": 1}}}),
        connection("kube_till", {"lifeboat": True, "in_cluster": True}),
        connection("unmarked", {"in_cluster": True}),
        connection("unmarked_too", {"lifeboat": False}),
        connection("broken", "not json"),
        connection("empty", None),
        connection("web", {"lifeboat": True}, kind="http"),
    )
    assert [(one.ident, one.name, one.labels) for one in found] == [
        ("connection:prod", "production", {"tier": "1"}),
        ("connection:kube_till", "kube_till", {}),
    ]


def test_a_mark_that_cannot_be_read_names_its_connection() -> None:
    with pytest.raises(Invalid, match=r"connection prod: lifeboat\.labels"):
        of_airflow(connection("prod", {"lifeboat": {"labels": ["tier"]}}))
