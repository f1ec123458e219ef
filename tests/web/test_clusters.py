"""What no policy protects, on the Recovery page: in words, for whom, how old, and in a browser."""

from __future__ import annotations

import dataclasses
import re

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Page, expect

from lifeboat.point.exposure import Exposure, OpenVolume
from lifeboat.report.clusters import ClusterStanding
from lifeboat.web.app import create_app
from lifeboat.web.clusters import LISTED, cluster_view
from tests.support.fake_airflow import FakeAirflow
from tests.support.fake_fleet import NOW, FakeAccess, FakeFleet, clusters, every_state
from tests.support.legible import problems
from tests.support.recovery_page import frame, open_page, recovery

SHOP_DAG = "backup.shop.prod-westeurope"


def client(user: str = "admin", *seen: ClusterStanding) -> TestClient:
    fleet = FakeFleet(every_state(), seen or clusters())
    app = create_app(fleet, FakeAccess(), clock=lambda: NOW)
    return TestClient(app, cookies={"user": user})


def told(page: str, cluster: str) -> str:
    """The text of one cluster's part of the page, tags taken out."""
    found = re.search(rf'<details data-cluster="{re.escape(cluster)}".*?</details>', page, re.S)
    assert found, f"nothing of {cluster}"
    return " ".join(re.sub(r"<[^>]+>", " ", found.group()).replace("\xa0", " ").split())


def test_each_cluster_says_what_is_open_since_when_that_is_known_and_how_much_is_proven() -> None:
    page = client().get("/").text
    west = told(page, "prod-westeurope")
    assert "2 namespaces and 1 volume, or more, not protected by any policy" in west
    assert "2 of 6 instances proven in time" in west
    assert "as of 2 h ago (22 Nov 2026, 21:31 UTC), by shop.prod-westeurope" in west
    assert "namespace forgotten not included (shop); not included (search)" in west
    assert "namespace half only partly, by search" in west
    assert "volume forgotten/data no policy selects its namespace" in west
    assert "And 3 more. lifeboat fleet unprotected --cluster prod-westeurope" in west
    north = told(page, "prod-northeurope")
    assert "Not known what no policy protects" in north
    assert "https://10.0.0.1: connection refused" in north
    assert "as of 2 h ago" in north
    zonal = told(page, "aks-prod-germanywestcentral-zone-redundant-01")
    assert "Every namespace and volume is in a policy" in zonal
    assert "no backup has looked yet" in told(page, "stage")
    assert "Nothing is protected: no policy names it" in told(page, "lab")


def test_who_may_not_restore_is_not_told_what_belongs_to_nobody() -> None:
    page = client("viewer").get("/").text
    assert "shop" in page
    assert "forgotten" not in page
    assert client("viewer").get("/api/instances").json()["clusters"] == []
    (first, *_) = client().get("/api/instances").json()["clusters"]
    assert (first["cluster"], first["exposure"]["protected"]) == ("prod-westeurope", 17)


def test_the_tab_of_a_dag_is_about_its_instance_alone() -> None:
    assert "data-cluster" not in client().get(f"/?dag={SHOP_DAG}").text


def test_names_are_no_markup() -> None:
    evil = '<img src=x onerror="alert(1)">'
    found = Exposure(("shop",), volumes=(OpenVolume(evil, False, {evil: evil}),))
    page = client("admin", ClusterStanding(evil, 1, 0, found, evil, clusters()[0].at)).get("/").text
    assert "<img" not in page


def test_a_long_list_is_cut_and_counted() -> None:
    volumes = tuple(OpenVolume(f"many/{n}", False, {}) for n in range(LISTED + 10))
    standing = dataclasses.replace(clusters()[0], exposure=Exposure(("shop",), volumes=volumes))
    view = cluster_view(standing, NOW)
    assert (len(view.things), view.unlisted) == (LISTED, 10)


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_legible_unfolded(
    framed: Page, airflow_ui: FakeAirflow, theme: str, width: int
) -> None:
    framed.set_viewport_size({"width": width, "height": 900})
    inner = recovery(framed, airflow_ui, theme)
    for summary in inner.locator("#clusters summary").all():
        summary.click()
    expect(inner.locator("#clusters .missing").first).to_be_visible()
    assert problems(frame(framed)) == []


@pytest.mark.browser
def test_a_refresh_keeps_what_is_unfolded_and_where_the_keyboard_is(
    framed: Page, airflow_ui: FakeAirflow
) -> None:
    inner = recovery(framed, airflow_ui)
    west = inner.locator('details[data-cluster="prod-westeurope"]')
    west.locator("summary").press("Enter")
    expect(west.locator(".missing")).to_contain_text("forgotten/data")
    first, *others = clusters()
    found = Exposure(("shop",), volumes=(OpenVolume("new/disk", False, {"shop": "not included"}),))
    airflow_ui.fleet.clusters = (dataclasses.replace(first, exposure=found), *others)
    framed.clock.fast_forward(30_000)
    expect(west.locator(".missing")).to_contain_text("new/disk")
    expect(west.locator(".missing")).not_to_contain_text("forgotten")
    at = "document.activeElement.closest('details')?.dataset.cluster"
    assert frame(framed).evaluate(at) == "prod-westeurope"
    assert inner.locator("#fleet > *").last.get_attribute("id") == "clusters"


@pytest.mark.browser
def test_a_fleet_that_nobody_has_looked_at_has_no_such_part(
    framed: Page, airflow_ui: FakeAirflow
) -> None:
    airflow_ui.fleet.clusters = ()
    inner = open_page(framed, airflow_ui)
    expect(inner.locator("#rows")).to_be_visible()
    expect(inner.locator("#clusters")).to_have_count(0)
