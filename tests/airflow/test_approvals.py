"""People and the restore DAG: who is asked, whose word counts, and what the vault knows of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from lifeboat.point.audit import Event, read
from lifeboat.restore.approval import Approved, approval_of
from lifeboat.restore.model import RestorePlan
from lifeboat.restore.plan import stored_plan
from local.airflow_client import AirflowClient, Run
from local.api import wait_until
from local.errors import ApiError
from tests.support.airflow import Lifeboat

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(600)]

ASKED, SPACE = "asked.local", "asked"
_FAST = 3.0  # seconds; a quicker answer is a test of its own


@dataclass
class Desk:
    """Where people sit: each with a login of their own, all before the same `restore` DAG."""

    lifeboat: Lifeboat
    people: dict[str, AirflowClient] = field(default_factory=dict)

    def as_(self, user: str) -> AirflowClient:
        if user not in self.people:
            self.people[user] = self.lifeboat.stack.client(user)
        return self.people[user]

    def lose(self, name: str) -> None:
        self.lifeboat.cluster.api.delete("v1", "ConfigMap", SPACE, name)

    def have(self) -> dict[str, str]:
        """The ConfigMaps of the test, by name, and which state each is in."""
        found = self.lifeboat.cluster.api.list("v1", "ConfigMap", SPACE)
        names = {item["metadata"]["name"]: item["metadata"]["resourceVersion"] for item in found}
        return {name: state for name, state in names.items() if name in ("one", "two")}

    def trigger(self, user: str, **conf: Any) -> str:
        self.lifeboat.client.wait_for_dag("restore")
        return self.as_(user).trigger("restore", {"instance": ASKED, **conf})

    def details(self, run: str) -> str:
        return f"/api/v2/dags/restore/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"

    def question(self, run: str) -> dict[str, Any]:
        found: dict[str, Any] = self.lifeboat.client.request("GET", self.details(run))
        return found

    def state(self, run: str, task: str = "approve") -> str:
        tasks = self.lifeboat.client.task_instances("restore", run)
        return next((one.state for one in tasks if one.task == task), "none")

    def wait_for_question(self, run: str) -> None:
        """Until it waits for somebody, and Airflow has understood that it does."""
        wait_until("it asks", lambda: self.state(run) == "awaiting_input", 120)
        time.sleep(_FAST)

    def answer(self, run: str, user: str, choice: str = "Approve") -> None:
        said = {"chosen_options": [choice], "params_input": {}}
        self.as_(user).request("PATCH", self.details(run), said)

    def decide(self, run: str, user: str, choice: str = "Approve") -> Run:
        """Answer as a person does who looks at the page, again where Airflow asks again, until the
        run is over."""
        deadline = time.monotonic() + 240
        while self.lifeboat.client.run("restore", run).state in ("queued", "running"):
            assert time.monotonic() < deadline, self.state(run)
            if self.state(run) == "awaiting_input":
                time.sleep(_FAST)
                with suppress(ApiError):  # it is not asked any more
                    self.answer(run, user, choice)
            time.sleep(0.5)
        return self.finish(run)

    def finish(self, run: str) -> Run:
        return self.lifeboat.finish("restore", run)

    def log(self, run: Run) -> str:
        """Of every try to ask."""
        task = next(one for one in run.tasks if one.task == "approve")
        tries = (replace(task, try_number=number + 1) for number in range(task.try_number))
        return "\n".join(self.lifeboat.client.log("restore", run.run_id, one) for one in tries)

    def plan(self, run: str) -> RestorePlan:
        restore = self.lifeboat.client.xcom("restore", run, "plan", "restore")
        return stored_plan(self.lifeboat.context(ASKED), ASKED, restore)

    def approval(self, run: str) -> Approved | None:
        return approval_of(self.lifeboat.context(ASKED), self.plan(run))

    def events(self, run: str) -> list[Event]:
        """What the vault's trail says of a run, but for that it was asked for."""
        found = [event for _, event in read(self.lifeboat.context(ASKED).vault) if event]
        return [one for one in found if one.run == run and one.action != "restore"]


@pytest.fixture
def desk(lifeboat: Lifeboat) -> Iterator[Desk]:
    """A point of two ConfigMaps, and the first of them lost."""
    made = Desk(lifeboat)
    api = lifeboat.cluster.api
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
    for name in ("one", "two"):
        metadata = {"name": name, "namespace": SPACE}
        api.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}})
    lifeboat.back_up(ASKED)
    made.lose("one")
    yield made
    for client in made.people.values():
        client.close()


def test_exactly_the_plan_that_a_person_approved_is_applied(desk: Desk) -> None:
    run = desk.trigger("user")
    desk.wait_for_question(run)
    assert set(desk.have()) == {"two"}, "nothing happens before somebody says so"
    plan, asked = desk.plan(run), desk.question(run)
    assert plan.digest in asked["body"]
    assert "Asked for by **user**" in asked["body"]
    desk.lose("two")  # there when the plan was made, so none of what is approved
    done = desk.decide(run, "user")
    assert done.state == "success", desk.lifeboat.client.failure(done)
    assert set(desk.have()) == {"one"}
    said = desk.approval(run)
    assert said is not None
    assert (said.by, said.digest, said.how) == ("user", plan.digest, "airflow")
    assert plan.created <= said.at
    (event,) = desk.events(run)
    assert (event.action, event.who, event.subject) == ("approve", "user", plan.restore)
    assert event.detail == f"digest {plan.digest}"


def test_what_a_person_rejects_changes_nothing_and_stands_in_the_vault(desk: Desk) -> None:
    before = desk.have()
    run = desk.trigger("user")
    desk.wait_for_question(run)
    done = desk.decide(run, "operator", "Reject")
    assert done.state == "failed"
    states = {task.task: task.state for task in done.tasks}
    touching = ("prepare", "volumes", "resources", "hooks", "ready")
    assert {states[task] for task in touching} == {"skipped"}
    assert "was rejected by operator, and nothing was changed" in desk.lifeboat.log(done, "report")
    assert desk.have() == before
    assert desk.approval(run) is None
    (event,) = desk.events(run)
    answered = f"{desk.question(run)['responded_at'][:19]}Z"
    assert (event.action, event.who) == ("reject", "operator")
    assert event.detail == f"digest {desk.plan(run).digest}, answered {answered}"


def test_who_asked_for_it_is_no_second_person_and_the_question_stays_open(desk: Desk) -> None:
    before = desk.have()
    run = desk.trigger("user", approval="second-person")
    desk.wait_for_question(run)
    assert "somebody else must approve it; **user** may reject it" in desk.question(run)["body"]
    desk.answer(run, "user")
    wait_until("it is refused", lambda: bool(desk.events(run)), 60)
    (refused,) = desk.events(run)
    assert (refused.action, refused.who) == ("refuse", "user")
    assert desk.plan(run).digest in refused.detail
    desk.wait_for_question(run)
    assert desk.question(run)["response_received"] is False
    assert desk.have() == before
    done = desk.decide(run, "operator")
    assert done.state == "success", desk.lifeboat.client.failure(done)
    assert "asked for by user, who may not approve it alone" in desk.log(done)
    said = desk.approval(run)
    assert said is not None
    assert said.by == "operator"
    assert [event.action for event in desk.events(run)] == ["refuse", "approve"]
    assert set(desk.have()) == {"one", "two"}


def test_nobody_answered_is_the_end_and_nobody_is_asked_again(desk: Desk) -> None:
    before = desk.have()
    run = desk.trigger("user")
    desk.wait_for_question(run)
    pass_a_day(desk, run)
    done = desk.finish(run)
    assert done.state == "failed"
    approve = next(task for task in done.tasks if task.task == "approve")
    assert (approve.state, approve.try_number) == ("failed", 1)
    assert "nobody answered: plan" in desk.log(done)
    (event,) = desk.events(run)
    assert (event.action, event.who) == ("lapse", "")
    assert event.detail == f"digest {desk.plan(run).digest}"
    assert desk.have() == before


def test_a_second_person_is_not_waited_for_where_nobody_is_the_first(desk: Desk) -> None:
    dag = "/api/v2/dags/restore"
    desk.lifeboat.client.request("PATCH", dag, {"is_paused": True})
    run = desk.trigger("user", approval="second-person")
    # What a DAG that a schedule started leaves behind when it triggers this one.
    change(desk, f"UPDATE dag_run SET triggering_user_name = NULL WHERE run_id = '{run}'")
    desk.lifeboat.client.request("PATCH", dag, {"is_paused": False})
    done = desk.finish(run)
    assert done.state == "failed"
    plan = next(task for task in done.tasks if task.task == "plan")
    assert (plan.state, plan.try_number) == ("failed", 1)
    assert "nobody knows who asked for this one" in desk.lifeboat.log(done, "plan")
    assert desk.state(run) == "upstream_failed", "nobody was asked"


def test_an_answer_that_comes_too_soon_counts_or_is_asked_for_again(desk: Desk) -> None:
    run = desk.trigger("user")

    def is_answered() -> bool:
        with suppress(ApiError):  # there is no question yet
            desk.answer(run, "operator")
            return True
        return False

    wait_until("it is answered at once", is_answered, 120)
    done = desk.decide(run, "operator")
    assert done.state == "success", desk.lifeboat.client.failure(done)
    said = desk.approval(run)
    assert said is not None
    assert said.by == "operator"
    assert [event.action for event in desk.events(run)] == ["approve"]
    assert set(desk.have()) == {"one", "two"}


def pass_a_day(desk: Desk, run: str) -> None:
    """As far as Airflow knows: its own sweep finds that the time for an answer is over."""
    change(
        desk,
        "UPDATE task_instance SET trigger_timeout = now() - interval '1 second'"
        f" WHERE run_id = '{run}' AND task_id = 'approve'",
    )


def change(desk: Desk, statement: str) -> None:
    """One row of Airflow's database."""
    assert desk.lifeboat.database(f"{statement} RETURNING 1").split() == ["1", "UPDATE", "1"]
