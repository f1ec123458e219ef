"""The embedded Airflow: it runs DAGs, says what died, leaves nothing, and recovers.

One Airflow serves most tests here. It starts on what a killed one left, which is the case that a
person meets after closing the lid.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.airflow_stack import AirflowStack
from local.api import wait_until
from local.errors import ApiError, LocalClusterError
from local.sessions import members

pytestmark = pytest.mark.airflow

_REPOSITORY = Path(__file__).resolve().parents[2]
_SECONDS = 500.0
_DAG = '''
"""An airflow dag of two tasks, and one that fails."""
from airflow.sdk import DAG, task

with DAG("two", schedule=None, is_paused_upon_creation=False):

    @task
    def first(params=None):
        return {"said": params.get("word", "nothing")}

    @task
    def second(heard):
        print("heard", heard["said"])
        return [1, 2]

    @task(map_index_template="number {{ n }}")
    def each(n):
        from airflow.sdk import get_current_context
        get_current_context()["n"] = n
        if n == 2:
            raise ValueError("two is refused")

    each.expand(n=second(first()))
'''
_HOLDER = """
import sys, time
from pathlib import Path
from local.airflow_stack import AirflowStack
root, dags, told = map(Path, sys.argv[1:])
stack = AirflowStack(root, env={"AIRFLOW__CORE__DAGS_FOLDER": str(dags)})
stack.start()
told.write_text(" ".join(map(str, stack.sessions)))
time.sleep(3600)
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A root for Airflow and the environment with a DAG folder of its own."""
    home = tmp_path_factory.mktemp("stack")
    dags = home / "dags"
    dags.mkdir()
    (dags / "two.py").write_text(_DAG)
    return home / "root", {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)}


@pytest.fixture(scope="module")
def killed(places: tuple[Path, dict[str, str]]) -> set[int]:
    """The process sessions of an Airflow whose owner got SIGKILL while it was up."""
    root, env = places
    told = root.parent / "sessions"
    arguments = [str(root), env["AIRFLOW__CORE__DAGS_FOLDER"], str(told)]
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, *arguments],
        cwd=_REPOSITORY,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    ) as owner:
        try:
            wait_until("a start", lambda: told.exists() or owner.poll() is not None, _SECONDS)
            assert owner.poll() is None
            sessions = {int(pid) for pid in told.read_text().split()}
            assert len(members(sessions)) > len(sessions)
        finally:
            os.kill(owner.pid, signal.SIGKILL)
    return sessions


@pytest.fixture(scope="module")
def stack(places: tuple[Path, dict[str, str]], killed: set[int]) -> Iterator[AirflowStack]:
    """A running Airflow, on what the killed one left."""
    wait_until("the end of what the killed one ran", lambda: not members(killed), _SECONDS)
    root, env = places
    with AirflowStack(root, env=env) as running:
        yield running
    # One test killed the scheduler, whose workers lived on: stop ends them, too.
    assert_nothing_left(running)


def test_everything_dies_with_a_killed_owner(killed: set[int]) -> None:
    wait_until("the end of every process", lambda: not members(killed), _SECONDS)


def test_a_start_on_what_a_killed_one_left_neither_migrates_nor_changes_passwords(
    stack: AirflowStack, places: tuple[Path, dict[str, str]]
) -> None:
    made = places[0] / "database.json"
    started = places[0] / ".lock"
    assert made.stat().st_mtime < started.stat().st_mtime
    assert stack.client("viewer").request("GET", "/api/v2/dags")["total_entries"] >= 0


def test_a_run_tells_its_tasks_values_and_failures(stack: AirflowStack) -> None:
    client = stack.client()
    client.wait_for_dag("two", _SECONDS)
    assert client.import_errors() == {}
    run_id = client.trigger("two", {"word": "ahoy"})
    seen: list[tuple[str, str]] = []
    run = client.wait(
        "two",
        run_id,
        seconds=_SECONDS,
        watch=lambda task: seen.append((task.name, task.state)),
        alive=stack.check,
    )
    assert run.state == "failed"
    assert {task.name for task in run.tasks} == {
        "first",
        "second",
        "each [number 1]",
        "each [number 2]",
    }
    assert [task.name for task in run.failed()] == ["each [number 2]"]
    assert ("first", "success") in seen
    assert client.xcom("two", run_id, "first") == {"said": "ahoy"}
    second = next(task for task in run.tasks if task.task == "second")
    assert "heard ahoy" in client.log("two", run_id, second)
    assert "two is refused" in client.failure(run)
    assert run_id in [known["dag_run_id"] for known in client.runs("two")]


def test_a_viewer_may_look_but_not_start(stack: AirflowStack) -> None:
    stack.client().wait_for_dag("two", _SECONDS)
    viewer = stack.client("viewer")
    viewer.wait_for_dag("two", _SECONDS)
    with pytest.raises(ApiError, match="403") as refused:
        viewer.trigger("two")
    assert refused.value.status == 403


def test_an_unknown_dag_is_told(stack: AirflowStack) -> None:
    with pytest.raises(LocalClusterError, match="no DAG 'three'"):
        stack.client().wait_for_dag("three", 0.1)


def test_a_second_one_below_the_same_root_is_refused(stack: AirflowStack) -> None:
    with pytest.raises(LocalClusterError, match="already runs"):
        AirflowStack(stack.root).start()
    stack.check()


def test_a_killed_scheduler_is_named_and_can_be_started_again(stack: AirflowStack) -> None:
    scheduler = stack.parts["scheduler"].identity
    assert scheduler is not None
    scheduler.signal(signal.SIGKILL)
    wait_until("the scheduler's end", lambda: not scheduler.alive, _SECONDS)
    with pytest.raises(LocalClusterError, match=r"scheduler ended \(exit -9\)"):
        stack.check()
    stack.restart("scheduler")
    client = stack.client()
    client.wait_for_dag("two", _SECONDS)
    run = client.wait("two", client.trigger("two"), seconds=_SECONDS, alive=stack.check)
    assert len(run.tasks) == 4


def test_a_start_that_fails_names_the_part_and_leaves_nothing(
    places: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    env = {**places[1], "AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor"}
    stack = AirflowStack(tmp_path / "root", env=env)
    with pytest.raises(LocalClusterError, match=r"scheduler ended \(exit 1\)"):
        stack.start()
    assert len(stack.sessions) == 5
    assert_nothing_left(stack)


def test_stop_leaves_nothing_and_a_run_that_waits_goes_on_after_the_next_start(
    places: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    stack = AirflowStack(tmp_path / "root", env=places[1])
    with stack:
        client = stack.client()
        client.wait_for_dag("two", _SECONDS)
        stack.kill("scheduler")
        run_id = client.trigger("two")
        assert len(members(stack.sessions)) > len(stack.sessions)
    assert_nothing_left(stack)
    with pytest.raises(ApiError, match="refused"):
        client.health()
    with stack:
        run = stack.client().wait("two", run_id, seconds=_SECONDS, alive=stack.check)
        # What fails is meant to: no task met an Airflow that was only half up.
        assert [task.name for task in run.failed()] == ["each [number 2]"]
    assert_nothing_left(stack)


def assert_nothing_left(stack: AirflowStack) -> None:
    assert members(stack.sessions) == []
    assert not (stack.root / "postgres" / "data" / "postmaster.pid").exists()
