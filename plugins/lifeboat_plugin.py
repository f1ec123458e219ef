"""Registers the Recovery page and the timetable with Airflow; no logic lives here.

Airflow imports this file in every one of its processes: the page is loaded when somebody opens it,
and nothing that is wrong with Lifeboat can keep Airflow from starting. The timetable brings the
reader of policies, which the processes that parse DAGs and run tasks are forked with.
"""

from __future__ import annotations

import asyncio
import html
import logging
from typing import Any

from airflow.plugins_manager import AirflowPlugin

_log = logging.getLogger(__name__)

_BROKEN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Recovery</title>
<meta name="color-scheme" content="light dark">
<body style="font: 15px/1.5 system-ui, sans-serif; padding: 24px; max-width: 70ch">
<h1 style="font-size: 20px">Lifeboat cannot be loaded</h1>
<p>Airflow's API server could not import the engine: <code>{reason}</code></p>
<p>Put Lifeboat's <code>include</code> folder on the <code>PYTHONPATH</code> of every Airflow
component, install <code>requirements.txt</code>, and restart the API server. The API server's log
has the details.</p>
<p>Points that are already in the vaults are not affected.</p></body></html>"""

_loaded: list[Any] = []


async def recovery(scope: Any, receive: Any, send: Any) -> None:
    """The ASGI app of the page; loads the real one when it is first asked for."""
    if scope["type"] != "http":
        return
    try:
        app = await asyncio.to_thread(_app)
    except Exception as error:
        _log.exception("Lifeboat's Recovery page cannot be loaded")
        app = _explanation(error)
    await app(scope, receive, send)


def _app() -> Any:
    if not _loaded:
        from lifeboat.pipeline.web_access import recovery_app

        _loaded.append(recovery_app())
    return _loaded[0]


def _explanation(error: Exception) -> Any:
    from fastapi.responses import HTMLResponse

    # Nobody is logged in here: of other errors than a missing module only the kind is told.
    detail = f": {error}" if isinstance(error, ImportError) else ""
    reason = html.escape(f"{type(error).__name__}{detail}")
    return HTMLResponse(_BROKEN.format(reason=reason), status_code=503)


_APPS: list[Any] = [{"app": recovery, "url_prefix": "/lifeboat", "name": "Lifeboat"}]
_VIEWS: list[Any] = [
    {
        "name": "Recovery",
        "href": "lifeboat/",
        "destination": "nav",
        "url_route": "recovery",
        "nav_top_level": True,
        "icon": "lifeboat/static/icon.svg",
        "icon_dark_mode": "lifeboat/static/icon-dark.svg",
    },
    {
        "name": "Recovery",
        "href": "lifeboat/?dag={DAG_ID}",
        "destination": "dag",
        "url_route": "recovery-dag",
    },
]


def _timetables() -> list[Any]:
    try:
        from lifeboat.pipeline.timetable import PolicyTimetable
        from lifeboat.policy import load  # noqa: F401
    except Exception:
        _log.exception("Lifeboat cannot be loaded: policies with a schedule of its own do not run")
        return []
    return [PolicyTimetable]


class LifeboatPlugin(AirflowPlugin):
    """What Airflow shows of Lifeboat."""

    name = "lifeboat"
    fastapi_apps = _APPS
    external_views = _VIEWS
    timetables = _timetables()
