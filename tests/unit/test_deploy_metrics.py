"""Rules, dashboard and mapping name metrics that there are, by the labels that they have."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from lifeboat.report.metrics import METRICS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = yaml.safe_load((DEPLOY / "prometheus/rules.yaml").read_text())
BOARD = json.loads((DEPLOY / "grafana/lifeboat.json").read_text())
ALERTS = RULES["groups"][0]["rules"]
EXPRESSIONS = [alert["expr"] for alert in ALERTS] + [
    target["expr"] for panel in BOARD["panels"] for target in panel["targets"]
]
# What PromQL itself has, and the labels of ours.
WORDS = {"time", "max", "or", "and", "unless", "absent", "policy", "cluster"}
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


def test_what_is_not_told_any_more_is_forgotten_before_it_counts_as_silence() -> None:
    """After three rounds of the watch; statsd-exporter keeps a gauge for ever otherwise."""
    told, dropped = yaml.safe_load((DEPLOY / "prometheus/statsd-mapping.yaml").read_text())[
        "mappings"
    ]
    assert (told["ttl"], dropped["action"]) == ("15m", "drop")
    (silent,) = [alert["expr"] for alert in ALERTS if alert["alert"] == "LifeboatSilent"]
    assert silent.endswith(f"> {15 * 60}")
