"""What tasks leave in the audit trail: who, from what a task is told of its run."""

from __future__ import annotations

from typing import Any

import pytest

from lifeboat.pipeline import backup_tasks, opening, proof_tasks, prune_tasks, restore_tasks, trail
from lifeboat.point.audit import Event, read
from lifeboat.restore.approval import approval_of
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.plan import plan_restore
from tests.support.proof_world import ProofWorld
from tests.support.task_run import answer, run_context
from tests.support.world import POLICY

SHOP = "shop.local"


class Tasks:
    """Tasks of one run over one world, and what other tasks left for them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = ProofWorld()
        self.context: dict[str, Any] = {}
        self.left: dict[tuple[str, str], Any] = {}
        self.of("manual")
        for module in (backup_tasks, opening, proof_tasks, restore_tasks, trail):
            monkeypatch.setattr(module, "get_current_context", lambda: self.context)
        for module in (backup_tasks, prune_tasks, restore_tasks):
            monkeypatch.setattr(module, "open_instance", lambda *_: self.world.context())
        monkeypatch.setattr(prune_tasks, "open_copies", lambda _: (None, []))
        monkeypatch.setattr(restore_tasks, "pull", self.pull)
        given = self.world.context()
        monkeypatch.setattr(proof_tasks, "open_vault", lambda _: (given.instance, given.vault))

    def of(self, kind: str, user: str = "ada") -> None:
        self.context = run_context(kind, user=user)

    def pull(self, task: str, key: str = "return_value") -> Any:
        return self.left.get((task, key))

    def events(self) -> list[Event]:
        return [event for _, event in read(self.world.context().vault) if event]

    def planned(self, approval: str = "none") -> Any:
        point = self.world.back_up().point
        request = RestoreRequest(
            instance=SHOP,
            point=point,
            asked_by="ada",
            approval=approval,  # type: ignore[arg-type]
        )
        return plan_restore(self.world.context(), request, "plan-1")


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    return Tasks(monkeypatch)


@pytest.mark.parametrize(("kind", "left"), [("manual", 1), ("scheduled", 0)])
def test_a_backup_on_demand_says_who_and_attempts_say_it_once(
    tasks: Tasks, kind: str, left: int
) -> None:
    tasks.of(kind)
    tasks.context["dag_run"].logical_date = tasks.world.now
    for _ in range(2):
        backup_tasks.enumerate_point(SHOP, "sha256:1", [])
    assert len(tasks.events()) == left
    for event in tasks.events():
        assert (event.action, event.who, event.how, event.trigger) == (
            "backup", "ada", "airflow", "manual",
        )  # fmt: skip
        assert (event.dag, event.run) == ("dag", "manual__1")
        assert event.subject.startswith("20261122T")


def test_a_test_restore_by_hand_says_who(tasks: Tasks) -> None:
    point = tasks.world.back_up().point
    proof_tasks.choose(SHOP, "", [])
    (event,) = tasks.events()
    assert (event.action, event.subject, event.who) == ("prove", point, "ada")


def test_what_a_schedule_deletes_is_told_and_nobody_is_behind_it(tasks: Tasks) -> None:
    assert "last: 2" in POLICY
    for number in range(3):
        tasks.world.back_up(f"run-{number}")
    tasks.of("scheduled", user="")
    prune_tasks.prune(SHOP)
    prune_tasks.prune(SHOP)
    (event,) = tasks.events()
    assert (event.action, event.who, event.trigger) == ("delete", "", "scheduled")
    assert event.detail.startswith("20261122T120000Z-")


def test_an_approval_names_who_answered_and_not_who_triggered(tasks: Tasks) -> None:
    plan = tasks.planned("second-person")
    tasks.left["approve", "return_value"] = answer("bob")
    assert restore_tasks.approved(SHOP, "same", plan.restore) == "bob"
    (event,) = tasks.events()
    assert (event.action, event.subject, event.who) == ("approve", "plan-1", "bob")
    said = approval_of(tasks.world.context(), plan)
    assert said is not None
    assert event.detail == f"digest {said.digest}"
