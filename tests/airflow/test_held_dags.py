"""A backup pauses other DAGs of the same Airflow while it snapshots, and lets them go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from lifeboat.adapters.flows_airflow import AirflowFlows, AirflowSettings
from lifeboat.clock import rfc3339, utc_now
from lifeboat.point.manifest import read_manifest
from local.api import wait_until
from tests.airflow.test_runs import stopped
from tests.support.airflow import Lifeboat
from tests.support.flows import CONTRACT, FlowWorld

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

HELD, WRITER = "backup.held.local", "backup.monthly.local"


def under_way(lifeboat: Lifeboat, dag: str, run: str) -> None:
    """Wait until the snapshots are all that the run waits for."""

    def waiting() -> bool:
        states = {t.task: t.state for t in lifeboat.client.task_instances(dag, run)}
        return states.get("settle") == "deferred" and "running" not in states.values()

    wait_until("settle is deferred", waiting, 180)


class RealFlows:
    """A DAG of the real Airflow; its task is under way as long as nobody makes snapshots."""

    dag = "backup.kept.local"

    def __init__(self, lifeboat: Lifeboat, stack: ExitStack) -> None:
        self._lifeboat, self._stack, self._run = lifeboat, stack, ""
        lifeboat.client.wait_for_dag(self.dag)
        self.flows = AirflowFlows(settings(lifeboat))

    def start(self) -> str:
        self._stack.enter_context(stopped(self._lifeboat, "csi-snapshotter"))
        self._run = self._lifeboat.start(self.dag)
        under_way(self._lifeboat, self.dag, self._run)
        return self._run

    def finish(self) -> None:
        self._stack.close()
        self.flows.set_paused(self.dag, paused=False)
        self._lifeboat.finish(self.dag, self._run)

    def now(self) -> str:
        return rfc3339(utc_now())


def settings(lifeboat: Lifeboat) -> AirflowSettings:
    client = lifeboat.client
    return AirflowSettings(client.url, client._user, client._password)


@pytest.fixture
def real(lifeboat: Lifeboat) -> Iterator[RealFlows]:
    with ExitStack() as stack:
        yield RealFlows(lifeboat, stack)


@pytest.mark.parametrize("promise", CONTRACT, ids=lambda promise: promise.__name__)
def test_airflow_keeps_the_promises_of_the_port(
    real: RealFlows, promise: Callable[[FlowWorld], None]
) -> None:
    promise(real)


def test_a_writer_is_paused_while_snapshots_are_taken_and_only_then(lifeboat: Lifeboat) -> None:
    client, flows = lifeboat.client, AirflowFlows(settings(lifeboat))
    client.wait_for_dag(WRITER)
    client.request(
        "POST",
        "/api/v2/connections",
        {
            "connection_id": "lifeboat_airflow",
            "conn_type": "http",
            "host": client.url,
            "login": client._user,
            "password": client._password,
        },
    )
    assert not flows.is_paused(WRITER)
    with stopped(lifeboat, "csi-snapshotter"):
        run_id = lifeboat.start(HELD)
        under_way(lifeboat, HELD, run_id)
        assert flows.is_paused(WRITER)
    run = lifeboat.finish(HELD, run_id)
    assert run.state == "success", client.failure(run)
    assert not flows.is_paused(WRITER)
    assert f"held {WRITER}" in lifeboat.log(run, "hold_dags")
    assert f"unpaused {WRITER}" in lifeboat.log(run, "release_dags")
    point = client.xcom(HELD, run_id, "commit")["point"]
    manifest = read_manifest(lifeboat.context("held.local").vault, "held.local", point)
    assert manifest.quiet
    assert manifest.quiet.dags == (WRITER,)
    assert manifest.captured_from <= manifest.quiet.since <= manifest.quiet.until
    assert manifest.warnings == ()


def test_a_dag_that_nobody_knows_is_told_and_no_volume_is_snapshotted(lifeboat: Lifeboat) -> None:
    run = lifeboat.finish("backup.lost.local", lifeboat.start("backup.lost.local"))
    assert run.state == "failed"
    states = {task.task: task.state for task in run.tasks}
    assert (states["hold_dags"], states["snapshot"]) == ("failed", "upstream_failed")
    assert states["release_dags"] == "success"
    assert "no_such_dag" in lifeboat.log(run, "hold_dags")
