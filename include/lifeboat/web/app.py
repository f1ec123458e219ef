"""The FastAPI app that Airflow mounts: pages, a JSON form of them, static files.

Relative URLs only: it may live under any prefix. It starts nothing; see the package's docstring.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from lifeboat.clock import Clock, rfc3339, utc_now
from lifeboat.web.access import Access, Sight, Visitor, sight
from lifeboat.web.reader import FRESH_SECONDS, CachedFleet, FleetReader, Snapshot
from lifeboat.web.view import FleetView, Row, fleet_view

_HERE = Path(__file__).resolve().parent
_QUOTED = re.compile("`([^`]+)`")

CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
    ]
)
"""Nothing from elsewhere, nothing inline: a name that breaks out of the page still runs nothing."""

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}

_PROBLEMS = {
    401: (
        "Your Airflow session has ended",
        "Reload this page in your browser; Airflow then asks you to log in.",
    ),
    403: (
        "Your role may not see this page",
        "Ask whoever runs this Airflow for access to its website and to the backup DAGs.",
    ),
    404: (
        "There is nothing here",
        "It may have been renamed or removed, or your role may not see it. "
        "Open Recovery from Airflow's navigation bar to see what there is.",
    ),
}


def create_app(
    reader: FleetReader,
    access: Access,
    *,
    restore_dag: str = "restore",
    fresh_seconds: float = FRESH_SECONDS,
    clock: Clock = utc_now,
) -> FastAPI:
    """The app. `fresh_seconds` is how long one reading of the vaults serves every open page."""
    app = FastAPI(title="Lifeboat", docs_url=None, redoc_url=None, openapi_url=None)
    desk = _Desk(CachedFleet(reader, fresh_seconds=fresh_seconds, clock=clock), restore_dag)
    app.include_router(_pages(desk, access))
    app.include_router(_api(desk, access), prefix="/api")
    app.add_api_route("/api/health", _health, methods=["GET"])
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    app.middleware("http")(_guarded)
    app.add_exception_handler(HTTPException, desk.problem)
    return app


class _Desk:
    """What every route needs: the fleet, the templates, the restore DAG's name."""

    def __init__(self, fleet: CachedFleet, restore_dag: str) -> None:
        self._fleet = fleet
        self._restore_dag = restore_dag
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["told"] = _told

    async def look(self, visitor: Visitor) -> tuple[Snapshot, Sight]:
        """The newest snapshot and what this visitor sees of it."""
        snapshot = await self._fleet.read()
        seen = await run_in_threadpool(sight, snapshot.fleet, visitor, self._restore_dag)
        return snapshot, seen

    async def view(self, visitor: Visitor, dag: str) -> FleetView:
        """The page's content; `dag` narrows it to the instance of a backup or test restore DAG."""
        snapshot, seen = await self.look(visitor)
        if dag and dag != self._restore_dag:
            mine = tuple(r for r in seen.instances if dag in (r.backup_dag, r.test_restore_dag))
            seen = dataclasses.replace(seen, instances=mine, clusters=())
        return fleet_view(seen, snapshot)

    def page(self, template: str, status: int = 200, **values: object) -> HTMLResponse:
        """A rendered template."""
        text = self._templates.get_template(template).render(
            restore_dag=self._restore_dag, **values
        )
        return HTMLResponse(text, status_code=status)

    async def problem(self, request: Request, error: Exception) -> Response:
        """An HTTP error: as a page for a browser's window, as JSON for everything else."""
        assert isinstance(error, HTTPException)
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
        title, advice = _PROBLEMS.get(error.status_code, (str(error.detail), ""))
        return self.page("problem.html", error.status_code, title=title, advice=advice)


def _pages(desk: _Desk, access: Access) -> APIRouter:
    pages = APIRouter(dependencies=[Depends(access.page)], default_response_class=HTMLResponse)
    visitor: Any = Depends(access.visitor)

    @pages.get("/")
    async def recovery(visitor: Visitor = visitor, dag: str = "") -> HTMLResponse:
        fleet = await desk.view(visitor, dag)
        return desk.page("recovery.html", fleet=fleet, dag=dag)

    @pages.get("/fleet")
    async def fleet(visitor: Visitor = visitor, dag: str = "") -> HTMLResponse:
        """The part of the page that changes; the page's script puts it in place."""
        return desk.page("fleet.html", fleet=await desk.view(visitor, dag), dag=dag)

    @pages.get("/restore")
    async def restore(visitor: Visitor = visitor, instance: str = "") -> HTMLResponse:
        view = await desk.view(visitor, "")
        row = _find(view.rows, instance)
        if row is None:
            raise HTTPException(404, "no such instance")
        return desk.page("restore.html", row=row)

    return pages


def _api(desk: _Desk, access: Access) -> APIRouter:
    api = APIRouter(dependencies=[Depends(access.page)])
    visitor: Any = Depends(access.visitor)

    @api.get("/instances")
    async def instances(visitor: Visitor = visitor) -> JSONResponse:
        snapshot, seen = await desk.look(visitor)
        return JSONResponse(
            {
                "generated_at": rfc3339(snapshot.taken_at),
                "error": snapshot.failure,
                "problems": snapshot.problems if seen.may_restore else (),
                "instances": [dataclasses.asdict(row) for row in seen.instances],
                "clusters": msgspec.to_builtins(seen.clusters),
            },
            status_code=503 if snapshot.failure else 200,
        )

    return api


def _told(message: str) -> Markup:
    """A message of the engine, in which `backquotes` mark what can be typed."""
    return Markup(_QUOTED.sub(r"<code>\1</code>", str(escape(message))))  # noqa: S704 - escaped


def _find(rows: tuple[Row, ...], instance: str) -> Row | None:
    return next((row for row in rows if row.instance == instance), None)


async def _health() -> dict[str, str]:
    """Answers as long as the app does; needs no login and touches no vault."""
    return {"status": "ok"}


async def _guarded(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await answer(request)
    response.headers.update(_HEADERS)
    # Static files are asked for again by their ETag, so that an upgrade shows at once.
    cached = "no-cache" if "/static/" in request.url.path else "no-store"
    response.headers["Cache-Control"] = cached
    return response
