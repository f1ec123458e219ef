"""The restore form in a real Chromium: the DAG's own params, filled in by the address."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.fake_airflow import FakeAirflow
from tests.support.legible import problems
from tests.support.recovery_page import PAYMENTS, SHOP, frame, open_page, recovery

pytestmark = pytest.mark.browser


class TestRestore:
    """The form: the DAG's own params, filled in."""

    def test_is_filled_in_by_the_link_and_starts_the_run(
        self, framed: Page, airflow_ui: FakeAirflow, picture: Callable[[Page, str], Path]
    ) -> None:
        inner = recovery(framed, airflow_ui)
        inner.get_by_role("link", name="Restore… payments").click()
        expect(inner.get_by_label("Instance", exact=True)).to_have_value(PAYMENTS)
        expect(inner.get_by_label("Point", exact=True)).to_have_value("20261122T152553Z-1a2b3c4d")
        assert problems(frame(framed)) == []
        picture(framed, "restore")
        proven = inner.get_by_role("button", name="Newest proven point")
        proven.click()
        expect(proven).to_have_attribute("aria-pressed", "true")
        inner.get_by_label("Namespaces", exact=True).fill("shop\n\n  billing ")
        inner.get_by_label("Rename namespaces").fill('{"shop": "shop-copy"}')
        inner.get_by_label("Objects that exist").select_option("Update")
        inner.get_by_label("Volumes").uncheck()
        inner.get_by_role("button", name="Start the restore").click()
        framed.wait_for_url(f"{airflow_ui.url}/dags/restore/runs/manual__1")
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
        self, framed: Page, airflow_ui: FakeAirflow
    ) -> None:
        inner = open_page(
            framed,
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
        self, framed: Page, airflow_ui: FakeAirflow, label: str, value: str, words: str
    ) -> None:
        inner = open_page(framed, airflow_ui, f"restore?instance={SHOP}")
        field = inner.get_by_label(label)
        field.fill(value)
        inner.get_by_role("button", name="Start the restore").click()
        expect(inner.locator("#error")).to_contain_text(words)
        expect(field).to_be_focused()
        assert airflow_ui.started == []
        assert problems(frame(framed)) == []

    def test_a_paused_restore_dag_is_unpaused(self, framed: Page, airflow_ui: FakeAirflow) -> None:
        airflow_ui.paused.add("restore")
        inner = open_page(framed, airflow_ui, f"restore?instance={SHOP}")
        expect(inner.locator("#paused")).to_be_visible()
        inner.get_by_role("button", name="Start the restore").click()
        framed.wait_for_url(f"{airflow_ui.url}/dags/restore/runs/*")
        assert "restore" not in airflow_ui.paused
