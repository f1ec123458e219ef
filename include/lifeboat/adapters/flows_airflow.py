"""The Flows port over Airflow's public REST API (v2), as any other client of it.

Tasks have no access to Airflow's database, and nothing here needs it. A log-in gives a token
(POST /auth/token: the auth managers that ship with Airflow 3), which is asked for again once it is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from lifeboat.clock import parse_rfc3339, rfc3339, utc_now
from lifeboat.errors import (
    AirflowUnreachable,
    AlreadyExists,
    Forbidden,
    Invalid,
    LifeboatError,
    NotFound,
    Throttled,
    Unauthorized,
)

_TIMEOUT = urllib3.Timeout(connect=10, read=60)
_UNDER_WAY = ("queued", "running", "restarting", "deferred")  # a deferred task's work goes on
_PAGE = 100


@dataclass(frozen=True)
class AirflowSettings:
    """Where the API is and who one is to it. `url` is its base, such as https://airflow:8080."""

    url: str
    user: str
    password: str = field(repr=False)


class AirflowFlows:
    """See lifeboat.ports.flows.Flows."""

    def __init__(self, settings: AirflowSettings) -> None:
        self._settings = settings
        self._pool = urllib3.PoolManager(retries=False, timeout=_TIMEOUT)
        self._token = ""

    def is_paused(self, dag: str) -> bool:
        return bool(self._call("GET", _dag(dag))["is_paused"])

    def set_paused(self, dag: str, *, paused: bool) -> None:
        self._call("PATCH", f"{_dag(dag)}?update_mask=is_paused", {"is_paused": paused})

    def busy(self, dag: str) -> tuple[str, ...]:
        if not self.is_paused(dag):
            runs = self._listed(f"{_dag(dag)}/dagRuns", "dag_runs", state=("queued", "running"))
            return tuple(f"run {run['dag_run_id']}" for run in runs)
        path = f"{_dag(dag)}/dagRuns/~/taskInstances"
        tasks = self._listed(path, "task_instances", state=_UNDER_WAY)
        return tuple(f"task {task['task_id']} of {task['dag_run_id']}" for task in tasks)

    def trigger(self, dag: str, run: str, conf: Mapping[str, Any]) -> None:
        body = {"dag_run_id": run, "logical_date": None, "conf": conf}
        try:
            self._call("POST", f"{_dag(dag)}/dagRuns", body)
        except AlreadyExists:
            return

    def state(self, dag: str, run: str) -> str:
        return str(self._call("GET", f"{_dag(dag)}/dagRuns/{quote(run, safe='')}")["state"])

    def began_since(self, dag: str, moment: datetime) -> tuple[str, ...]:
        runs = self._listed(f"{_dag(dag)}/dagRuns", "dag_runs", start_date_gte=rfc3339(moment))
        return tuple(str(run["dag_run_id"]) for run in runs)

    def succeeded_since(self, dag: str, moment: datetime) -> dict[str, str]:
        path = f"{_dag(dag)}/dagRuns"
        since = rfc3339(moment)
        runs = self._listed(path, "dag_runs", state="success", end_date_gte=since)
        return {str(run["dag_run_id"]): _moment(run["end_date"]) for run in runs}

    def connections(self, kind: str) -> list[dict[str, Any]]:
        """All connections of Airflow's database that are of this type, as the API shows them:
        without passwords."""
        listed = self._listed("/api/v2/connections", "connections")
        return [one for one in listed if one["conn_type"] == kind]

    def redo(self, dag: str, since: datetime) -> tuple[datetime, datetime]:
        """A backfill that reprocesses what is complete. Its range begins with the oldest interval
        that somebody worked on after `since`: a run of an earlier interval may have ended later."""
        runs = self._listed(f"{_dag(dag)}/dagRuns", "dag_runs", end_date_gt=rfc3339(since))
        dates = [parse_rfc3339(run["logical_date"]) for run in runs if run["logical_date"]]
        first, last = min([since, *dates]), utc_now()
        body = {
            "dag_id": dag,
            "from_date": rfc3339(first),
            "to_date": rfc3339(last),
            "reprocess_behavior": "completed",
            "max_active_runs": 1,
        }
        self._call("POST", "/api/v2/backfills", body)
        return first, last

    def _listed(self, path: str, key: str, **query: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while True:
            asked = urlencode({**query, "limit": _PAGE, "offset": len(found)}, doseq=True)
            page = self._call("GET", f"{path}?{asked}")
            found += page[key]
            if not page[key] or len(found) >= page["total_entries"]:
                return found

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        known = bool(self._token)
        try:
            return self._authorized(method, path, body)
        except Unauthorized:
            if not known:
                raise
        self._token = ""  # it was an old one
        return self._authorized(method, path, body)

    def _authorized(self, method: str, path: str, body: Any) -> Any:
        if not self._token:
            login = {"username": self._settings.user, "password": self._settings.password}
            self._token = str(self._send("POST", "/auth/token", login, {})["access_token"])
        return self._send(method, path, body, {"Authorization": f"Bearer {self._token}"})

    def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        what = f"{method} {path.partition('?')[0]}"
        try:
            answer = self._pool.request(
                method,
                self._settings.url + path,
                body=None if body is None else msgspec.json.encode(body),
                headers={**headers, "Accept": "application/json", "Content-Type": _JSON},
                redirect=False,  # it would take the token along
            )
        except HTTPError as error:
            raise AirflowUnreachable(
                f"Airflow's API at {self._settings.url} does not answer: {type(error).__name__}",
                hint="check the connection's host and port, as a task reaches them",
            ) from None
        if answer.status >= 300:
            raise _error(answer, what)
        try:
            return msgspec.json.decode(answer.data)
        except msgspec.DecodeError:
            raise AirflowUnreachable(f"{what}: the answer is not the JSON of Airflow") from None


_JSON = "application/json"
_BY_STATUS: dict[int, type[LifeboatError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: AlreadyExists,
}


def _error(answer: urllib3.BaseHTTPResponse, what: str) -> LifeboatError:
    message = f"Airflow refused {what}: HTTP {answer.status}"
    if answer.status == 429:
        return Throttled(message)
    if answer.status >= 500:
        return AirflowUnreachable(message)
    return _BY_STATUS.get(answer.status, Invalid)(message)


def _moment(text: str) -> str:
    return rfc3339(parse_rfc3339(text))


def _dag(dag: str) -> str:
    return f"/api/v2/dags/{quote(dag, safe='')}"
