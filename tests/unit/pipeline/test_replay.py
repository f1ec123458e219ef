"""After a restore, other DAGs run again from the point on."""

from __future__ import annotations

import pytest

from lifeboat.adapters import flows_airflow
from lifeboat.clock import parse_rfc3339
from lifeboat.errors import UsageError
from lifeboat.pipeline import opening, replay_tasks
from lifeboat.pipeline.connections import AirflowConnections
from lifeboat.point import catalog
from lifeboat.point.manifest import read_manifest
from tests.support.fake_flows import FakeDag, FakeFlows
from tests.support.task_run import run_context
from tests.support.vaults import INSTANCE, stocked


def test_every_dag_runs_again_from_the_point_on_and_one_refusal_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    vault = stocked().context().vault
    flows = FakeFlows(dags={"orders": FakeDag(), "stock": FakeDag()})
    monkeypatch.setattr(replay_tasks, "open_copies", lambda _: (vault, []))
    monkeypatch.setattr(flows_airflow, "AirflowFlows", lambda _: flows)
    monkeypatch.setattr(AirflowConnections, "airflow", lambda self, connection: connection)
    monkeypatch.setattr(opening, "get_current_context", run_context)
    point = catalog.point_ids(vault, INSTANCE)[0]
    asked = replay_tasks.replay(INSTANCE, point, ["orders"], "airflow")
    captured = read_manifest(vault, INSTANCE, point).captured_from
    assert asked["orders"][0] == captured
    assert flows.dags["orders"].redone == [parse_rfc3339(captured)]
    with pytest.raises(
        UsageError, match="1 of 3 DAGs do not run again:\n  nobody: there is no DAG"
    ):
        replay_tasks.replay(INSTANCE, point, ["orders", "nobody", "stock"], "airflow")
    assert len(flows.dags["stock"].redone) == 1
