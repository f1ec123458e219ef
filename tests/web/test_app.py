"""The app over HTTP: who sees what, what the pages say, what they must not let through."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from lifeboat.errors import PolicyError, Problem
from lifeboat.report.objectives import InstanceStatus, Unprotected
from lifeboat.web.app import create_app
from tests.support.fake_fleet import (
    NOW,
    FakeAccess,
    FakeFleet,
    FakeVisitor,
    every_state,
    many,
    status,
)

PAGES = ["/", "/fleet", "/restore?instance=shop.prod-westeurope"]


def client(
    rows: tuple[InstanceStatus, ...] = (),
    user: str = "admin",
    access: FakeAccess | None = None,
    fleet: FakeFleet | None = None,
) -> TestClient:
    app = create_app(fleet or FakeFleet(rows), access or FakeAccess(), clock=lambda: NOW)
    return TestClient(app, cookies={"user": user} if user else {})


def cell(page: str, instance: str) -> str:
    """The text of one instance's part of the page, tags taken out."""
    found = re.search(rf'<tbody[^>]*data-instance="{re.escape(instance)}".*?</tbody>', page, re.S)
    assert found, f"no row of {instance}"
    return " ".join(re.sub(r"<[^>]+>", " ", found.group()).split())


@pytest.mark.parametrize("path", [*PAGES, "/api/instances"])
def test_nobody_who_is_not_logged_in_sees_anything(path: str) -> None:
    answer = client(every_state(), user="").get(path)
    assert answer.status_code == 401
    assert "shop" not in answer.text


@pytest.mark.parametrize("path", [*PAGES, "/api/instances"])
def test_a_person_without_access_is_turned_away(path: str) -> None:
    assert client(every_state(), user="stranger").get(path).status_code == 403


def test_a_browser_is_told_in_words_that_the_session_ended() -> None:
    answer = client(user="").get("/", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 401
    assert "Your Airflow session has ended" in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_health_needs_no_login_and_no_vault() -> None:
    fleet = FakeFleet()
    answer = client(user="", fleet=fleet).get("/api/health")
    assert answer.json() == {"status": "ok"}
    assert fleet.reads == 0


def test_rows_say_what_state_they_are_in() -> None:
    page = client(every_state()).get("/").text
    shop = cell(page, "shop.prod-westeurope")
    assert "Protected" in shop
    assert "2 h 10 m ago" in shop
    assert "2 h 10 m ago RPO 5 h" in shop
    assert "Restored in 4 m 12 s · RTO 15 m" in shop
    assert "Everything that the policy selects is in the newest point." in shop
    assert "volumes were cut at one moment in this fleet" in shop
    payments = cell(page, "payments.prod-westeurope")
    assert "Late" in payments
    assert "3 h 6 m past the RPO of 5 h" in payments
    assert "Last test restore failed. workloads ready: StatefulSet postgres" in payments
    assert "3 left out" in payments
    assert "Incomplete point" in payments
    assert "No point yet" in cell(page, "ledger.prod-westeurope")
    assert "Storage Blob Data Reader" in cell(page, "orders.prod-westeurope")
    assert "The policy asks for no test restore" in cell(page, "staging.stage")


def test_one_unreadable_vault_hides_no_other_row() -> None:
    page = client(every_state()).get("/").text
    assert page.count("<tbody") == len(every_state())


def test_the_worst_come_first() -> None:
    page = client(every_state()).get("/").text
    order = re.findall(r'data-instance="([^"]+)" data-rank', page)
    assert [name.split(".")[0] for name in order[:4]] == [
        "orders",
        "ledger",
        "payments",
        "telemetry",
    ]


def test_the_summary_is_a_sentence() -> None:
    page = client(every_state()).get("/").text
    assert (
        "6 of 9 protected, 1 late, 1 never backed up, 1 unreadable; 4 proven in the last 7 days"
        in page
    )


def test_json_is_the_row_itself() -> None:
    rows = every_state()
    found = client(rows).get("/api/instances").json()
    assert found["generated_at"] == "2026-11-22T23:31:53Z"
    assert found["error"] == ""
    first = found["instances"][0]
    assert first["instance"] == rows[0].instance
    assert rows[0].newest is not None
    assert first["newest"]["age_seconds"] == rows[0].newest.age_seconds
    assert found["instances"][2]["unprotected"][0]["reason"].startswith("its StorageClass")


class TestRights:
    """What a visitor may not do is not offered; what they may not read is not there."""

    def test_a_viewer_reads_but_is_offered_nothing(self) -> None:
        page = client(every_state(), user="viewer").get("/").text
        assert page.count("<tbody") == len(every_state())
        assert "data-backup=" not in page
        assert "restore?instance" not in page
        assert "View only: your role may not start runs" in page

    def test_a_viewer_gets_no_restore_form(self) -> None:
        page = client(every_state(), user="viewer").get(PAGES[2]).text
        assert "<form" not in page
        assert "may not start the DAG" in page

    def test_an_admin_is_offered_both(self) -> None:
        page = client(every_state()).get("/").text
        assert 'data-backup="backup.shop.prod-westeurope"' in page
        assert "restore?instance=shop.prod-westeurope&amp;point=20261122T212153Z-1a2b3c4d" in page

    def test_what_was_never_backed_up_cannot_be_restored(self) -> None:
        page = client(every_state()).get("/").text
        assert "restore?instance=ledger" not in page
        assert "restore?instance=orders" in page  # unreadable from here may be readable elsewhere

    def test_rows_of_unreadable_dags_are_neither_shown_nor_counted(self) -> None:
        access = FakeAccess({"one": FakeVisitor(reads={"backup.shop.prod-westeurope"})})
        visit = client(every_state(), user="one", access=access)
        page = visit.get("/").text
        assert page.count("<tbody") == 1
        assert "All 1 protected" in page
        for other in ("payments", "ledger", "orders", "staging"):
            assert other not in page
        found = visit.get("/api/instances").json()["instances"]
        assert [row["policy"] for row in found] == ["shop"]
        assert visit.get("/restore?instance=staging.stage").status_code == 404

    def test_backup_and_restore_are_separate_rights(self) -> None:
        mine = "backup.shop.prod-westeurope"
        access = FakeAccess(
            {"op": FakeVisitor(starts={mine}), "dr": FakeVisitor(starts={"restore"})}
        )
        operator = client(every_state(), user="op", access=access).get("/").text
        assert re.findall(r'data-backup="([^"]+)"', operator) == [mine]
        assert "restore?instance" not in operator
        rescuer = client(every_state(), user="dr", access=access).get("/").text
        assert "data-backup=" not in rescuer
        assert "restore?instance" in rescuer

    def test_a_row_without_a_dag_is_for_those_who_may_restore(self) -> None:
        orphan = (status("old", state="late", backup_dag=""),)
        assert "<tbody" in client(orphan).get("/").text
        assert "<tbody" not in client(orphan, user="viewer").get("/").text


class TestNoInjection:
    """Names and reasons come from clusters: nothing in them may become markup."""

    EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"

    def rows(self) -> tuple[InstanceStatus, ...]:
        return (
            status(
                self.EVIL,
                self.EVIL,
                "unreadable",
                error=self.EVIL,
                last_failed_proof=self.EVIL,
            ),
            status(
                "late" + self.EVIL,
                state="late",
                newest=every_state()[2].newest,
                last_failed_proof=self.EVIL,
                unprotected=(Unprotected(self.EVIL, self.EVIL),),
                backup_dag=self.EVIL,
            ),
        )

    @pytest.mark.parametrize("path", ["/", "/fleet"])
    def test_every_field_is_escaped(self, path: str) -> None:
        page = client(self.rows()).get(path, params={"dag": ""}).text
        assert page.count("<tbody") == 2
        assert "<script>alert" not in page
        assert "<img" not in page

    def test_the_address_is_escaped(self) -> None:
        page = client(self.rows()).get("/", params={"dag": self.EVIL + "x"}).text
        assert "backs nothing up" in page
        assert "<script>alert" not in page
        page = (
            client(self.rows()).get("/restore", params={"instance": self.rows()[0].instance}).text
        )
        assert "<script>alert" not in page

    @pytest.mark.parametrize("path", [*PAGES, "/static/recovery.js", "/nowhere"])
    def test_the_policy_forbids_what_escaping_might_miss(self, path: str) -> None:
        answer = client(every_state()).get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"

    @pytest.mark.parametrize("path", PAGES)
    def test_nothing_is_inline_and_nothing_from_elsewhere(self, path: str) -> None:
        page = client(every_state()).get(path).text
        assert not re.search(r"\son\w+=", page)
        assert not re.search(r"\sstyle=", page)
        assert not re.search(r"<script(?![^>]*\ssrc=\"static/)", page)
        for address in re.findall(r'(?:href|src)="([^"]*)"', page):
            assert not address.startswith(("/", "http", "//", "javascript:")), address


class TestNarrowedToADag:
    """The tab on a DAG's page."""

    @pytest.mark.parametrize("kind", ["backup", "test_restore"])
    def test_shows_the_instance_of_the_dag(self, kind: str) -> None:
        page = client(every_state()).get("/", params={"dag": f"{kind}.search.prod-westeurope"})
        assert re.findall(r'data-instance="([^"]+)" data-rank', page.text) == [
            "search.prod-westeurope"
        ]

    def test_says_so_when_the_dag_is_no_backup(self) -> None:
        page = client(every_state()).get("/", params={"dag": "etl"}).text
        assert "etl backs nothing up" in page

    def test_the_restore_dag_belongs_to_all(self) -> None:
        page = client(every_state()).get("/", params={"dag": "restore"}).text
        assert page.count("<tbody") == len(every_state())


class TestTrouble:
    """What is wrong is said, with what to do."""

    def test_an_empty_fleet_says_how_to_begin(self) -> None:
        page = client().get("/").text
        assert "Nothing is protected yet" in page
        assert "include/policies/" in page

    def test_what_can_be_typed_is_code_and_still_escaped(self) -> None:
        row = status("shop", state="unreadable", error="run `lifeboat vault init` <b>")
        assert "run <code>lifeboat vault init</code> &lt;b&gt;" in client((row,)).get("/").text

    def test_a_broken_policy_is_named(self) -> None:
        fleet = FakeFleet()
        fleet.failure = PolicyError(
            [Problem("policies/shop.yaml", 7, "schedule", "'61 * * * *'", "write a cron line")]
        )
        page = client(fleet=fleet).get("/").text
        assert "policies/shop.yaml:7" in page
        assert "The state of the backups cannot be read" in page
        answer = client(fleet=fleet).get("/api/instances")
        assert answer.status_code == 503
        assert "shop.yaml" in answer.json()["error"]

    def test_a_file_without_a_row_is_told_to_those_who_may_know(self) -> None:
        fleet = FakeFleet(every_state())
        fleet.wrong = ("policies/secret-project.yaml:3: keep: found 0. at least 1",)
        page = client(fleet=fleet).get("/").text
        assert "secret-project.yaml:3" in page
        assert page.count("<tbody") == len(every_state())
        assert "secret-project" in client(fleet=fleet).get("/api/instances").text
        viewer = client(fleet=fleet, user="viewer")
        assert "1 mistake; who may start restores sees which." in viewer.get("/").text
        for path in ("/", "/api/instances"):
            assert "secret-project" not in viewer.get(path).text

    def test_an_unexpected_error_tells_no_details(self) -> None:
        fleet = FakeFleet()
        fleet.failure = RuntimeError("password=hunter2")
        page = client(fleet=fleet).get("/").text
        assert "hunter2" not in page
        assert "RuntimeError" in page

    @pytest.mark.parametrize("path", ["/restore?instance=gone", "/restore", "/nowhere"])
    def test_a_wrong_address_is_a_page(self, path: str) -> None:
        answer = client(every_state()).get(path, headers={"Accept": "text/html"})
        assert answer.status_code == 404
        assert "There is nothing here" in answer.text


def test_works_below_any_prefix() -> None:
    outer = FastAPI()
    outer.mount(
        "/team/airflow/lifeboat",
        create_app(FakeFleet(every_state()), FakeAccess(), clock=lambda: NOW),
    )
    visit = TestClient(outer, cookies={"user": "admin"})
    page = visit.get("/team/airflow/lifeboat/")
    assert page.status_code == 200
    for asset in re.findall(r'(?:href|src)="(static/[^"]+)"', page.text):
        assert visit.get(f"/team/airflow/lifeboat/{asset}").status_code == 200
    assert visit.get("/team/airflow/lifeboat").url.path == "/team/airflow/lifeboat/"


def test_static_files_are_revalidated_and_pages_never_stored() -> None:
    visit = client(every_state())
    assert visit.get("/static/lifeboat.css").headers["cache-control"] == "no-cache"
    assert visit.get("/").headers["cache-control"] == "no-store"


def test_two_hundred_rows_stay_small_enough_to_refresh() -> None:
    page = client(many(200)).get("/fleet")
    assert page.text.count("<tbody") == 200
    assert len(page.content) < 1_500_000


def test_ages_of_proofs_count_from_now() -> None:
    rows = (status("shop", newest=every_state()[0].newest, proof=every_state()[0].proof),)
    later = create_app(FakeFleet(rows), FakeAccess(), clock=lambda: NOW + timedelta(days=10))
    page = TestClient(later, cookies={"user": "admin"}).get("/").text
    assert "Proven 11 d 7 h ago" in cell(page, "shop.prod-westeurope")
    assert "none proven in the last 7 days" in page
