"""What the adapter to Airflow's REST API asks, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from lifeboat.adapters.flows_airflow import AirflowFlows, AirflowSettings
from lifeboat.errors import (
    AirflowUnreachable,
    Forbidden,
    LifeboatError,
    NotFound,
    Throttled,
    Unauthorized,
)
from tests.support.scripted_server import Answer, Script, ok, scripted_server

DAG = "/api/v2/dags/load%2Forders"
RUNS = f"{DAG}/dagRuns"
PASSWORD = "s3cret-of-the-user"


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server() as script:
        script.by_path["/auth/token"] = [ok({"access_token": "t-1"})]
        yield script


@pytest.fixture
def flows(script: Script) -> AirflowFlows:
    return AirflowFlows(AirflowSettings(script.url, "lifeboat", PASSWORD))


def asked(script: Script) -> list[str]:
    return [f"{request.method} {request.path}" for request in script.requests]


def test_it_logs_in_once_and_names_are_quoted(script: Script, flows: AirflowFlows) -> None:
    script.by_path[DAG] = [ok({"is_paused": True})]
    assert flows.is_paused("load/orders")
    flows.set_paused("load/orders", paused=False)
    assert asked(script) == [
        "POST /auth/token",
        f"GET {DAG}",
        f"PATCH {DAG}?update_mask=is_paused",
    ]
    assert script.requests[1].headers["Authorization"] == "Bearer t-1"
    assert "Authorization" not in script.requests[0].headers


def test_a_token_that_expired_is_asked_for_again(script: Script, flows: AirflowFlows) -> None:
    script.by_path[DAG] = [ok({"is_paused": True}), Answer(401), ok({"is_paused": False})]
    assert flows.is_paused("load/orders")
    assert not flows.is_paused("load/orders")
    assert asked(script).count("POST /auth/token") == 2


def test_busy_is_runs_and_of_a_paused_dag_tasks(script: Script, flows: AirflowFlows) -> None:
    script.by_path[DAG] = [ok({"is_paused": False}), ok({"is_paused": True})]
    pages = [
        {"dag_runs": [{"dag_run_id": "r-1"}], "total_entries": 2},
        {"dag_runs": [{"dag_run_id": "r-2"}], "total_entries": 2},
    ]
    script.by_path[RUNS] = [ok(page) for page in pages]
    task = {"task_id": "copy", "dag_run_id": "r-1"}
    script.by_path[f"{RUNS}/~/taskInstances"] = [ok({"task_instances": [task], "total_entries": 1})]
    assert flows.busy("load/orders") == ("run r-1", "run r-2")
    assert flows.busy("load/orders") == ("task copy of r-1",)
    paths = asked(script)
    assert f"GET {RUNS}?state=queued&state=running&limit=100&offset=1" in paths
    assert "state=deferred" in paths[-1]


def test_runs_since_a_moment(script: Script, flows: AirflowFlows) -> None:
    script.by_path[RUNS] = [ok({"dag_runs": [{"dag_run_id": "r-9"}], "total_entries": 1})]
    moment = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert flows.began_since("load/orders", moment) == ("r-9",)
    assert "start_date_gte=2026-11-22T12%3A00%3A00Z" in asked(script)[-1]


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, Unauthorized), (403, Forbidden), (404, NotFound), (429, Throttled),
     (500, AirflowUnreachable), (502, AirflowUnreachable)],
)  # fmt: skip
def test_what_statuses_mean(
    script: Script, flows: AirflowFlows, status: int, error: type[LifeboatError]
) -> None:
    script.by_path[DAG] = [Answer(status, PASSWORD.encode())]
    with pytest.raises(error, match=f"HTTP {status}") as told:
        flows.is_paused("load/orders")
    assert PASSWORD not in str(told.value)


def test_nobody_answers_or_somebody_else_does(script: Script, flows: AirflowFlows) -> None:
    script.by_path[DAG] = [Answer(body=b"<html>log in</html>")]
    with pytest.raises(AirflowUnreachable, match="not the JSON of Airflow"):
        flows.is_paused("load/orders")
    closed = AirflowFlows(AirflowSettings("http://127.0.0.1:9", "lifeboat", PASSWORD))
    with pytest.raises(AirflowUnreachable, match="does not answer"):
        closed.is_paused("load/orders")
    assert PASSWORD not in repr(AirflowSettings("http://a", "b", PASSWORD))
