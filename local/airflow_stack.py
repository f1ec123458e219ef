"""A real Airflow on this machine: Postgres, api-server, scheduler, dag-processor, triggerer.

Plain processes rather than `airflow standalone`, which neither says which part died nor ends all
of them. State below one root is kept between starts, so only the first start pays for migrating
the database. The DAGs and plugins are the repository's unless overridden.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from local.airflow_client import AirflowClient
from local.airflow_settings import Secrets, api_url, environment, inherited
from local.cache import Report
from local.errors import LocalClusterError
from local.ports import free_ports, is_free
from local.postgres import Postgres
from local.processes import Child, end_all, stop_all
from local.sessions import Guard, members

_FIRST = ("api-server", "dag-processor", "triggerer")  # the scheduler follows
# Logs are read from the disk: the servers for running tasks' logs listen on every interface.
_SERVES_LOGS = {"scheduler", "triggerer"}

_READY_SECONDS = 480.0  # a quiet machine takes 15, a crowded one minutes
_PROGRESS_SECONDS = 10.0
_PATIENT_SECONDS = 4.0
_URGENT_SECONDS = 5.0
_HEARTBEATS = {
    "scheduler": "latest_scheduler_heartbeat",
    "dag_processor": "latest_dag_processor_heartbeat",
    "triggerer": "latest_triggerer_heartbeat",
}


class AirflowStack:
    """`with AirflowStack(root) as airflow:` runs until the block ends; nothing is left behind.

    `env` adds to and overrides the components' environment (`AIRFLOW_CONN_...`,
    `AIRFLOW__CORE__DAGS_FOLDER`). `port` is the UI's; a free one is picked when None or taken.
    """

    def __init__(
        self,
        root: Path,
        *,
        env: Mapping[str, str] | None = None,
        port: int | None = None,
        report: Report = print,
    ) -> None:
        self.root = root.absolute()
        self.logs = self.root / "logs"
        self._env = dict(env or {})
        self._wanted_port = port
        self._report = report
        self._postgres = Postgres(self.root / "postgres", self.logs)
        self._guard: Guard | None = None
        self._lock: IO[str] | None = None
        # By their leaders, those of parts that died included: what they had forked may still run.
        self.sessions: set[int] = set()
        self._leaders: dict[str, int] = {}
        self._environment: dict[str, str] = {}
        self.parts: dict[str, Child] = {}
        self._servers = {"postgres"}  # what Airflow's own parts need, so it ends after them
        self.url = ""
        self.passwords: dict[str, str] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until every component is healthy and warm.

        Raises LocalClusterError with the end of the log of whichever part failed.
        """
        self.logs.mkdir(parents=True, exist_ok=True)
        self._acquire()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every process: in order, then by force. Safe to call twice."""
        components = {name: c for name, c in self.parts.items() if name not in self._servers}
        _ask_to_stop(components)
        # To Airflow a second SIGTERM means: do not wait for the tasks that still run.
        stop_all(components.values(), _URGENT_SECONDS)
        for child in components.values():
            child.reap()  # the status of one that had ended by itself, too
        self._postgres.stop()
        end_all(members(self.sessions), grace=1.0)
        self.parts.clear()
        if self._guard is not None:
            self._guard.release()
            self._guard = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def check(self) -> None:
        """Raise LocalClusterError, naming the part and its last words, if one has ended."""
        for child in self.parts.values():
            child.check()

    def kill(self, name: str) -> None:
        """End one part at once, as a crash would; what it had forked goes on, as it would."""
        self.parts[name].kill()

    def lose(self, name: str) -> None:
        """End one part and all that it had forked at once, as when its machine is gone."""
        end_all(members([self._leaders[name]]), grace=0.0)
        self.parts[name].reap()

    def restart(self, name: str) -> None:
        """Start again a part that has ended, and end first what it had forked, as systemd would.

        The workers of a killed scheduler hold its connections to the database open. So PostgreSQL
        goes on with the transaction that the scheduler was in, and if that one had the scheduler's
        advisory lock, no scheduler queues a task any more.
        """
        if not self.parts[name].alive:
            end_all(members([self._leaders[name]]), grace=1.0)
        self._launch(name, self.parts[name])

    def _acquire(self) -> None:
        lock = (self.root / ".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise LocalClusterError(
                f"an Airflow already runs below {self.root}",
                hint="Stop that one first, or use another folder.",
            ) from None
        self._lock = lock

    def _start(self) -> None:
        began = time.monotonic()
        since = datetime.now(UTC)
        self._guard = Guard()
        self._launch("postgres", self._postgres.start())
        secrets = Secrets.load(self.root)
        port = self._choose_port()
        overrides = {**self._executor(), **self._env}
        env = environment(self.root, port, secrets, self._postgres.url, overrides)
        self._environment = env
        self.url, self.passwords = api_url(port), secrets.passwords
        self._migrate()
        client = self.client()
        for name in _FIRST:
            self._launch(name, self._component(name, env))
        self._wait(lambda: [] if client.answers() else ["api-server"], began)
        self._start_workers(env, began)
        # Not earlier: a run may be waiting from last time, and a task without an API server fails.
        self._launch("scheduler", self._component("scheduler", env))
        client.warm()
        self._wait(lambda: _unhealthy(client, since), began)
        client.close()
        self._report(f"Airflow is ready after {time.monotonic() - began:.0f} s: {self.url}")

    def _executor(self) -> dict[str, str]:
        """Start what the executor needs beside Postgres; what every component is told of it."""
        return {}

    def _start_workers(self, env: Mapping[str, str], began: float) -> None:
        """Start what runs tasks, if that is not the scheduler itself."""

    @property
    def database_url(self) -> str:
        """Of Airflow's own database, for SQLAlchemy."""
        return self._postgres.url

    def client(self, user: str = "admin") -> AirflowClient:
        """The REST API as one of the users (`admin`, `operator`, `user`, `viewer`)."""
        return AirflowClient(self.url, user, self.passwords[user])

    def command(self, *arguments: str) -> str:
        """Run Airflow's own command line on this Airflow's database; what it printed.

        Raises LocalClusterError with its last words when it fails.
        """
        done = subprocess.run(
            self._command(*arguments),
            env={**os.environ, **self._environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            told = f"{done.stdout}{done.stderr}"[-2000:]
            raise LocalClusterError(f"airflow {' '.join(arguments[:2])} failed:\n{told}")
        return done.stdout + done.stderr

    def _choose_port(self) -> int:
        if self._wanted_port is not None and is_free(self._wanted_port):
            return self._wanted_port
        return free_ports(1)[0]

    def _launch(self, name: str, child: Child) -> None:
        if not child.alive:
            child.start()
        self.parts[name] = child
        if child.identity is not None and self._guard is not None:
            self.sessions.add(child.identity.pid)
            self._leaders[name] = child.identity.pid
            self._guard.watch(child.identity.pid)

    def _command(self, *arguments: str) -> list[str]:
        dropped = [option for name in inherited(self._env) for option in ("-u", name)]
        return ["/usr/bin/env", *dropped, sys.executable, "-m", "airflow", *arguments]

    def _component(self, name: str, env: dict[str, str]) -> Child:
        arguments = ["--skip-serve-logs"] if name in _SERVES_LOGS else []
        return Child(name, self._command(name, *arguments), self.logs / f"{name}.log", env)

    def _migrate(self) -> None:
        """Bring the database to this Airflow's schema, unless it is known to have it."""
        marker = self.root / "database.json"
        airflow = importlib.metadata.version("apache-airflow-core")
        if marker.exists() and json.loads(marker.read_text()) == [airflow, self._revision()]:
            return
        self._report("Preparing Airflow's database (once)")
        (self.logs / "migrate.log").write_text(self.command("db", "migrate"))
        marker.write_text(json.dumps([airflow, self._revision()]))

    def _revision(self) -> str:
        return self._postgres.scalar("SELECT version_num FROM alembic_version")

    def _wait(self, missing: Callable[[], list[str]], began: float) -> None:
        told = time.monotonic() - began
        while waiting := missing():
            self.check()
            elapsed = time.monotonic() - began
            if elapsed > _READY_SECONDS:
                tails = "\n".join(f"{n}:\n{self.parts[n].log_tail()}" for n in waiting)
                raise LocalClusterError(
                    f"Airflow was not ready after {elapsed:.0f} s: {', '.join(waiting)}\n{tails}"
                )
            if elapsed - told >= _PROGRESS_SECONDS:
                told = elapsed
                self._report(f"  [{elapsed:.0f} s] waiting for {', '.join(waiting)}")
            time.sleep(0.2)


@contextlib.contextmanager
def temporary_airflow(
    env: Mapping[str, str] | None = None, *, report: Report = print
) -> Iterator[AirflowStack]:
    """An Airflow in a folder of its own that is gone afterwards, for tests."""
    root = Path(tempfile.mkdtemp(prefix="lifeboat-airflow-"))
    try:
        with AirflowStack(root, env=env, report=report) as stack:
            yield stack
    finally:
        shutil.rmtree(root)


def _unhealthy(client: AirflowClient, since: datetime) -> list[str]:
    """Who shows no heartbeat after `since`: older ones are those of an Airflow that was killed."""
    health = client.health()
    return [
        name.replace("_", "-")
        for name, key in _HEARTBEATS.items()
        if health[name]["status"] != "healthy" or datetime.fromisoformat(health[name][key]) < since
    ]


def _ask_to_stop(components: Mapping[str, Child]) -> None:
    """The first SIGTERM, and a few seconds to heed it."""
    identities = {name: child.identity for name, child in components.items() if child.identity}
    for identity in identities.values():
        identity.signal(signal.SIGTERM)
    # The triggerer waits ten seconds for a child that ended at once; nothing is gained by that.
    triggerer = identities.pop("triggerer", None)
    deadline = time.monotonic() + _PATIENT_SECONDS
    while any(i.alive for i in identities.values()) and time.monotonic() < deadline:
        time.sleep(0.05)
    if triggerer is not None:
        end_all([triggerer], grace=0.0)
