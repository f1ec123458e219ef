"""A browser for the page tests: named, found, or brought."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from local import browser
from local.errors import LocalClusterError

pytestmark = pytest.mark.browser


def test_a_named_browser_that_does_not_start_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(browser.VARIABLE, str(tmp_path / "none"))
    with pytest.raises(LocalClusterError, match="does not start"):
        browser.ensure_chromium()


def test_a_machine_without_one_gets_one_that_draws_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(browser.VARIABLE, raising=False)
    monkeypatch.setattr(browser, "_NAMES", ())
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=browser.ensure_chromium(), args=["--no-sandbox"]
        )
        page = started.new_page()
        page.set_content("<span>lifeboat</span>")
        # Without a font the text has no width.
        box = page.locator("span").bounding_box()
        started.close()
    assert box is not None
    assert box["width"] > 20
