"""A standby kept in step by a point's Asset, and a failover that a person agreed to, in a real
Airflow between two real control planes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from lifeboat.point.audit import read
from lifeboat.point.standby import Standing
from lifeboat.standby.runbook import standing
from local.airflow_client import AirflowClient, Run
from local.airflow_stack import AirflowStack, temporary_airflow
from local.api import wait_until
from local.errors import ApiError
from tests.support.standby_pair import Pair, make_pair, two_clusters

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]

PRIMARY, DR = "prod", "dr"
_FAST = 3.0  # seconds; a quicker answer fails the first try of Airflow's own task


@dataclass
class Desk:
    """Where somebody sits in front of Airflow."""

    pair: Pair
    stack: AirflowStack
    client: AirflowClient

    def now(self) -> Standing:
        return standing(self.pair.sides())

    def finish(self, dag: str, run: str) -> Run:
        return self.client.wait(dag, run, seconds=300, alive=self.stack.check)

    def run(self, dag: str, **conf: Any) -> Run:
        """A run that has to succeed, without a question."""
        self.client.wait_for_dag(dag)
        done = self.finish(dag, self.client.trigger(dag, conf))
        assert done.state == "success", self.client.failure(done)
        return done

    def decide(self, dag: str, choice: str, user: str = "admin", **conf: Any) -> Run:
        """A run whose question is answered, as often as Airflow asks."""
        self.client.wait_for_dag(dag)
        run = self.client.trigger(dag, conf)
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
        other = self.stack.client(user)
        deadline = time.monotonic() + 300
        while self.client.run(dag, run).state in ("queued", "running"):
            assert time.monotonic() < deadline, self.client.task_instances(dag, run)
            tasks = self.client.task_instances(dag, run)
            if any(one.task == "approve" and one.state == "awaiting_input" for one in tasks):
                time.sleep(_FAST)
                with suppress(ApiError):  # it is not asked any more
                    said = {"chosen_options": [choice], "params_input": {}}
                    other.request("PATCH", path, said)
            time.sleep(0.5)
        other.close()
        return self.finish(dag, run)

    def log(self, run: Run, task: str) -> str:
        found = next(one for one in run.tasks if one.task == task)
        return self.client.log(run.dag_id, run.run_id, found)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("standby")
    with two_clusters() as clusters:
        pair = make_pair(clusters, folder)
        api = clusters[PRIMARY].api
        api.delete("v1", "Pod", pair.name, "lone")
        wait_until("no bare pod", lambda: api.gone("v1", "Pod", pair.name, "lone"), 60)
        with temporary_airflow({"LIFEBOAT_INCLUDE": str(pair.include)}) as stack:
            client = stack.client()
            yield Desk(pair, stack, client)
            client.close()


def test_a_backup_brings_its_point_and_a_failover_and_failback_are_agreed_to(desk: Desk) -> None:
    pair = desk.pair
    standby, backup = f"standby.{pair.id}", f"backup.{pair.id}"
    desk.client.wait_for_dag(standby)
    made = desk.run(backup)
    point = desk.client.xcom(backup, made.run_id, "commit")["point"]

    def brought() -> bool:
        there = desk.now().brought
        return there is not None and there.point == point

    wait_until("the point's Asset started the standby", brought, 240)
    pair.wait_still(DR)
    assert pair.ledger(DR).read_text() == "one"
    again = desk.run(standby)
    assert f"nothing was brought: point {point} is there" in desk.log(again, "report")
    assert {t.state for t in again.tasks if t.task in ("prepare", "volumes")} == {"skipped"}

    asked: dict[str, Any] = {"instance": pair.id, "planned": True}
    dry = desk.run("failover", **asked, dry_run=True)
    assert "primary answers" in desk.log(dry, "check")
    assert desk.now().mode == "warm"
    no = desk.decide("failover", "Reject", **asked)
    assert no.state == "failed", "whoever is told no does not read success"
    assert "was rejected by admin, and nothing was changed" in desk.log(no, "report")
    assert desk.now().mode == "warm"

    pair.ledger(PRIMARY).write_text("the very last")
    done = desk.decide("failover", "Approve", **asked)
    assert done.state == "success", desk.client.failure(done)
    pair.wait_running(DR)
    pair.wait_still(PRIMARY)
    assert pair.ledger(DR).read_text() == "the very last"
    assert desk.now().mode == "active"

    for dag, why in (
        (standby, "would overwrite what it has written"),
        (backup, "nothing to captu"),
    ):
        refused = desk.finish(dag, desk.client.trigger(dag, {}))
        assert refused.state == "failed"
        first = "choose" if dag == standby else "enumerate"
        assert why in desk.log(refused, first)

    pair.ledger(DR).write_text("written in dr")
    home = desk.decide("failback", "Approve", instance=pair.id)
    assert home.state == "success", desk.client.failure(home)
    pair.wait_running(PRIMARY)
    assert pair.ledger(PRIMARY).read_text() == "written in dr"
    events = [one for _, one in read(pair.sides().vault) if one]
    told = [one.action for one in events if one.action != "backup"]
    assert told == ["failover", "reject", "failover", "approve", "failback", "approve"]
    assert all(one.who == "admin" for one in events)
