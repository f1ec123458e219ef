"""The pages in a real Chromium, framed as Airflow frames them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Frame, FrameLocator, Page, expect

from lifeboat.report.objectives import Unprotected
from tests.support.fake_airflow import FakeAirflow, run, serving
from tests.support.fake_fleet import NOW, FakeFleet, every_state, many, status
from tests.support.legible import problems

pytestmark = pytest.mark.browser

PREFIX = "/team/airflow"
SHOP = "shop.prod-westeurope"
PAYMENTS = "payments.prod-westeurope"
HOST_WARNING = "An iframe which has both allow-scripts and allow-same-origin"
"""Chromium's opinion of Airflow's own frame; every framed page has it."""


@pytest.fixture
def airflow_ui(context: BrowserContext) -> Iterator[FakeAirflow]:
    """A host with the fleet in every state, below a prefix; `admin` is logged in."""
    rows = every_state()
    ui = FakeAirflow(FakeFleet(rows), prefix=PREFIX)
    ui.runs = {row.backup_dag: [run("success")] for row in rows}
    ui.runs[rows[2].backup_dag] = [run("failed", "scheduled__1")]
    ui.runs[rows[3].backup_dag] = []
    ui.paused = {rows[2].backup_dag, rows[3].backup_dag, rows[8].backup_dag}
    with serving(ui):
        context.add_cookies([{"name": "user", "value": "admin", "url": ui.url}])
        yield ui


@pytest.fixture
def page(page: Page, complaints: list[str]) -> Iterator[Page]:
    """A page whose clock stands at NOW and runs on."""
    page.clock.install(time=NOW)
    yield page
    complaints[:] = [line for line in complaints if HOST_WARNING not in line]


def open_page(page: Page, ui: FakeAirflow, inner: str = "", theme: str = "light") -> FrameLocator:
    page.goto(f"{ui.url}/plugin/recovery?theme={theme}&inner={inner.replace('&', '%26')}")
    return page.frame_locator("iframe")


def recovery(page: Page, ui: FakeAirflow, theme: str = "light") -> FrameLocator:
    inner = open_page(page, ui, theme=theme)
    inner.locator(".runlink").first.wait_for()
    return inner


def frame(page: Page) -> Frame:
    return page.frames[1]


def row(instance: str) -> str:
    return f'tbody[data-instance="{instance}"]'


def names(inner: FrameLocator) -> list[str]:
    return inner.locator("tbody:visible .policy").all_inner_texts()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 980, 700, 390])
def test_everything_is_legible_in_every_size(
    page: Page,
    airflow_ui: FakeAirflow,
    picture: Callable[[Page, str], Path],
    theme: str,
    width: int,
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    inner = recovery(page, airflow_ui, theme)
    assert frame(page).evaluate("document.documentElement.dataset.theme") == theme
    assert problems(frame(page)) == []
    assert picture(page, f"recovery-{theme}-{width}").stat().st_size > 10_000
    for button in inner.locator("button.more").all():
        button.click()
    assert problems(frame(page)) == []
    inner.get_by_role("button", name="Back up now: ledger").click()
    expect(inner.locator("#confirm-paused")).to_be_visible()
    assert problems(frame(page)) == []
    picture(page, f"recovery-{theme}-{width}-dialog")


def test_the_theme_follows_airflow(page: Page, airflow_ui: FakeAirflow) -> None:
    inner = recovery(page, airflow_ui)
    body = inner.locator("body")
    expect(body).to_have_css("background-color", "rgb(255, 255, 255)")
    page.evaluate("document.documentElement.className = 'dark'")
    expect(body).to_have_css("background-color", "rgb(17, 17, 17)")
    page.evaluate("document.documentElement.className = 'light'")
    expect(body).to_have_css("background-color", "rgb(255, 255, 255)")


def test_states_differ_in_shape_and_words(page: Page, airflow_ui: FakeAirflow) -> None:
    inner = recovery(page, airflow_ui)
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
    page: Page, airflow_ui: FakeAirflow
) -> None:
    inner = recovery(page, airflow_ui)
    inner.locator("#sort").focus()
    page.keyboard.press("Tab")
    focused = "document.activeElement.getAttribute('aria-label')"
    assert frame(page).evaluate(focused) == "Details: orders on prod-westeurope"
    page.keyboard.press("Enter")
    details = inner.locator(row("orders.prod-westeurope")).locator("tr.details")
    expect(details).to_contain_text("Storage Blob Data Reader")
    # A refresh replaces the row: the details stay open, and the keyboard stays on the button.
    changed = dataclasses.replace(airflow_ui.fleet.rows[4], error="now it is another reason")
    airflow_ui.fleet.rows = (*airflow_ui.fleet.rows[:4], changed, *airflow_ui.fleet.rows[5:])
    page.clock.fast_forward(30_000)
    expect(details).to_contain_text("now it is another reason")
    expect(details).to_be_visible()
    assert frame(page).evaluate(focused) == "Details: orders on prod-westeurope"
    page.keyboard.press("Enter")
    expect(details).to_be_hidden()


def test_what_is_not_protected_is_named_with_the_reason(
    page: Page, airflow_ui: FakeAirflow
) -> None:
    inner = recovery(page, airflow_ui)
    inner.get_by_role("button", name="Details: payments").click()
    details = inner.locator(row(PAYMENTS)).locator("tr.details")
    expect(details).to_contain_text("volume shop-data/pgdata-postgres-0")
    expect(details).to_contain_text("has no snapshot class on this cluster")
    expect(details).to_contain_text("differs from its checksum at capture")


def test_filter_sort_and_chips(page: Page, airflow_ui: FakeAirflow) -> None:
    inner = recovery(page, airflow_ui)
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
    page.clock.fast_forward(30_000)
    expect(inner.locator("tbody:visible")).to_have_count(5)
    assert names(inner) == ["ledger", "orders", "payments", "shop", "shop"]
    assert inner.get_by_role("searchbox", name="Filter").input_value() == "prod"
    expect(inner.locator(".summary")).to_contain_text("2 of 5 protected")


class TestRuns:
    """What Airflow's API tells about the backup DAGs."""

    def test_last_runs_and_paused_dags_are_shown(self, page: Page, airflow_ui: FakeAirflow) -> None:
        inner = recovery(page, airflow_ui)
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

    def test_a_run_opens_in_the_window_around(self, page: Page, airflow_ui: FakeAirflow) -> None:
        inner = recovery(page, airflow_ui)
        inner.locator(row(PAYMENTS)).locator(".runlink").click()
        page.wait_for_url(f"{airflow_ui.url}/dags/backup.{PAYMENTS}/runs/scheduled__1")

    def test_a_dag_that_airflow_does_not_know_is_said_so(
        self, page: Page, airflow_ui: FakeAirflow, complaints: list[str]
    ) -> None:
        del airflow_ui.runs[f"backup.{PAYMENTS}"]
        inner = recovery(page, airflow_ui)
        expect(inner.locator(row(PAYMENTS)).locator(".run")).to_contain_text(
            "No such DAG: see Airflow's import errors"
        )
        complaints.clear()  # Chromium logs every 404

    def test_only_rows_in_sight_are_asked_for(self, page: Page, airflow_ui: FakeAirflow) -> None:
        rows = many(200)
        airflow_ui.fleet.rows = rows
        airflow_ui.runs = {each.backup_dag: [run("success")] for each in rows}
        inner = recovery(page, airflow_ui)
        expect(inner.locator("tbody")).to_have_count(200)
        page.wait_for_load_state("networkidle")
        assert 0 < len(airflow_ui.asked) < 40
        last = inner.locator("tbody").last
        last.scroll_into_view_if_needed()
        expect(last.locator(".run")).to_contain_text("Success")
        assert len(set(airflow_ui.asked)) < 100
        assert problems(frame(page)) == []


class TestBackUpNow:
    """The button, its question, and what Airflow answers."""

    def test_asks_first_and_starts_a_run(self, page: Page, airflow_ui: FakeAirflow) -> None:
        inner = recovery(page, airflow_ui)
        button = inner.get_by_role("button", name="Back up now: search")
        button.click()
        expect(inner.get_by_role("dialog")).to_contain_text(
            "Back up search on prod-westeurope now?"
        )
        page.keyboard.press("Escape")
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
        page.clock.fast_forward(5_000)
        expect(cell).to_contain_text("Success")
        page.wait_for_load_state("networkidle")
        assert airflow_ui.fleet.reads > reads
        inner.get_by_role("link", name="watch the run").click()
        page.wait_for_url(f"{airflow_ui.url}/dags/backup.search.prod-westeurope/runs/manual__1")

    def test_offers_to_unpause(self, page: Page, airflow_ui: FakeAirflow) -> None:
        inner = recovery(page, airflow_ui)
        inner.get_by_role("button", name="Back up now: ledger").click()
        expect(inner.get_by_role("checkbox")).to_be_checked()
        inner.get_by_role("button", name="Back up now", exact=True).click()
        expect(inner.locator("#notices")).to_contain_text("Backup started")
        assert "backup.ledger.prod-westeurope" not in airflow_ui.paused

    def test_says_why_none_was_started(
        self, page: Page, airflow_ui: FakeAirflow, complaints: list[str]
    ) -> None:
        airflow_ui.forbidden = True
        inner = recovery(page, airflow_ui)
        inner.get_by_role("button", name="Back up now: search").click()
        inner.get_by_role("button", name="Back up now", exact=True).click()
        expect(inner.locator("#confirm-error")).to_have_text(
            "No backup was started. Your Airflow role may not do this."
        )
        complaints.clear()  # Chromium logs every 403


class TestRestore:
    """The form: the DAG's own params, filled in."""

    def test_is_filled_in_by_the_link_and_starts_the_run(
        self, page: Page, airflow_ui: FakeAirflow, picture: Callable[[Page, str], Path]
    ) -> None:
        inner = recovery(page, airflow_ui)
        inner.get_by_role("link", name="Restore… payments").click()
        expect(inner.get_by_label("Instance")).to_have_value(PAYMENTS)
        expect(inner.get_by_label("Point", exact=True)).to_have_value("20261122T152553Z-1a2b3c4d")
        assert problems(frame(page)) == []
        picture(page, "restore")
        proven = inner.get_by_role("button", name="Newest proven point")
        proven.click()
        expect(proven).to_have_attribute("aria-pressed", "true")
        inner.get_by_label("Namespaces", exact=True).fill("shop\n\n  billing ")
        inner.get_by_label("Rename namespaces").fill('{"shop": "shop-copy"}')
        inner.get_by_label("Objects that exist").select_option("Update")
        inner.get_by_label("Volumes").uncheck()
        inner.get_by_role("button", name="Start the restore").click()
        page.wait_for_url(f"{airflow_ui.url}/dags/restore/runs/manual__1")
        assert airflow_ui.started == [
            (
                "restore",
                {
                    "instance": PAYMENTS,
                    "point": "20261113T213153Z-1a2b3c4d",
                    "before": None,
                    "namespaces": ["shop", "billing"],
                    "mapping": {"shop": "shop-copy"},
                    "mode": "merge",
                    "waves": 16,
                    "volumes": False,
                    "dry_run": False,
                    "version": "v1",
                },
            )
        ]

    def test_the_address_fills_in_every_kind_of_field(
        self, page: Page, airflow_ui: FakeAirflow
    ) -> None:
        inner = open_page(
            page,
            airflow_ui,
            f"restore?instance={SHOP}&namespaces=a,b&mode=merge&dry_run=true&waves=3",
        )
        expect(inner.get_by_label("Namespaces", exact=True)).to_have_value("a\nb")
        expect(inner.get_by_label("Objects that exist")).to_have_value("merge")
        expect(inner.get_by_label("Plan only")).to_be_checked()
        expect(inner.get_by_label("At once")).to_have_value("3")

    @pytest.mark.parametrize(
        ("label", "value", "words"),
        [
            ("Rename namespaces", "{shop", "Rename namespaces is not valid JSON"),
            ("At once", "99", "At once: "),
            ("At once", "", "At once is needed."),
        ],
    )
    def test_a_wrong_value_is_named_and_focused(
        self, page: Page, airflow_ui: FakeAirflow, label: str, value: str, words: str
    ) -> None:
        inner = open_page(page, airflow_ui, f"restore?instance={SHOP}")
        field = inner.get_by_label(label)
        field.fill(value)
        inner.get_by_role("button", name="Start the restore").click()
        expect(inner.locator("#error")).to_contain_text(words)
        expect(field).to_be_focused()
        assert airflow_ui.started == []
        assert problems(frame(page)) == []

    def test_a_paused_restore_dag_is_unpaused(self, page: Page, airflow_ui: FakeAirflow) -> None:
        airflow_ui.paused.add("restore")
        inner = open_page(page, airflow_ui, f"restore?instance={SHOP}")
        expect(inner.locator("#paused")).to_be_visible()
        inner.get_by_role("button", name="Start the restore").click()
        page.wait_for_url(f"{airflow_ui.url}/dags/restore/runs/*")
        assert "restore" not in airflow_ui.paused


class TestTrouble:
    """What happens when something else does not work."""

    def test_an_ended_session_is_told_and_the_rows_stay(
        self, page: Page, airflow_ui: FakeAirflow, context: BrowserContext, complaints: list[str]
    ) -> None:
        inner = recovery(page, airflow_ui)
        context.clear_cookies()
        page.clock.fast_forward(30_000)
        expect(inner.locator("#notices")).to_contain_text("Your Airflow session has ended")
        expect(inner.locator("#notices")).to_contain_text("23:31:53 UTC")
        assert len(names(inner)) == 9
        context.add_cookies([{"name": "user", "value": "admin", "url": airflow_ui.url}])
        page.clock.fast_forward(30_000)
        expect(inner.locator("#notices")).to_be_empty()
        complaints.clear()  # Chromium logs every 401

    def test_a_policy_that_breaks_leaves_the_known_rows(
        self, page: Page, airflow_ui: FakeAirflow
    ) -> None:
        inner = recovery(page, airflow_ui)
        airflow_ui.fleet.failure = OSError()
        page.clock.fast_forward(30_000)
        expect(inner.locator("#head [role=alert]")).to_contain_text("cannot be read")
        assert len(names(inner)) == 9
        airflow_ui.fleet.failure = None
        page.clock.fast_forward(30_000)
        expect(inner.locator(".summary")).to_contain_text("6 of 9 protected")

    def test_a_broken_file_shows_while_it_is_broken(
        self, page: Page, airflow_ui: FakeAirflow
    ) -> None:
        inner = recovery(page, airflow_ui)
        airflow_ui.fleet.wrong = ("policies/web.yaml:3: schedule: found 'x'. a cron line",)
        page.clock.fast_forward(30_000)
        expect(inner.locator("#problems")).to_contain_text("policies/web.yaml:3")
        assert problems(frame(page)) == []
        airflow_ui.fleet.wrong = ()
        page.clock.fast_forward(30_000)
        expect(inner.locator("#problems")).to_have_count(0)

    def test_an_empty_fleet_fills_when_a_policy_comes(
        self, page: Page, airflow_ui: FakeAirflow
    ) -> None:
        rows, airflow_ui.fleet.rows = airflow_ui.fleet.rows, ()
        inner = open_page(page, airflow_ui)
        expect(inner.get_by_text("Nothing is protected yet")).to_be_visible()
        assert problems(frame(page)) == []
        airflow_ui.fleet.rows = rows
        page.clock.fast_forward(30_000)
        expect(inner.locator("tbody")).to_have_count(9)
        inner.get_by_role("button", name="Details: payments").click()
        expect(inner.locator(row(PAYMENTS)).locator("tr.details")).to_be_visible()

    def test_names_that_are_markup_stay_text(self, page: Page, airflow_ui: FakeAirflow) -> None:
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
        inner = open_page(page, airflow_ui)
        expect(inner.locator("tbody")).to_have_count(2)
        for button in inner.locator("button.more").all():
            button.click()
        airflow_ui.fleet.rows = airflow_ui.fleet.rows[::-1]
        page.clock.fast_forward(30_000)
        page.wait_for_load_state("networkidle")
        assert inner.locator("main img, main script").count() == 0
        inner.locator("[data-backup]").first.click()
        expect(inner.get_by_role("dialog")).to_contain_text("<img src=x")
        page.evaluate("1")  # anything that was to pop up has had its turn


def test_a_dag_tab_shows_its_instance_opened(page: Page, airflow_ui: FakeAirflow) -> None:
    inner = open_page(page, airflow_ui, f"?dag=test_restore.{SHOP}")
    expect(inner.locator("tbody")).to_have_count(1)
    expect(inner.locator("tr.details")).to_be_visible()
    expect(inner.locator(".chip")).to_have_count(0)
    page.clock.fast_forward(30_000)
    page.wait_for_load_state("networkidle")
    expect(inner.locator("tr.details")).to_be_visible()
    assert problems(frame(page)) == []


def test_nothing_moves_for_who_wants_no_motion(page: Page, airflow_ui: FakeAirflow) -> None:
    page.emulate_media(reduced_motion="reduce")
    inner = recovery(page, airflow_ui)
    expect(inner.locator(".more .shape").first).to_have_css("transition-duration", "0s")


def test_works_without_a_frame(page: Page, airflow_ui: FakeAirflow) -> None:
    page.goto(f"{airflow_ui.url}/lifeboat/")
    page.locator(".runlink").first.wait_for()
    page.locator(row(PAYMENTS)).locator(".runlink").click()
    page.wait_for_url(f"{airflow_ui.url}/dags/backup.{PAYMENTS}/runs/scheduled__1")
