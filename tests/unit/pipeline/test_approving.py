"""Whose answer counts, how long, and what every answer leaves in the vault."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskAwaitingInput

from lifeboat.errors import NotApproved
from lifeboat.pipeline import approving, opening, restore_tasks, trail
from lifeboat.pipeline.approving import ApproveOperator
from lifeboat.point.audit import Event, read
from lifeboat.policy.recovery import Approval
from lifeboat.restore.model import RestorePlan, RestoreRequest
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore, stored_plan
from lifeboat.restore.present import markdown
from tests.support.kinds import CONFIG_MAP
from tests.support.proof_world import ProofWorld
from tests.support.task_run import answer, run_context

SHOP = "shop.local"
TIMEOUT = {"error": "nobody came", "error_type": "timeout"}
LINES = ("point", "before", "prefix", "suffix", "labels", "volumes_as")
LISTS = (
    "namespaces", "mapping", "kinds", "objects", "names", "claims", "mode_of", "status_of",
    "transforms",
)  # fmt: skip
SWITCHES = ("from_vault", "prune", "scale_down", "try_creates", "dry_run")
FORM: dict[str, Any] = {
    **dict.fromkeys(LINES, ""),
    **dict.fromkeys(LISTS, ()),
    **dict.fromkeys(SWITCHES, False),
    "instance": SHOP,
    "cluster": "same",
    "part": "all",
    "mode": "skip",
    "volumes": True,
    "requests_in_flight": 0,
    "approval": "second-person",
}


class Question:
    """The task `approve` of a run that `ada` triggered."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = ProofWorld()
        self.context: dict[str, Any] = run_context(user="ada")
        self.left: dict[tuple[str, str], Any] = {}
        for module in (opening, restore_tasks, trail):
            monkeypatch.setattr(module, "get_current_context", lambda: self.context)
        for module in (approving, restore_tasks):
            monkeypatch.setattr(module, "open_instance", lambda *_: self.world.context())
        monkeypatch.setattr(restore_tasks, "pull", self.pull)
        monkeypatch.setattr(
            "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **_: None
        )
        self.context["task_instance"] = SimpleNamespace(id="one")
        self.plan = self._planned()

    def _planned(self) -> RestorePlan:
        request = RestoreRequest(
            instance=SHOP,
            point=self.world.back_up().point,
            asked_by="ada",
            approval="second-person",
        )
        return plan_restore(self.world.context(), request, "plan-1")

    def pull(self, task: str, key: str = "return_value") -> Any:
        return self.left.get((task, key))

    def operator(self) -> ApproveOperator:
        return ApproveOperator(
            task_id="approve", instance=SHOP, cluster="same", restore="plan-1", subject="?"
        )

    def ask(self) -> timedelta:
        """How long it waits for somebody."""
        with pytest.raises(TaskAwaitingInput) as parked:
            self.operator().execute(self.context)
        found: timedelta = parked.value.timeout
        return found

    def hear(self, event: dict[str, Any]) -> Any:
        return self.operator().execute_complete(self.context, event)

    def events(self) -> list[Event]:
        return [event for _, event in read(self.world.context().vault) if event]


@pytest.fixture
def question(monkeypatch: pytest.MonkeyPatch) -> Question:
    return Question(monkeypatch)


def test_it_waits_as_long_as_the_plan_is_good_however_often_it_asks(question: Question) -> None:
    assert question.ask() == timedelta(days=1)
    question.world.now += timedelta(hours=23)
    assert question.ask() == timedelta(hours=1)
    question.world.now += timedelta(hours=1)
    with pytest.raises(NotApproved, match="nobody answered"):
        question.operator().execute(question.context)


def test_nobody_answered_ends_it_once_and_for_all(question: Question) -> None:
    for _ in range(2):
        with pytest.raises(NotApproved, match="nobody answered") as raised:
            question.hear(TIMEOUT)
        assert not raised.value.retryable, "Airflow would ask for another day"
    (event,) = question.events()
    assert (event.action, event.subject, event.who) == ("lapse", "plan-1", "")
    assert event.detail == f"digest {question.plan.digest}"


def test_who_asked_for_it_is_refused_and_another_person_may_still_come(question: Question) -> None:
    with pytest.raises(TaskAwaitingInput) as parked:
        question.hear(answer("ada"))
    assert parked.value.timeout == timedelta(days=1)
    (event,) = question.events()
    assert (event.action, event.subject, event.who) == ("refuse", "plan-1", "ada")
    assert event.detail == f"digest {question.plan.digest}, answered 2026-11-22T12:30:00Z"
    since = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)  # when she answered, not when the run began
    assert [one for _, one in read(question.world.context().vault, since)] == [event]
    assert question.hear(answer("bob"))["chosen_options"] == ["Approve"]
    assert len(question.events()) == 1, "the next task records the approval beside the plan"


def test_anybody_may_reject_and_it_is_told_with_time_and_digest(question: Question) -> None:
    question.hear(answer("ada", "Reject"))
    (event,) = question.events()
    assert (event.action, event.subject, event.who) == ("reject", "plan-1", "ada")
    assert event.detail == f"digest {question.plan.digest}, answered 2026-11-22T12:30:00Z"
    push = question.context["ti"].xcom_push
    told = {call.kwargs["key"]: call.kwargs["value"] for call in push.call_args_list}
    question.left["plan", "restore"] = "plan-1"
    question.left["approve", "rejected"] = told["rejected"]
    with pytest.raises(NotApproved, match="was rejected by ada, and nothing was changed"):
        restore_tasks.report(SHOP, "same")


@pytest.mark.parametrize(("user", "plans"), [("", 0), ("ada", 1)])
def test_without_a_first_person_nobody_is_asked_to_be_the_second(
    question: Question, user: str, plans: int
) -> None:
    question.context = run_context("operator_triggered", user=user)
    question.context["params"] = FORM
    if plans:
        restore_tasks.plan([])
    else:
        with pytest.raises(NotApproved, match="nobody knows who asked"):
            restore_tasks.plan([])
    pushed = [call.kwargs["key"] for call in question.context["ti"].xcom_push.call_args_list]
    assert pushed.count("restore") == plans


def test_a_cleared_plan_is_made_anew(question: Question) -> None:
    """What moved, and was refused for it, is in the new one; so is the question for a word."""
    cluster, digests = question.world.cluster, []
    for number, colour in enumerate(("red", "green"), start=1):
        question.context = run_context("manual")
        question.context["ti"].try_number = number
        question.context["params"] = {**FORM, "mode": "merge"}
        cluster.patch(CONFIG_MAP, "shop", "settings", {"data": {"colour": colour}})
        restore_tasks.plan([])
        pushed = question.context["ti"].xcom_push.call_args_list
        restore = next(call.kwargs["value"] for call in pushed if call.kwargs["key"] == "restore")
        plan = stored_plan(question.world.context(), SHOP, restore)
        found = {one.name: one for one in items_of(question.world.context().vault, plan)}
        assert found["settings"].fields == (f'data.colour: "{colour}" → "blue"',)
        digests.append(plan.digest)
    assert len(set(digests)) == 2


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("required", "Asked for by **ada**."),
        ("second-person", "somebody else must approve it; **ada** may reject it"),
    ],
)
def test_the_question_says_whose_word_it_wants(
    question: Question, wanted: Approval, told: str
) -> None:
    assert told in markdown(question.plan, lambda: [], wanted)
