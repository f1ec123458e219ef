"""The same Airflow with the CeleryExecutor: a Redis, and workers with queues of their own.

Each worker is what a machine of its own would be: one process session, a name that Airflow shows
as the host of its tasks, and its own log.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import override

from local.airflow_stack import AirflowStack
from local.cache import Report
from local.processes import Child
from local.redis_server import Redis
from local.worker_name import WORKER

DEFAULT_QUEUE = "default"
"""Where tasks go that name no queue: Airflow's own `[operators] default_queue`."""

_PING_SECONDS = 2.0


class CeleryStack(AirflowStack):
    """`workers` maps a worker's name to the queues it listens to; its part is `worker-<name>`."""

    def __init__(
        self,
        root: Path,
        workers: Mapping[str, tuple[str, ...]],
        *,
        env: Mapping[str, str] | None = None,
        concurrency: int = 4,
        report: Report = print,
    ) -> None:
        super().__init__(root, env=env, report=report)
        self._workers = dict(workers)
        self._concurrency = concurrency
        self._redis = Redis(self.root / "redis", self.logs)
        self._servers |= {"redis"}

    @override
    def stop(self) -> None:
        super().stop()
        self._redis.stop()

    @property
    def broker_url(self) -> str:
        """Of Redis, with its password."""
        return self._redis.url

    @override
    def restart(self, name: str) -> None:
        super().restart(name)
        if name == "redis":
            self.parts[name].wait_ready(self._redis.answers, 60.0)

    def deaf(self) -> list[str]:
        """The workers that do not answer through Redis, as parts."""
        from celery import Celery  # a development dependency, and a second to import

        app = Celery(broker=self.broker_url)
        try:
            answers = app.control.ping(timeout=_PING_SECONDS)
        finally:
            app.close()
        heard = {name.removeprefix("celery@") for answer in answers for name in answer}
        return [_part(name) for name in self._workers if name not in heard]

    @override
    def _executor(self) -> dict[str, str]:
        self._launch("redis", self._redis.start())
        return {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "local.worker_name.worker_name",
            "AIRFLOW__CELERY__BROKER_URL": self.broker_url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{self._postgres.url}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(self._concurrency),
        }

    @override
    def _start_workers(self, env: Mapping[str, str], began: float) -> None:
        for name, queues in self._workers.items():
            self._launch(_part(name), self._worker(name, queues, env))
        self._wait(self.deaf, began)

    def _worker(self, name: str, queues: tuple[str, ...], env: Mapping[str, str]) -> Child:
        command = self._command(
            *("celery", "worker", "--celery-hostname", f"celery@{name}"),
            *("--queues", ",".join(queues)),
            # What workers tell each other nobody here asks for.
            *("--skip-serve-logs", "--without-mingle", "--without-gossip"),
        )
        log = self.logs / f"{_part(name)}.log"
        return Child(_part(name), command, log, {**env, WORKER: name})


def _part(worker: str) -> str:
    return f"worker-{worker}"
