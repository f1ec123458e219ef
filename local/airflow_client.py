"""Talks to Airflow's REST API as the UI does: start a run, watch it, read what it left.

Knows nothing of Lifeboat's DAGs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

from local.errors import ApiError, LocalClusterError

Json = dict[str, Any]

FINAL_RUN_STATES = frozenset({"success", "failed"})
_PAGE = 100  # [api] maximum_page_limit
_POLL_SECONDS = 0.2
_ANSWER_SECONDS = 180.0  # a crowded machine builds the API server's task side for a minute


@dataclass(frozen=True)
class TaskState:
    """One task instance; `map_index` is -1 and `label` empty for a task that is not mapped."""

    task: str
    map_index: int
    label: str
    state: str
    try_number: int
    started: str
    ended: str

    @property
    def name(self) -> str:
        """`dump [shop]`: as a person would say it."""
        if self.map_index < 0:
            return self.task
        return f"{self.task} [{self.label or self.map_index}]"


@dataclass(frozen=True)
class Run:
    """One run of a DAG with its task instances."""

    dag_id: str
    run_id: str
    state: str
    tasks: list[TaskState] = field(default_factory=list)

    def failed(self) -> list[TaskState]:
        """The task instances that failed themselves, not because of another."""
        return [task for task in self.tasks if task.state == "failed"]


Watcher = Callable[[TaskState], None]
"""Called once for every change of a task instance's state."""


class AirflowClient:
    """One user's view of one Airflow at `url`. Methods raise ApiError with the HTTP status."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._user, self._password = user, password
        self._pool = urllib3.PoolManager(retries=False, timeout=_ANSWER_SECONDS)
        self._token = ""

    def request(self, method: str, path: str, body: Json | None = None, **query: object) -> Any:
        """Any call below the base URL, logged in; the answer's JSON, None if it is empty."""
        if not self._token:
            self._token = self._log_in()
        answer = self._send(method, path, body, query, {"Authorization": f"Bearer {self._token}"})
        return json.loads(answer) if answer else None

    def health(self) -> Json:
        """The state of every component; needs no login."""
        found: Json = json.loads(self._send("GET", "/api/v2/monitor/health", None, {}, {}))
        return found

    def answers(self) -> bool:
        """Whether the API server serves requests yet."""
        try:
            self.health()
        except ApiError:
            return False
        return True

    def warm(self) -> None:
        """Make the API server build its side for tasks, which it puts off until the first call.

        Otherwise the first task after a start waits for it, about three seconds.
        """
        self._send("GET", "/execution/health", None, {}, {})

    def wait_for_dag(self, dag_id: str, seconds: float = 120.0) -> None:
        """Wait until the DAG is parsed and may run; raises LocalClusterError with import errors."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if not self.request("GET", f"/api/v2/dags/{quote(dag_id)}")["is_stale"]:
                    return
            except ApiError as error:
                if error.status != 404:
                    raise
            if time.monotonic() > deadline:
                problems = self.import_errors()
                told = "\n".join(f"{name}:\n{text}" for name, text in problems.items())
                raise LocalClusterError(
                    f"Airflow knows no DAG {dag_id!r} after {seconds:.0f} s\n{told}".rstrip()
                )
            time.sleep(_POLL_SECONDS)

    def unpause(self, dag_id: str) -> None:
        """Let the DAG run."""
        self.request("PATCH", f"/api/v2/dags/{quote(dag_id)}", {"is_paused": False})

    def import_errors(self) -> dict[str, str]:
        """What could not be parsed: file name -> message."""
        found = self.request("GET", "/api/v2/importErrors", limit=_PAGE)
        return {item["filename"]: item["stack_trace"] for item in found["import_errors"]}

    def trigger(self, dag_id: str, conf: Json | None = None, run_id: str | None = None) -> str:
        """Start a run, as the trigger form does; its run id."""
        body: Json = {"logical_date": None, "conf": conf or {}}
        if run_id is not None:
            body["dag_run_id"] = run_id
        started = self.request("POST", f"/api/v2/dags/{quote(dag_id)}/dagRuns", body)
        return str(started["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> Run:
        """The run as it is now."""
        state = self.request("GET", _run_path(dag_id, run_id))["state"]
        return Run(dag_id, run_id, state, self.task_instances(dag_id, run_id))

    def runs(self, dag_id: str) -> list[Json]:
        """Every run of a DAG as the API tells it, newest first."""
        path = f"/api/v2/dags/{quote(dag_id)}/dagRuns"
        return self._pages(path, "dag_runs", order_by="-run_after")

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskState]:
        """Every task instance of a run, mapped ones one by one."""
        found = self._pages(f"{_run_path(dag_id, run_id)}/taskInstances", "task_instances")
        return [
            TaskState(
                task=item["task_id"],
                map_index=item["map_index"],
                label=item.get("rendered_map_index") or "",
                state=item["state"] or "none",
                try_number=item["try_number"],
                started=item["start_date"] or "",
                ended=item["end_date"] or "",
            )
            for item in found
        ]

    def wait(
        self,
        dag_id: str,
        run_id: str,
        *,
        seconds: float = 300.0,
        watch: Watcher | None = None,
        alive: Callable[[], None] | None = None,
    ) -> Run:
        """Wait until a run has ended, well or badly; `alive` may raise to give up early.

        Raises LocalClusterError with the tasks' states when `seconds` are over.
        """
        deadline = time.monotonic() + seconds
        seen: dict[tuple[str, int], str] = {}
        while True:
            state = self.request("GET", _run_path(dag_id, run_id))["state"]
            ended = state in FINAL_RUN_STATES
            if watch is not None:
                _tell_changes(self.task_instances(dag_id, run_id), seen, watch)
            if ended:
                return self.run(dag_id, run_id)
            if alive is not None:
                alive()
            if time.monotonic() > deadline:
                now = ", ".join(f"{t.name}: {t.state}" for t in self.task_instances(dag_id, run_id))
                raise LocalClusterError(
                    f"run {run_id} of {dag_id} has not ended after {seconds:.0f} s ({now})"
                )
            time.sleep(_POLL_SECONDS)

    def clear(self, dag_id: str, run_id: str, *tasks: str) -> None:
        """Have a run's tasks done again, as the UI's dialog does: all that it has, or the named
        ones and what follows them."""
        body: Json = {"dag_run_id": run_id, "dry_run": False, "only_failed": False}
        if tasks:
            body |= {"task_ids": list(tasks), "include_downstream": True}
        self.request("POST", f"/api/v2/dags/{quote(dag_id)}/clearTaskInstances", body)

    def xcom(
        self, dag_id: str, run_id: str, task: str, key: str = "return_value", map_index: int = -1
    ) -> Any:
        """The value that a task left under `key`."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task)}/xcomEntries/{quote(key)}"
        found = self.request("GET", path, map_index=map_index, deserialize="true")
        return found["value"]

    def log(self, dag_id: str, run_id: str, task: TaskState) -> str:
        """The log of a task instance's newest try, one event a line."""
        path = f"{_run_path(dag_id, run_id)}/taskInstances/{quote(task.task)}/logs/"
        found = self.request("GET", f"{path}{task.try_number or 1}", map_index=task.map_index)
        return "\n".join(_log_line(event) for event in found["content"])

    def failure(self, run: Run, lines: int = 25) -> str:
        """Why a run failed: every failed task with the end of its log."""
        told = [f"run {run.run_id} of {run.dag_id}: {run.state}"]
        for task in run.failed():
            tail = self.log(run.dag_id, run.run_id, task).splitlines()[-lines:]
            told.append(f"  {task.name} failed:\n" + "\n".join(f"    {line}" for line in tail))
        return "\n".join(told)

    def backfill(self, dag_id: str, start: str, end: str, **options: object) -> Json:
        """Create a backfill over past intervals; `options` as the API names them."""
        body: Json = {"dag_id": dag_id, "from_date": start, "to_date": end, **options}
        found: Json = self.request("POST", "/api/v2/backfills", body)
        return found

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()

    def _pages(self, path: str, key: str, **query: Any) -> list[Json]:
        found: list[Json] = []
        while True:
            page = self.request("GET", path, limit=_PAGE, offset=len(found), **query)
            found += page[key]
            if not page[key] or len(found) >= page["total_entries"]:
                return found

    def _log_in(self) -> str:
        body = {"username": self._user, "password": self._password}
        return str(json.loads(self._send("POST", "/auth/token", body, {}, {}))["access_token"])

    def _send(
        self,
        method: str,
        path: str,
        body: Json | None,
        query: Mapping[str, object],
        headers: Mapping[str, str],
    ) -> bytes:
        url = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        kind = {} if body is None else {"Content-Type": "application/json"}
        try:
            answer = self._pool.request(method, url, body=data, headers={**headers, **kind})
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{method} {path}: {error}") from error
        if answer.status >= 400:
            raise ApiError(
                answer.status, f"{method} {path}: {answer.status} {_detail(answer.data)}"
            )
        return answer.data


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"


def _tell_changes(tasks: list[TaskState], seen: dict[tuple[str, int], str], watch: Watcher) -> None:
    for task in tasks:
        key = (task.task, task.map_index)
        if seen.get(key) != task.state:
            seen[key] = task.state
            if task.state != "none":
                watch(task)


def _log_line(event: Json) -> str:
    line = f"{event.get('timestamp') or ''} {event.get('event', '')}".strip()
    for part in event.get("error_detail") or []:
        line += f"\n{part.get('exc_type')}: {part.get('exc_value')}"
    return line


def _detail(data: bytes) -> str:
    text = data.decode(errors="replace")
    try:
        found = json.loads(text)
    except ValueError:
        return text[:500]
    detail = found.get("detail", found) if isinstance(found, dict) else found
    return detail if isinstance(detail, str) else json.dumps(detail)
