"""The Recovery page of a fleet in every state, in a host like Airflow's, with a clock at NOW."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page

from tests.support.fake_airflow import FakeAirflow, run, serving
from tests.support.fake_fleet import NOW, FakeFleet, clusters, every_state

PREFIX = "/team/airflow"
HOST_WARNING = "An iframe which has both allow-scripts and allow-same-origin"
"""Chromium's opinion of Airflow's own frame; every framed page has it."""


@pytest.fixture
def airflow_ui(context: BrowserContext) -> Iterator[FakeAirflow]:
    """A host with the fleet in every state, below a prefix; `admin` is logged in."""
    rows = every_state()
    ui = FakeAirflow(FakeFleet(rows, clusters()), prefix=PREFIX)
    ui.runs = {row.backup_dag: [run("success")] for row in rows}
    ui.runs[rows[2].backup_dag] = [run("failed", "scheduled__1")]
    ui.runs[rows[3].backup_dag] = []
    ui.paused = {rows[2].backup_dag, rows[3].backup_dag, rows[8].backup_dag}
    with serving(ui):
        context.add_cookies([{"name": "user", "value": "admin", "url": ui.url}])
        yield ui


@pytest.fixture
def framed(page: Page, complaints: list[str]) -> Iterator[Page]:
    """A page whose clock stands at NOW and runs on."""
    page.clock.install(time=NOW)
    yield page
    complaints[:] = [line for line in complaints if HOST_WARNING not in line]
