"""Opens the Recovery page in its host and finds its parts."""

from __future__ import annotations

from playwright.sync_api import Frame, FrameLocator, Page

from tests.support.fake_airflow import FakeAirflow

SHOP = "shop.prod-westeurope"
PAYMENTS = "payments.prod-westeurope"


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
