"""What deploy/ gives to Prometheus, as its own promtool reads it; its alerts are the watch's."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from typer.testing import CliRunner

from lifeboat.cli import app
from lifeboat.policy.alerts import ConcernKind
from local.go_tools import ensure_promtool
from tests.support.full_vault import full_vault

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules.yaml"
CASES = Path(__file__).with_name("prometheus_rules.yaml")
SAME = {
    "late": "LifeboatLate",
    "failing": "LifeboatFailing",
    "unproven": "LifeboatNotProven",
    "slow": "LifeboatSlowRecovery",
    "damaged": "LifeboatDamaged",
    "snapshots": "LifeboatSnapshotLimit",
    "behind": "LifeboatStandbyBehind",
    "unreadable": "LifeboatVaultUnreadable",
}
"""The alert of each concern."""
ALONE = {"LifeboatNeverProtected", "LifeboatSilent"}
"""The one is `late` to the watch; the watch cannot tell the other of itself."""

pytestmark = pytest.mark.timeout(900)  # the first time, promtool is built


@pytest.fixture(scope="module")
def promtool() -> Path:
    return ensure_promtool()


def ask(promtool: Path, *arguments: str, text: str = "") -> None:
    """What it says no to fails the test with its words."""
    done = subprocess.run(
        [str(promtool), *arguments], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> list[str]:
    (group,) = yaml.safe_load(RULES.read_text())["groups"]
    return [rule["alert"] for rule in group["rules"]]


def test_prometheus_reads_the_rules_and_the_scrape_configuration(
    promtool: Path, tmp_path: Path
) -> None:
    server: dict[str, Any] = {
        "rule_files": [str(RULES)],
        "scrape_config_files": [str(ROOT / "deploy/prometheus/scrape-otel.yaml")],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(server))
    ask(promtool, "check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    ask(promtool, "check", "config", "--lint=all", str(tmp_path / "prometheus.yml"))


def test_each_alert_fires_when_it_must_and_only_then(promtool: Path) -> None:
    ask(promtool, "test", "rules", str(CASES))


def test_each_alert_is_asked_both_ways() -> None:
    asked = [
        one
        for case in yaml.safe_load(CASES.read_text())["tests"]
        for one in case["alert_rule_test"]
    ]
    for fires in (True, False):
        found = {one["alertname"] for one in asked if bool(one["exp_alerts"]) is fires}
        assert found == set(alerts()), fires


def test_prometheus_tells_what_the_watch_tells() -> None:
    assert SAME.keys() == set(get_args(ConcernKind))
    assert {*SAME.values(), *ALONE} == set(alerts())


def test_prometheus_reads_what_the_command_prints(promtool: Path, tmp_path: Path) -> None:
    full = full_vault(tmp_path)
    done = CliRunner().invoke(app, ["metrics", "--include", str(full.include)])
    assert done.exit_code == 0, done.output
    ask(promtool, "check", "metrics", text=done.stdout)
