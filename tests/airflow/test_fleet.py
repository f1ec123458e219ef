"""A fleet in a real Airflow: a cluster that does not answer, the watch that tells of it, clusters
among Airflow's connections, and who may start what."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from lifeboat.adapters.flows_airflow import AirflowFlows
from lifeboat.adapters.found_airflow import AirflowFinder
from lifeboat.clock import rfc3339, utc_now
from lifeboat.point.audit import read
from lifeboat.point.facts import Verdict, record_verdict
from local.errors import ApiError
from tests.airflow.test_held_dags import settings
from tests.support.airflow import Lifeboat

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

FAR, QUIET = "far.far", "quiet.local"


@dataclass
class Hook:
    """A webhook on the loopback, and what it was told."""

    url: str = ""
    told: list[dict[str, Any]] = field(default_factory=list)

    def changes(self, instance: str) -> list[tuple[str, str]]:
        """Concern and state of everything that was told of an instance, in order."""
        found = [change for one in self.told for change in one["changes"]]
        return [(one["concern"], one["state"]) for one in found if one["instance"] == instance]


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            made.told.append(json.loads(self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}/secret-path"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def receiver(lifeboat: Lifeboat, hook: Hook, tmp_path: Path) -> Iterator[Hook]:
    """The hook as a receiver."""
    (tmp_path / "url").write_text(hook.url)
    alerts = Path(lifeboat.env["LIFEBOAT_INCLUDE"]) / "alerts.yaml"
    alerts.write_text(
        f"receivers: [{{name: hook, webhook: 'file:{tmp_path}/url', about: [unproven]}}]\n"
    )
    yield hook
    alerts.unlink()


def test_an_unreachable_cluster_fails_alone_and_says_why(lifeboat: Lifeboat) -> None:
    dag = f"backup.{FAR}"
    run_id = lifeboat.start(dag)
    assert lifeboat.run("backup.quiet.local").state == "success", "beside it"
    run = lifeboat.finish(dag, run_id)
    assert run.state == "failed"
    log = lifeboat.log(run, "report")
    assert "this run made no point" in log
    assert "enumerate: " in log
    assert "127.0.0.1:9" in log


def test_the_watch_tells_a_webhook_once(lifeboat: Lifeboat, receiver: Hook) -> None:
    point, vault = lifeboat.back_up(QUIET), lifeboat.context(QUIET).vault
    now = rfc3339(utc_now())
    record_verdict(vault, Verdict("t", QUIET, point, now, now, False, 1.0, (), (), "on purpose"))
    watched = lifeboat.run("watch")
    assert receiver.changes(QUIET) == [("unproven", "entered")]
    log = lifeboat.log(watched, "watch")
    assert f"{QUIET}: unproven" in log
    assert "secret-path" not in log
    lifeboat.run("watch")
    assert receiver.changes(QUIET) == [("unproven", "entered")], "once, however often it looks"


def test_a_run_by_hand_is_in_the_audit_trail_with_its_user(lifeboat: Lifeboat) -> None:
    point = lifeboat.back_up("quiet.local")
    events = [event for _, event in read(lifeboat.context("quiet.local").vault) if event]
    (event,) = [event for event in events if event.subject == point]
    assert (event.action, event.who, event.how) == ("backup", "admin", "airflow")
    assert (event.dag, event.trigger) == ("backup.quiet.local", "manual")
    assert event.run in [run["dag_run_id"] for run in lifeboat.client.runs("backup.quiet.local")]


def test_marked_connections_of_airflow_are_found_and_no_others(lifeboat: Lifeboat) -> None:
    mark = {"lifeboat": {"name": "prod", "labels": {"tier": "gold"}}, "in_cluster": True}
    made = {"fleet_marked": mark, "fleet_plain": {"in_cluster": True}}
    for ident, extra in made.items():
        body = {"connection_id": ident, "conn_type": "kubernetes", "extra": json.dumps(extra)}
        lifeboat.client.request("POST", "/api/v2/connections", body)
    try:
        airflow = AirflowFlows(settings(lifeboat))
        found = [one for one in AirflowFinder(airflow).find() if "fleet_" in one.ident]
        assert [(one.ident, one.name, one.labels) for one in found] == [
            ("connection:fleet_marked", "prod", {"tier": "gold"})
        ]
    finally:
        for ident in made:
            lifeboat.client.request("DELETE", f"/api/v2/connections/{ident}")


@pytest.mark.parametrize("dag", ["restore", "upkeep.quiet.local", "backup.quiet.local"])
def test_who_may_only_look_starts_nothing(lifeboat: Lifeboat, dag: str) -> None:
    viewer = lifeboat.stack.client("viewer")
    try:
        viewer.wait_for_dag(dag)
        with pytest.raises(ApiError) as refused:
            viewer.trigger(dag)
        assert refused.value.status == 403
    finally:
        viewer.close()
