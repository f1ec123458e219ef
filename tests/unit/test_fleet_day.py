"""The fleet day's reckoning: how long rounds are, who is late, what counts as missed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bench.fleet_day import ROUNDS, Fleet, _measured
from lifeboat.policy.load import parse_policy
from local.airflow_client import AirflowClient, TaskState

BEGIN = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Airflow:
    """Runs by DAG and tick; each with the seconds after which its tasks began, and its state."""

    def __init__(self) -> None:
        self.made: dict[str, dict[datetime, tuple[list[int], str]]] = {}

    def runs(self, dag: str) -> list[dict[str, Any]]:
        by_hand = {"run_type": "manual", "logical_date": None, "dag_run_id": "x", "state": "failed"}
        ticks = self.made.get(dag, {})
        return [by_hand] + [
            {
                "run_type": "scheduled",
                "logical_date": tick.isoformat(),
                "dag_run_id": tick.isoformat(),
                "state": state,
            }
            for tick, (_, state) in ticks.items()
        ]

    def task_instances(self, dag: str, run: str) -> list[TaskState]:
        tick = datetime.fromisoformat(run)
        began = [(tick + timedelta(seconds=s)).isoformat() for s in self.made[dag][tick][0]]
        return [TaskState("any", -1, "", "success", 1, at, at) for at in [*began, ""]]


def measured(airflow: Airflow, fleet: Fleet) -> tuple[list[float], int]:
    end = BEGIN + ROUNDS * fleet.every
    return _measured(cast("AirflowClient", airflow), fleet, BEGIN, end)


@pytest.mark.parametrize(("instances", "minutes"), [(5, 5), (50, 5), (51, 6), (200, 20)])
def test_a_round_is_as_long_as_the_fleet_needs(instances: int, minutes: int) -> None:
    fleet = Fleet(instances)
    assert fleet.every == timedelta(minutes=minutes)
    assert fleet.jitter < fleet.every


def test_every_instance_is_due_three_times_at_its_own_moment() -> None:
    fleet = Fleet(200)
    end = BEGIN + ROUNDS * fleet.every
    due = {one: list(fleet.ticks(one, BEGIN, end)) for one in fleet.ids}
    assert {len(ticks) for ticks in due.values()} == {ROUNDS}
    assert len({ticks[0] for ticks in due.values()}) > 150, "spread over the round"


def test_the_policies_are_read_as_they_are_meant(tmp_path: Any) -> None:
    class Api:
        def apply(self, manifest: dict[str, Any]) -> None:
            made.append(manifest["metadata"]["name"])

    made: list[str] = []
    fleet = Fleet(60)
    fleet.write(tmp_path, cast("Any", Api()))
    policy = parse_policy((tmp_path / "fleet007.yaml").read_text(), "fleet007.yaml", "fleet007")
    assert policy.schedule is not None
    assert (policy.schedule.every, policy.schedule.jitter) == (fleet.every, fleet.jitter)
    assert made == [f"fleet-{number}" for number in range(60)]


def test_delays_and_what_was_missed() -> None:
    fleet, airflow = Fleet(2), Airflow()
    for number, dag in enumerate(fleet.ids):
        first, second, third = fleet.ticks(dag, BEGIN, BEGIN + ROUNDS * fleet.every)
        airflow.made[f"backup.{dag}"] = {first: ([7, 3], "success"), third: ([40], "running")}
        if number:
            airflow.made[f"backup.{dag}"][second] = ([], "failed")
    late, missed = measured(airflow, fleet)
    assert sorted(late) == [3, 3, 40, 40]
    assert missed == 4, "no run, one that failed, two that did not end"
