"""The Recovery page in a real Chromium, when something else does not work."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from lifeboat.report.objectives import Unprotected
from tests.support.fake_airflow import FakeAirflow
from tests.support.fake_fleet import every_state, status
from tests.support.legible import problems
from tests.support.recovery_page import PAYMENTS, frame, names, open_page, recovery, row

pytestmark = pytest.mark.browser


class TestTrouble:
    """What happens when something else does not work."""

    def test_an_ended_session_is_told_and_the_rows_stay(
        self, framed: Page, airflow_ui: FakeAirflow, context: BrowserContext, complaints: list[str]
    ) -> None:
        inner = recovery(framed, airflow_ui)
        context.clear_cookies()
        framed.clock.fast_forward(30_000)
        expect(inner.locator("#notices")).to_contain_text("Your Airflow session has ended")
        expect(inner.locator("#notices")).to_contain_text("23:31:53 UTC")
        assert len(names(inner)) == 9
        context.add_cookies([{"name": "user", "value": "admin", "url": airflow_ui.url}])
        framed.clock.fast_forward(30_000)
        expect(inner.locator("#notices")).to_be_empty()
        complaints.clear()  # Chromium logs every 401

    def test_a_policy_that_breaks_leaves_the_known_rows(
        self, framed: Page, airflow_ui: FakeAirflow
    ) -> None:
        inner = recovery(framed, airflow_ui)
        airflow_ui.fleet.failure = OSError()
        framed.clock.fast_forward(30_000)
        expect(inner.locator("#head [role=alert]")).to_contain_text("cannot be read")
        assert len(names(inner)) == 9
        airflow_ui.fleet.failure = None
        framed.clock.fast_forward(30_000)
        expect(inner.locator(".summary")).to_contain_text("6 of 9 protected")

    def test_a_broken_file_shows_while_it_is_broken(
        self, framed: Page, airflow_ui: FakeAirflow
    ) -> None:
        inner = recovery(framed, airflow_ui)
        airflow_ui.fleet.wrong = ("policies/web.yaml:3: schedule: found 'x'. a cron line",)
        framed.clock.fast_forward(30_000)
        expect(inner.locator("#problems")).to_contain_text("policies/web.yaml:3")
        assert problems(frame(framed)) == []
        airflow_ui.fleet.wrong = ()
        framed.clock.fast_forward(30_000)
        expect(inner.locator("#problems")).to_have_count(0)

    def test_an_empty_fleet_fills_when_a_policy_comes(
        self, framed: Page, airflow_ui: FakeAirflow
    ) -> None:
        rows, airflow_ui.fleet.rows = airflow_ui.fleet.rows, ()
        inner = open_page(framed, airflow_ui)
        expect(inner.get_by_text("Nothing is protected yet")).to_be_visible()
        assert problems(frame(framed)) == []
        airflow_ui.fleet.rows = rows
        framed.clock.fast_forward(30_000)
        expect(inner.locator("tbody")).to_have_count(9)
        inner.get_by_role("button", name="Details: payments").click()
        expect(inner.locator(row(PAYMENTS)).locator("tr.details")).to_be_visible()

    def test_names_that_are_markup_stay_text(self, framed: Page, airflow_ui: FakeAirflow) -> None:
        evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
        airflow_ui.fleet.rows = (
            status(
                evil,
                evil,
                newest=every_state()[0].newest,
                unprotected=(Unprotected(evil, evil),),
                backup_dag="one",
            ),
            status(
                evil + "2",
                state="unreadable",
                error=evil,
                last_failed_proof=evil,
                backup_dag="two",
            ),
        )
        airflow_ui.runs = {"one": [], "two": []}
        inner = open_page(framed, airflow_ui)
        expect(inner.locator("tbody")).to_have_count(2)
        for button in inner.locator("button.more").all():
            button.click()
        airflow_ui.fleet.rows = airflow_ui.fleet.rows[::-1]
        framed.clock.fast_forward(30_000)
        framed.wait_for_load_state("networkidle")
        assert inner.locator("main img, main script").count() == 0
        inner.locator("[data-backup]").first.click()
        expect(inner.get_by_role("dialog")).to_contain_text("<img src=x")
        framed.evaluate("1")  # anything that was to pop up has had its turn
