"""What the watch's real task sends through Airflow's own metrics, as servers on the loopback get
it: once deploy/prometheus has translated the names, what `lifeboat metrics` prints."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from lifeboat.report.metrics import METRICS
from tests.support.full_vault import full_vault

PROMETHEUS = Path(__file__).resolve().parents[3] / "deploy/prometheus"
MAPPINGS = yaml.safe_load((PROMETHEUS / "statsd-mapping.yaml").read_text())["mappings"]
(SCRAPE,) = yaml.safe_load((PROMETHEUS / "scrape-otel.yaml").read_text())["scrape_configs"]
# As Airflow begins a task: airflow.sdk.execution_time.task_runner.main.
TASK = """
from airflow.sdk.observability import stats
from airflow.sdk.observability.metrics import stats_utils
from lifeboat.pipeline.watch_tasks import watch
stats.initialize(factory=stats_utils.get_stats_factory(), export_legacy_names=True)
assert watch() == {"instances": 2, "told": 0}
"""
UNKNOWN = {"lifeboat_vault_readable", "lifeboat_rpo_seconds", "lifeboat_rto_seconds"}
WANTED = {(name, "shop", "local") for name in METRICS} | {
    (name, "lost", "local") for name in {*UNKNOWN, "lifeboat_read_timestamp_seconds"}
}
Series = dict[tuple[str, str, str], float]
"""By name, policy and cluster."""


@pytest.fixture(scope="module")
def include(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return full_vault(tmp_path_factory.mktemp("include")).include


def watch(include: Path, home: Path, **metrics: str) -> None:
    """One round, in a process of its own with Airflow's metrics set like this."""
    settings = {f"AIRFLOW__METRICS__{name.upper()}": value for name, value in metrics.items()}
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
        **settings,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_VAR_LIFEBOAT_UNREADABLE": "{}",
        "LIFEBOAT_INCLUDE": str(include),
    }
    done = subprocess.run(
        [sys.executable, "-c", TASK], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def check(found: Series) -> None:
    assert found.keys() == WANTED
    shop = {name: value for (name, policy, _), value in found.items() if policy == "shop"}
    assert shop["lifeboat_points"] == shop["lifeboat_failures"] == 2
    assert shop["lifeboat_last_proof_recovery_seconds"] == 12.5
    assert shop["lifeboat_read_timestamp_seconds"] > shop["lifeboat_last_success_timestamp_seconds"]
    assert found["lifeboat_vault_readable", "lost", "local"] == 0


def test_a_statsd_gets_all_figures_and_the_exporter_names_them(
    include: Path, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        port = str(server.getsockname()[1])
        watch(include, tmp_path, statsd_on="True", statsd_host="127.0.0.1", statsd_port=port)
        lines = [line for packet in received(server) for line in packet.splitlines()]
    gauges = [re.fullmatch(r"(airflow\.lifeboat\.[^:]+):([^|]+)\|g", line) for line in lines]
    told = [(found[1], float(found[2])) for found in gauges if found]
    exported = {mapped(name): value for name, value in told}
    del exported[None]  # those without labels, which would be of whoever comes last
    check({key: value for key, value in exported.items() if key})


def test_an_opentelemetry_collector_gets_all_figures_and_the_scrape_names_them(
    include: Path, tmp_path: Path
) -> None:
    with collector() as (address, requests):
        watch(include, tmp_path, otel_on="True", otel_host=address[0], otel_port=str(address[1]))
    points = [point for request in requests for point in gauges_of(request)]
    scraped = [(relabeled(labels), value) for labels, value in points]
    check({(row["__name__"], row["policy"], row["cluster"]): v for row, v in scraped if row})


def received(server: socket.socket) -> Iterator[str]:
    try:
        while True:
            yield server.recv(65536).decode()
    except BlockingIOError:
        return


def mapped(stat: str) -> tuple[str, str, str] | None:
    """As statsd-exporter does: the first mapping whose globs fit, each * one part."""
    for mapping in MAPPINGS:
        pattern = re.escape(mapping["match"]).replace(r"\*", "([^.]*)")
        if found := re.fullmatch(pattern, stat):
            if mapping.get("action") == "drop":
                return None
            words = [mapping["name"], mapping["labels"]["policy"], mapping["labels"]["cluster"]]
            for number, part in enumerate(found.groups(), 1):
                words = [word.replace(f"${number}", part) for word in words]
            name, policy, cluster = words
            return name, policy, cluster
    raise AssertionError(stat)


@contextmanager
def collector() -> Iterator[tuple[tuple[str, int], list[ExportMetricsServiceRequest]]]:
    """OTLP over HTTP: https://opentelemetry.io/docs/specs/otlp/#otlphttp."""
    requests: list[ExportMetricsServiceRequest] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/metrics"
            requests.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield ("127.0.0.1", server.server_port), requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def gauges_of(request: Any) -> Iterable[tuple[dict[str, str], float]]:
    """The labels that a collector's Prometheus exporter gives, with the name as it writes it."""
    for metric in (m for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics):
        if metric.name.startswith("airflow.lifeboat."):
            for point in metric.gauge.data_points:
                labels = {one.key: one.value.string_value for one in point.attributes}
                name = re.sub(r"\W", "_", metric.name)
                yield {"__name__": name, **labels}, point.as_double or point.as_int


def relabeled(labels: dict[str, str]) -> dict[str, str] | None:
    """As Prometheus does, by the shipped configuration; None for what it drops."""
    for rule in SCRAPE["metric_relabel_configs"]:
        source = ";".join(labels.get(name, "") for name in rule["source_labels"])
        if found := re.fullmatch(rule["regex"], source):
            if rule.get("action") == "drop":
                return None
            labels = {**labels, rule["target_label"]: found[1]}
    return labels
