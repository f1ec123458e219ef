"""The Recovery page inside a real Airflow: its login, its rights, its frame, its theme, its API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3
import yaml
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, expect

from lifeboat.adapters.store_local import LocalStore
from lifeboat.clock import utc_now
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault
from local.airflow_client import AirflowClient
from local.airflow_stack import AirflowStack, temporary_airflow
from tests.support.legible import problems

pytestmark = [pytest.mark.airflow, pytest.mark.browser]

POLICY = {
    "schedule": {"cron": "0 */4 * * *"},
    "objectives": {"rpo": "5h"},
    "clusters": ["local"],
    "select": {"namespaces": {"include": ["shop"]}},
    "retention": {"keep": {"last": 7}},
}
CLUSTER = {"name": "local", "kubeconfig": "/nowhere/kubeconfig"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """An Airflow with three policies: one never backed up, one whose vault is gone, one broken."""
    root = tmp_path_factory.mktemp("fleet")
    include = root / "include"
    (include / "policies").mkdir(parents=True)
    _write(
        include / "clusters.yaml",
        {
            "clusters": [CLUSTER],
            "vaults": [
                {"name": "main", "url": f"file://{root}/vault", "key": "connection:vault_key"},
                {"name": "lost", "url": f"file://{root}/lost", "key": "connection:vault_key"},
            ],
        },
    )
    _write(include / "policies/shop.yaml", {"name": "shop", "vault": "main", **POLICY})
    _write(include / "policies/ledger.yaml", {"name": "ledger", "vault": "lost", **POLICY})
    _write(include / "policies/typo.yaml", {"name": "typo", "scedule": {}, **POLICY})
    secret = generate_key()
    create_vault(LocalStore.create(root / "vault"), secret, utc_now)
    key = json.dumps({"conn_type": "generic", "password": secret})
    with temporary_airflow(
        {"LIFEBOAT_INCLUDE": str(include), "AIRFLOW_CONN_VAULT_KEY": key}
    ) as airflow:
        client = airflow.client()
        for dag in ("backup.shop.local", "backup.ledger.local", "restore"):
            client.wait_for_dag(dag)
        client.close()
        yield airflow


@pytest.fixture
def log_in(
    chromium: Browser, stack: AirflowStack
) -> Iterator[Callable[[str], tuple[Page, list[str]]]]:
    """Opens a page as one of the users, by Airflow's login form; also what its console says."""
    contexts: list[BrowserContext] = []

    def enter(user: str) -> tuple[Page, list[str]]:
        context = chromium.new_context(viewport={"width": 1280, "height": 800})
        context.set_default_timeout(120_000)
        contexts.append(context)
        page = context.new_page()
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
        page.goto(f"{stack.url}/auth/login/")
        page.locator("[name=username]").fill(user)
        page.locator("[name=password]").fill(stack.passwords[user])
        page.locator("[type=submit]").click()
        page.wait_for_url(f"{stack.url}/")
        said.clear()
        return page, said

    yield enter
    for context in contexts:
        context.close()


def recovery(page: Page, stack: AirflowStack) -> FrameLocator:
    page.goto(f"{stack.url}/plugin/recovery")
    inner = page.frame_locator("iframe")
    expect(inner.locator("#rows tbody")).to_have_count(2)
    return inner


def status_of(url: str, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return urllib3.request("GET", url, headers=headers, redirect=False).status


def test_airflow_loads_the_plugin(stack: AirflowStack) -> None:
    client = stack.client()
    plugins = client.request("GET", "/api/v2/plugins")["plugins"]
    mine = next(plugin for plugin in plugins if plugin["name"] == "lifeboat")
    assert {view["destination"] for view in mine["external_views"]} == {"nav", "dag"}
    assert client.request("GET", "/api/v2/plugins/importErrors")["total_entries"] == 0
    client.close()


@pytest.mark.parametrize("path", ["", "fleet", "api/instances", "restore?instance=shop.local"])
def test_nobody_gets_in_without_a_login(stack: AirflowStack, path: str) -> None:
    assert status_of(f"{stack.url}/lifeboat/{path}") == 401


def test_health_and_static_files_need_none(stack: AirflowStack) -> None:
    assert status_of(f"{stack.url}/lifeboat/api/health") == 200
    assert status_of(f"{stack.url}/lifeboat/static/icon.svg") == 200


@pytest.mark.parametrize("user", ["admin", "operator", "user", "viewer"])
def test_json_by_role(stack: AirflowStack, user: str) -> None:
    client = stack.client(user)
    found = client.request("GET", "/lifeboat/api/instances")
    assert {row["instance"]: row["state"] for row in found["instances"]} == {
        "ledger.local": "unreadable",
        "shop.local": "never",
    }
    told = any("typo.yaml" in problem for problem in found["problems"])
    assert told == (user != "viewer")
    clusters = [(one["cluster"], one["exposure"]) for one in found["clusters"]]
    assert clusters == ([] if user == "viewer" else [("local", None)])
    client.close()


def test_an_admin_sees_the_rows_in_airflows_theme(
    stack: AirflowStack,
    log_in: Callable[[str], tuple[Page, list[str]]],
    picture: Callable[[Page, str], Path],
) -> None:
    page, said = log_in("admin")
    inner = recovery(page, stack)
    expect(inner.locator("#problems")).to_contain_text("typo.yaml")
    expect(inner.locator('[data-instance="shop.local"]')).to_contain_text("No point yet")
    expect(inner.locator('[data-instance="shop.local"] .run')).not_to_have_text("…")
    expect(inner.locator('[data-cluster="local"]')).to_contain_text("no backup has looked yet")
    expect(page.get_by_role("link", name="Recovery")).to_be_visible()
    body = inner.locator("body")
    for theme, color in (("dark", "rgb(17, 17, 17)"), ("light", "rgb(255, 255, 255)")):
        page.evaluate(
            """(theme) => {
              localStorage.setItem("theme", theme);
              dispatchEvent(new StorageEvent("storage", { key: "theme", newValue: theme }));
            }""",
            theme,
        )
        expect(body).to_have_css("background-color", color)
        assert problems(page.frames[1]) == []
        picture(page, f"airflow-{theme}")
    assert said == []


def test_a_viewer_is_offered_nothing(
    stack: AirflowStack, log_in: Callable[[str], tuple[Page, list[str]]]
) -> None:
    page, _ = log_in("viewer")
    inner = recovery(page, stack)
    expect(inner.get_by_text("View only: your role may not start runs")).to_have_count(2)
    expect(inner.get_by_role("button", name="Back up now")).to_have_count(0)
    expect(inner.get_by_role("link", name="Restore…")).to_have_count(0)


def test_the_restore_link_opens_the_form_filled_in_and_starts_the_run(
    stack: AirflowStack,
    log_in: Callable[[str], tuple[Page, list[str]]],
    picture: Callable[[Page, str], Path],
) -> None:
    page, _ = log_in("admin")
    inner = recovery(page, stack)
    inner.get_by_role("link", name="Restore… ledger").click()
    expect(inner.get_by_label("Instance", exact=True)).to_have_value("ledger.local")
    expect(inner.get_by_label("Point", exact=True)).to_have_value("latest")
    # The address can be sent to somebody else.
    page.wait_for_url(f"{stack.url}/plugin/recovery/lifeboat/restore?instance=ledger.local")
    page.goto(f"{page.url}&mode=merge&namespaces=shop,shop-data&dry_run=true")
    expect(inner.get_by_label("Objects that exist")).to_have_value("merge")
    expect(inner.get_by_label("Namespaces", exact=True)).to_have_value("shop\nshop-data")
    picture(page, "airflow-restore")
    inner.get_by_role("button", name="Start the restore").click()
    page.wait_for_url(f"{stack.url}/dags/restore/runs/**")
    client = stack.client()
    run = client.runs("restore")[0]
    client.close()
    assert run["triggering_user_name"] == "admin"
    assert run["conf"]["instance"] == "ledger.local"
    assert run["conf"]["namespaces"] == ["shop", "shop-data"]
    assert run["conf"]["mode"] == "merge"
    assert run["conf"]["dry_run"] is True


def test_back_up_now_starts_the_dag(
    stack: AirflowStack, log_in: Callable[[str], tuple[Page, list[str]]]
) -> None:
    page, _ = log_in("operator")
    inner = recovery(page, stack)
    inner.get_by_role("button", name="Back up now: ledger").click()
    inner.get_by_role("button", name="Back up now", exact=True).click()
    expect(inner.locator("#notices")).to_contain_text("Backup started")
    inner.get_by_role("link", name="watch the run").click()
    page.wait_for_url(f"{stack.url}/dags/backup.ledger.local/runs/**")
    client: AirflowClient = stack.client()
    manual = [r for r in client.runs("backup.ledger.local") if r["run_type"] == "manual"]
    client.close()
    assert manual[0]["triggering_user_name"] == "operator"


def test_the_tab_of_a_backup_dag_shows_its_instance(
    stack: AirflowStack,
    log_in: Callable[[str], tuple[Page, list[str]]],
    picture: Callable[[Page, str], Path],
) -> None:
    page, _ = log_in("admin")
    page.goto(f"{stack.url}/dags/backup.shop.local/plugin/recovery-dag")
    inner = page.frame_locator("iframe")
    expect(inner.locator("#rows tbody")).to_have_count(1)
    expect(inner.locator("tr.details")).to_be_visible()
    assert problems(page.frames[1]) == []
    picture(page, "airflow-dag-tab")


def test_airflow_runs_without_the_engine_and_the_page_says_what_to_do(
    tmp_path: Path,
) -> None:
    """The plugin file alone, in a process that has no `lifeboat` to import."""
    script = """
import asyncio, sys
sys.modules["lifeboat"] = None  # as if it were nowhere to be found
import lifeboat_plugin
sent = []
async def send(message): sent.append(message)
scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
asyncio.run(lifeboat_plugin.recovery(scope, None, send))
print(sent[0]["status"], sent[1]["body"].decode())
"""
    told = _python(script, tmp_path)
    assert "503 <!doctype html>" in told
    assert "<code>ModuleNotFoundError: " in told
    assert "PYTHONPATH" in told


def _python(script: str, home: Path) -> str:
    plugins = Path(__file__).resolve().parents[2] / "plugins"
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**kept, "PYTHONPATH": str(plugins), "AIRFLOW_HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def _write(path: Path, content: dict[str, object]) -> None:
    path.write_text(yaml.safe_dump(content))
