"""What the Recovery page needs of Airflow's UI, without Airflow: its frame and a few API routes.

The frame has the same sandbox as Airflow 3.3's, and the page may live below a prefix. The real
Airflow is in tests/web/test_in_airflow.py.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse

from lifeboat.web.app import create_app
from local.ports import free_ports
from tests.support.fake_fleet import NOW, FakeAccess, FakeFleet

SANDBOX = "allow-scripts allow-same-origin allow-forms allow-downloads"

_HOST = """<!doctype html><html lang="en" class="{theme}"><head><meta charset="utf-8">
<title>Host</title><link rel="icon" href="{prefix}/lifeboat/static/icon.svg">
<style>html, body {{ margin: 0; height: 100%; overflow: hidden }}
iframe {{ display: block; border: 0; width: 100%; height: 100% }}</style>
</head><body><iframe title="Recovery" sandbox="{sandbox}" src="{prefix}/lifeboat/{inner}"></iframe>
</body></html>"""


def param(value: Any, description: str = "", **schema: Any) -> dict[str, Any]:
    """One of a DAG's params as the API tells it."""
    return {"value": value, "description": description, "schema": schema}


RESTORE_PARAMS: dict[str, Any] = {
    "instance": param("", "Which policy on which cluster.", type="string", title="Instance"),
    "point": param("latest", "`latest` is the newest.", type="string", title="Point"),
    "before": param(None, type=["null", "string"], format="date-time", title="Latest before"),
    "namespaces": param(
        [],
        "One a line. Empty: all.",
        type=["null", "array"],
        items={"type": "string"},
        title="Namespaces",
        section="What",
    ),
    "mapping": param({}, type="object", title="Rename namespaces", section="What"),
    "mode": param(
        "skip",
        type="string",
        enum=["skip", "merge"],
        values_display={"skip": "Leave as they are", "merge": "Update"},
        title="Objects that exist",
        section="How",
    ),
    "waves": param(16, type="integer", minimum=1, maximum=64, title="At once", section="How"),
    "volumes": param(True, type="boolean", title="Volumes", section="How"),
    "dry_run": param(False, type="boolean", title="Plan only", section="How"),
    "version": param("v1", const="v1"),
}


@dataclass
class FakeAirflow:
    """The state behind the routes; tests set it and read what the page asked for."""

    fleet: FakeFleet
    access: FakeAccess = field(default_factory=FakeAccess)
    prefix: str = ""
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    forbidden: bool = False
    asked: list[str] = field(default_factory=list)
    started: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    def app(self) -> FastAPI:
        """Everything below the prefix."""
        inner = FastAPI()
        inner.mount("/lifeboat", create_app(self.fleet, self.access, fresh_seconds=0, clock=_now))
        inner.add_api_route("/plugin/recovery", self._host, response_class=HTMLResponse)
        inner.add_api_route("/api/v2/dags", self._dags)
        inner.add_api_route("/api/v2/dags/{dag}", self._dag, methods=["GET", "PATCH"])
        inner.add_api_route("/api/v2/dags/{dag}/details", self._details)
        inner.add_api_route("/api/v2/dags/{dag}/dagRuns", self._list_runs, methods=["GET"])
        inner.add_api_route("/api/v2/dags/{dag}/dagRuns", self._start, methods=["POST"])
        inner.add_api_route("/dags/{path:path}", _own_page, response_class=HTMLResponse)
        if not self.prefix:
            return inner
        outer = FastAPI()
        outer.mount(self.prefix, inner)
        return outer

    async def _host(self, theme: str = "light", inner: str = "") -> str:
        return _HOST.format(theme=theme, prefix=self.prefix, sandbox=SANDBOX, inner=inner)

    async def _dags(self, dag_id_prefix_pattern: str, offset: int = 0) -> dict[str, Any]:
        found = sorted(d for d in self.paused if d.startswith(dag_id_prefix_pattern))
        page = [{"dag_id": name} for name in found[offset : offset + 2]]
        return {"dags": page, "total_entries": len(found)}

    async def _dag(self, dag: str, request: Request) -> dict[str, Any]:
        if request.method == "PATCH" and not (await request.json())["is_paused"]:
            self.paused.discard(dag)
        return {"dag_id": dag, "is_paused": dag in self.paused}

    async def _details(self, dag: str) -> dict[str, Any]:
        if dag != "restore":
            raise HTTPException(404, "Dag not found")
        return {"dag_id": dag, "is_paused": dag in self.paused, "params": RESTORE_PARAMS}

    async def _list_runs(self, dag: str) -> dict[str, Any]:
        self.asked.append(dag)
        if dag not in self.runs:
            raise HTTPException(404, "Dag not found")
        return {"dag_runs": self.runs[dag][:1], "total_entries": len(self.runs[dag])}

    async def _start(self, dag: str, request: Request) -> dict[str, Any]:
        if self.forbidden:
            raise HTTPException(403, "Forbidden")
        body = await request.json()
        if "logical_date" not in body:
            raise HTTPException(422, "logical_date is required")
        self.started.append((dag, body["conf"]))
        made = run("queued", run_id=f"manual__{len(self.started)}")
        self.runs.setdefault(dag, []).insert(0, made)
        return made


def run(state: str, run_id: str = "manual__2026-11-22T20:00:00+00:00") -> dict[str, Any]:
    """A run as the API tells it, ended an hour ago if it has ended."""
    ended = "2026-11-22T22:31:53Z" if state in ("success", "failed") else None
    start = "2026-11-22T22:31:33Z"
    return {
        "dag_run_id": run_id,
        "state": state,
        "run_after": start,
        "start_date": start,
        "end_date": ended,
    }


@contextmanager
def serving(airflow: FakeAirflow) -> Iterator[FakeAirflow]:
    """Serve it on a free loopback port until the block ends."""
    (port,) = free_ports(1)
    server = uvicorn.Server(
        uvicorn.Config(airflow.app(), host="127.0.0.1", port=port, log_level="warning")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.02)
    airflow.url = f"http://127.0.0.1:{port}{airflow.prefix}"
    try:
        yield airflow
    finally:
        server.should_exit = True
        thread.join()


def _now() -> datetime:
    return NOW


async def _own_page(path: str) -> str:
    icon = "<link rel='icon' href='data:,'>"
    return f"<!doctype html>{icon}<title>Airflow</title><h1>Airflow's page of {path}</h1>"
