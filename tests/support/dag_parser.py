"""Parses the repository's DAG files as Airflow does, and tells what it saw.

In a process of its own, because Airflow reads its settings when it is imported, and so that sockets
can be forbidden: a DAG file that talks to anybody would do so every few seconds.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from local.airflow_settings import REPOSITORY

HEAVY = ("kubernetes", "azure")


@dataclass(frozen=True)
class Parsed:
    """DAGs by id, import errors by file, seconds, and heavy modules that parsing imported."""

    dags: dict[str, dict[str, Any]]
    errors: dict[str, str]
    seconds: float
    imported: list[str]

    def graph(self, dag: str) -> dict[str, list[str]]:
        """Task -> its direct downstream tasks."""
        return {task: found["downstream"] for task, found in self.dags[dag]["tasks"].items()}


def parse_dags(include: Path, *, task_of: str = "") -> Parsed:
    """Parse dags/ with this include folder; `task_of`: as a task of that DAG does at its start."""
    with tempfile.TemporaryDirectory(prefix="lifeboat-parse-") as home:
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")},
            "AIRFLOW_HOME": home,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),  # part of a version
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY / "include"), str(REPOSITORY)]),
            "LIFEBOAT_INCLUDE": str(include),
        }
        if task_of:
            environment["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = task_of
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    return Parsed(**json.loads(done.stdout.splitlines()[-1]))


def _main() -> None:
    from airflow.dag_processing.dagbag import BundleDagBag

    before = set(sys.modules)
    _forbid_sockets()
    began = time.monotonic()
    folder = REPOSITORY / "dags"
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder")
    seconds = time.monotonic() - began
    imported = sorted(set(sys.modules) - before)
    told = {
        "dags": {dag_id: _describe(dag) for dag_id, dag in bag.dags.items()},
        "errors": {Path(name).name: text for name, text in bag.import_errors.items()},
        "seconds": seconds,
        "imported": [name for name in imported if name.split(".")[0] in HEAVY],
    }
    print(json.dumps(told))


def _forbid_sockets() -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a DAG file opened a connection")

    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.socket.connect_ex = refuse  # type: ignore[method-assign]


def _describe(dag: Any) -> dict[str, Any]:
    from airflow.models.serialized_dag import SerializedDagModel
    from airflow.serialization.serialized_objects import DagSerialization

    serialized = DagSerialization.to_dict(dag)
    timetable = serialized["dag"]["timetable"]
    schedule = timetable["__var"]
    return {
        "tasks": {task.task_id: _describe_task(task) for task in dag.tasks},
        "timetable": timetable["__type"],
        "periodic": DagSerialization.from_dict(serialized).timetable.periodic,
        "schedule": schedule.get("expression"),
        "timezone": schedule.get("timezone"),
        "waits_for": sorted(set(re.findall(r'"uri": "([^"]+)"', json.dumps(schedule)))),
        "run_immediately": schedule.get("run_immediately"),
        "tags": sorted(dag.tags),
        "doc": dag.doc_md,
        "params": {name: dag.params.get_param(name).schema for name in dag.params},
        "defaults": {
            name: value
            for name in dag.params
            if isinstance(value := dag.params.get_param(name).value, int | str)
        },
        "max_active_runs": dag.max_active_runs,
        "catchup": dag.catchup,
        "limit": dag.dagrun_timeout.total_seconds() if dag.dagrun_timeout else None,
        "paused": dag.is_paused_upon_creation,
        "run_types": sorted(kind.value for kind in dag.allowed_run_types or ()),
        "deadline": bool(dag.deadline),
        "leaves": sorted(task.task_id for task in dag.leaves if not task.is_teardown),
        "file": Path(dag.fileloc).name,
        "version": SerializedDagModel.hash(serialized),  # type: ignore[no-untyped-call]
    }


def _describe_task(task: Any) -> dict[str, Any]:
    return {
        "downstream": sorted(task.downstream_task_ids),
        "rule": str(getattr(task.trigger_rule, "value", task.trigger_rule)),
        "mapped": type(task).__name__.endswith("MappedOperator"),
        "retries": task.retries,
        "teardown": task.is_teardown,
        "time_limit": bool(getattr(task, "execution_timeout", None)),
        "asks_first": _pre_execute(task),
        "waits": callable(getattr(task, "resume", None)),
        "outlets": [asset.uri for asset in task.outlets],
    }


def _pre_execute(task: Any) -> str:
    """The name of what runs before it."""
    mapped = getattr(task, "partial_kwargs", {})
    hook = mapped.get("pre_execute") or getattr(task, "_pre_execute_hook", None)
    return getattr(hook, "__name__", "")


if __name__ == "__main__":
    _main()
