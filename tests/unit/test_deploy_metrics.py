"""Rules, dashboard and mapping name metrics that there are, by the labels that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifeboat.pipeline.watch_tasks import emit
from lifeboat.report.metrics import METRICS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())
MAPPINGS = yaml.safe_load((DEPLOY / "prometheus/statsd-mapping.yaml").read_text())["mappings"]
BOARD = json.loads((DEPLOY / "grafana/lifeboat.json").read_text())
ALERTS = RULES["groups"][0]["rules"]
EXPRESSIONS = [alert["expr"] for alert in ALERTS] + [
    target["expr"] for panel in BOARD["panels"] for target in panel["targets"]
]
# What PromQL itself has, and the labels of ours.
WORDS = {"time", "or", "and", "unless", "absent", "policy", "cluster"}
NAME = re.compile(r"(?<![$\w])[a-zA-Z_]\w*")


def test_every_metric_that_is_asked_for_exists() -> None:
    for expression in EXPRESSIONS:
        names = set(NAME.findall(expression)) - WORDS
        assert names, expression
        assert names <= METRICS.keys(), expression
        assert expression.count("(") == expression.count(")")
        assert expression.count("{") == expression.count("}")


def test_the_page_has_all_of_them() -> None:
    page = (DEPLOY.parent / "docs/alerts.md").read_text()
    rows = [f"| `{name}` | {text} |" for name, text in METRICS.items()]
    assert [row for row in rows if row not in page] == []


def test_every_metric_is_shown_or_alerted_on() -> None:
    used = {name for expression in EXPRESSIONS for name in NAME.findall(expression)}
    assert METRICS.keys() - used == {"lifeboat_last_success_bytes"}


def test_the_rules_are_formed_as_prometheus_reads_them() -> None:
    assert set(RULES) == {"groups"}
    names = [alert["alert"] for alert in ALERTS]
    assert len(set(names)) == len(names)
    for alert in ALERTS:
        assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+[smhd]", alert.get("for", "1m"))
        assert alert["labels"]["severity"] in ("critical", "warning")
        assert set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"])) <= {
            "policy",
            "cluster",
        }


def test_the_dashboard_is_formed_as_grafana_reads_it() -> None:
    ids = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(ids)) == len(ids)
    known = {variable["name"] for variable in BOARD["templating"]["list"]}
    text = json.dumps(BOARD["panels"])
    assert set(re.findall(r"\$\{?([a-z]\w*)", text)) == known
    for variable in BOARD["templating"]["list"]:
        for metric in re.findall(r"label_values\((\w+)", variable["query"]):
            assert metric in METRICS


def test_statsd_gauges_come_out_under_the_same_names(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, float, Any]] = []

    def gauge(stat: str, value: float, *, tags: Any = None) -> None:
        sent.append((f"airflow.{stat}", value, tags))

    monkeypatch.setattr("lifeboat.pipeline.watch_tasks.stats.gauge", gauge)
    labels = {"policy": "shop", "cluster": "west"}
    for name in METRICS:
        sent.clear()
        emit(name, 5.0, labels)
        seen = {mapped(stat) for stat, _, tags in sent if tags is None}
        assert seen == {(name, "shop", "west")}
        assert [tags for *_, tags in sent if tags] == [labels]


def mapped(stat: str) -> tuple[str, str, str]:
    """As statsd-exporter does: the first mapping whose globs fit, each * one part."""
    for mapping in MAPPINGS:
        pattern = re.escape(mapping["match"]).replace(r"\*", "([^.]*)")
        if found := re.fullmatch(pattern, stat):
            words = [mapping["name"], mapping["labels"]["policy"], mapping["labels"]["cluster"]]
            for number, part in enumerate(found.groups(), 1):
                words = [word.replace(f"${number}", part) for word in words]
            name, policy, cluster = words
            return name, policy, cluster
    raise AssertionError(stat)
