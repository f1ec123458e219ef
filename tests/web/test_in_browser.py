"""The Recovery page in a real Chromium, framed as Airflow frames it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.fake_airflow import FakeAirflow, run
from tests.support.fake_fleet import many
from tests.support.legible import problems
from tests.support.recovery_page import PAYMENTS, SHOP, frame, names, open_page, recovery, row

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 980, 700, 390])
def test_everything_is_legible_in_every_size(
    framed: Page,
    airflow_ui: FakeAirflow,
    picture: Callable[[Page, str], Path],
    theme: str,
    width: int,
) -> None:
    framed.set_viewport_size({"width": width, "height": 900})
    inner = recovery(framed, airflow_ui, theme)
    assert frame(framed).evaluate("document.documentElement.dataset.theme") == theme
    assert problems(frame(framed)) == []
    assert picture(framed, f"recovery-{theme}-{width}").stat().st_size > 10_000
    for button in inner.locator("button.more").all():
        button.click()
    assert problems(frame(framed)) == []
    inner.get_by_role("button", name="Back up now: ledger").click()
    expect(inner.locator("#confirm-paused")).to_be_visible()
    assert problems(frame(framed)) == []
    picture(framed, f"recovery-{theme}-{width}-dialog")


def test_the_theme_follows_airflow(framed: Page, airflow_ui: FakeAirflow) -> None:
    inner = recovery(framed, airflow_ui)
    body = inner.locator("body")
    expect(body).to_have_css("background-color", "rgb(255, 255, 255)")
    framed.evaluate("document.documentElement.className = 'dark'")
    expect(body).to_have_css("background-color", "rgb(17, 17, 17)")
    framed.evaluate("document.documentElement.className = 'light'")
    expect(body).to_have_css("background-color", "rgb(255, 255, 255)")


def test_states_differ_in_shape_and_words(framed: Page, airflow_ui: FakeAirflow) -> None:
    inner = recovery(framed, airflow_ui)
    badges = inner.locator(".badge").evaluate_all(
        "all => all.map((b) => [b.textContent.trim(), b.querySelector('use').getAttribute('href')])"
    )
    assert {tuple(badge) for badge in badges} == {
        ("Protected", "#shape-protected"),
        ("Late", "#shape-late"),
        ("Never", "#shape-never"),
        ("Unreadable", "#shape-unreadable"),
    }


def test_the_keyboard_reaches_the_details_and_stays_there(
    framed: Page, airflow_ui: FakeAirflow
) -> None:
    inner = recovery(framed, airflow_ui)
    inner.locator("#sort").focus()
    framed.keyboard.press("Tab")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert frame(framed).evaluate(focused) == "Details: orders on prod-westeurope"
    framed.keyboard.press("Enter")
    details = inner.locator(row("orders.prod-westeurope")).locator("tr.details")
    expect(details).to_contain_text("Storage Blob Data Reader")
    # A refresh replaces the row: the details stay open, and the keyboard stays on the button.
    changed = dataclasses.replace(airflow_ui.fleet.rows[4], error="now it is another reason")
    airflow_ui.fleet.rows = (*airflow_ui.fleet.rows[:4], changed, *airflow_ui.fleet.rows[5:])
    framed.clock.fast_forward(30_000)
    expect(details).to_contain_text("now it is another reason")
    expect(details).to_be_visible()
    assert frame(framed).evaluate(focused) == "Details: orders on prod-westeurope"
    framed.keyboard.press("Enter")
    expect(details).to_be_hidden()


def test_what_is_not_protected_is_named_with_the_reason(
    framed: Page, airflow_ui: FakeAirflow
) -> None:
    inner = recovery(framed, airflow_ui)
    inner.get_by_role("button", name="Details: payments").click()
    details = inner.locator(row(PAYMENTS)).locator("tr.details")
    expect(details).to_contain_text("volume shop-data/pgdata-postgres-0")
    expect(details).to_contain_text("has no snapshot class on this cluster")
    expect(details).to_contain_text("differs from its checksum at capture")


def test_filter_sort_and_chips(framed: Page, airflow_ui: FakeAirflow) -> None:
    inner = recovery(framed, airflow_ui)
    assert names(inner)[:3] == ["orders", "ledger", "payments"]
    inner.get_by_role("button", name="Test restore failed").click()
    assert names(inner) == ["payments", "telemetry"]
    inner.get_by_role("button", name="All").click()
    inner.get_by_role("searchbox", name="Filter").fill("NORTHEUROPE")
    assert names(inner) == ["shop"]
    inner.get_by_role("searchbox", name="Filter").fill("nothing like it")
    expect(inner.get_by_text("No instance matches.")).to_be_visible()
    inner.get_by_role("button", name="Show all").click()
    assert len(names(inner)) == 9
    inner.get_by_role("combobox", name="Sort").select_option("By name")
    assert names(inner)[1:3] == ["ledger", "orders"]
    # A refresh keeps all three.
    inner.get_by_role("searchbox", name="Filter").fill("prod")
    airflow_ui.fleet.rows = airflow_ui.fleet.rows[:5]
    framed.clock.fast_forward(30_000)
    expect(inner.locator("tbody:visible")).to_have_count(5)
    assert names(inner) == ["ledger", "orders", "payments", "shop", "shop"]
    assert inner.get_by_role("searchbox", name="Filter").input_value() == "prod"
    expect(inner.locator(".summary")).to_contain_text("2 of 5 protected")


class TestRuns:
    """What Airflow's API tells about the backup DAGs."""

    def test_last_runs_and_paused_dags_are_shown(
        self, framed: Page, airflow_ui: FakeAirflow
    ) -> None:
        inner = recovery(framed, airflow_ui)
        cell = inner.locator(row(PAYMENTS)).locator(".run")
        expect(cell).to_contain_text("Failed")
        expect(cell).to_contain_text("1 h ago")
        for instance in (PAYMENTS, "ledger.prod-westeurope", "telemetry.prod-westeurope"):
            paused = inner.locator(row(instance)).locator(".run")
            expect(paused).to_contain_text("Schedule paused")
        expect(inner.locator(row("ledger.prod-westeurope"))).to_contain_text("No run yet")
        shop = inner.locator(row(SHOP)).locator(".run")
        shop.scroll_into_view_if_needed()
        expect(shop).to_contain_text("Success")
        expect(shop).not_to_contain_text("paused")

    def test_a_run_opens_in_the_window_around(self, framed: Page, airflow_ui: FakeAirflow) -> None:
        inner = recovery(framed, airflow_ui)
        inner.locator(row(PAYMENTS)).locator(".runlink").click()
        framed.wait_for_url(f"{airflow_ui.url}/dags/backup.{PAYMENTS}/runs/scheduled__1")

    def test_a_dag_that_airflow_does_not_know_is_said_so(
        self, framed: Page, airflow_ui: FakeAirflow, complaints: list[str]
    ) -> None:
        del airflow_ui.runs[f"backup.{PAYMENTS}"]
        inner = recovery(framed, airflow_ui)
        expect(inner.locator(row(PAYMENTS)).locator(".run")).to_contain_text(
            "No such DAG: see Airflow's import errors"
        )
        complaints.clear()  # Chromium logs every 404

    def test_only_rows_in_sight_are_asked_for(self, framed: Page, airflow_ui: FakeAirflow) -> None:
        rows = many(200)
        airflow_ui.fleet.rows = rows
        airflow_ui.runs = {each.backup_dag: [run("success")] for each in rows}
        inner = recovery(framed, airflow_ui)
        expect(inner.locator("tbody")).to_have_count(200)
        framed.wait_for_load_state("networkidle")
        assert 0 < len(airflow_ui.asked) < 40
        last = inner.locator("tbody").last
        last.scroll_into_view_if_needed()
        expect(last.locator(".run")).to_contain_text("Success")
        assert len(set(airflow_ui.asked)) < 100
        assert problems(frame(framed)) == []


class TestBackUpNow:
    """The button, its question, and what Airflow answers."""

    def test_asks_first_and_starts_a_run(self, framed: Page, airflow_ui: FakeAirflow) -> None:
        inner = recovery(framed, airflow_ui)
        button = inner.get_by_role("button", name="Back up now: search")
        button.click()
        expect(inner.get_by_role("dialog")).to_contain_text(
            "Back up search on prod-westeurope now?"
        )
        framed.keyboard.press("Escape")
        expect(inner.get_by_role("dialog")).to_be_hidden()
        assert airflow_ui.started == []
        button.click()
        inner.get_by_role("button", name="Back up now", exact=True).click()
        expect(inner.locator("#notices")).to_contain_text("Backup started")
        assert airflow_ui.started == [("backup.search.prod-westeurope", {})]
        cell = inner.locator(row("search.prod-westeurope")).locator(".run")
        expect(cell).to_contain_text("Queued")
        # When it has ended the page looks for the new point at once.
        airflow_ui.runs["backup.search.prod-westeurope"] = [run("success")]
        reads = airflow_ui.fleet.reads
        framed.clock.fast_forward(5_000)
        expect(cell).to_contain_text("Success")
        framed.wait_for_load_state("networkidle")
        assert airflow_ui.fleet.reads > reads
        inner.get_by_role("link", name="watch the run").click()
        framed.wait_for_url(f"{airflow_ui.url}/dags/backup.search.prod-westeurope/runs/manual__1")

    def test_offers_to_unpause(self, framed: Page, airflow_ui: FakeAirflow) -> None:
        inner = recovery(framed, airflow_ui)
        inner.get_by_role("button", name="Back up now: ledger").click()
        expect(inner.get_by_role("checkbox")).to_be_checked()
        inner.get_by_role("button", name="Back up now", exact=True).click()
        expect(inner.locator("#notices")).to_contain_text("Backup started")
        assert "backup.ledger.prod-westeurope" not in airflow_ui.paused

    def test_says_why_none_was_started(
        self, framed: Page, airflow_ui: FakeAirflow, complaints: list[str]
    ) -> None:
        airflow_ui.forbidden = True
        inner = recovery(framed, airflow_ui)
        inner.get_by_role("button", name="Back up now: search").click()
        inner.get_by_role("button", name="Back up now", exact=True).click()
        expect(inner.locator("#confirm-error")).to_have_text(
            "No backup was started. Your Airflow role may not do this."
        )
        complaints.clear()  # Chromium logs every 403


def test_a_dag_tab_shows_its_instance_opened(framed: Page, airflow_ui: FakeAirflow) -> None:
    inner = open_page(framed, airflow_ui, f"?dag=test_restore.{SHOP}")
    expect(inner.locator("tbody")).to_have_count(1)
    expect(inner.locator("tr.details")).to_be_visible()
    expect(inner.locator(".chip")).to_have_count(0)
    framed.clock.fast_forward(30_000)
    framed.wait_for_load_state("networkidle")
    expect(inner.locator("tr.details")).to_be_visible()
    assert problems(frame(framed)) == []


def test_nothing_moves_for_who_wants_no_motion(framed: Page, airflow_ui: FakeAirflow) -> None:
    framed.emulate_media(reduced_motion="reduce")
    inner = recovery(framed, airflow_ui)
    expect(inner.locator(".more .shape").first).to_have_css("transition-duration", "0s")


def test_works_without_a_frame(framed: Page, airflow_ui: FakeAirflow) -> None:
    framed.goto(f"{airflow_ui.url}/lifeboat/")
    framed.locator(".runlink").first.wait_for()
    framed.locator(row(PAYMENTS)).locator(".runlink").click()
    framed.wait_for_url(f"{airflow_ui.url}/dags/backup.{PAYMENTS}/runs/scheduled__1")
