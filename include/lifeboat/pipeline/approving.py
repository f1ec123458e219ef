"""The task `approve` of a restore and of a takeover: asks people, and takes down what they say.

An answer that does not count is refused and the question stays open, for as long as it makes sense;
so a second person may still come after the first one tried. Every answer that ends or fails
to end the wait is in the vault's audit trail, with the time and, of a plan, its digest.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.operators.hitl import ApprovalOperator
from typing_extensions import override

from lifeboat.clock import utc_now
from lifeboat.errors import NotApproved
from lifeboat.pipeline.opening import complain, leaving_errors, open_instance, open_sides, pull
from lifeboat.pipeline.trail import leave

if TYPE_CHECKING:
    from lifeboat.policy.instance import Instance
    from lifeboat.vault.vault import Vault

APPROVE_TASK = "approve"
ASK_AGAIN = 5
"""Retries of a task that asks."""
REJECTED_KEY = "rejected"
"""The XCom that names who rejected it."""

ASKED_KEY = "asked"
"""The XCom of a takeover's `check`: who asked for it, and when, RFC 3339."""


@dataclass(frozen=True)
class Answer:
    """What somebody said; `at` is RFC 3339. Where nobody was asked, all of it is empty."""

    who: str = ""
    at: str = ""
    chosen: str = ""

    @property
    def rejects(self) -> bool:
        return self.chosen not in ("", ApprovalOperator.APPROVE)


def answer_of(said: Any) -> Answer:
    """From what Airflow hands over, or the task returned."""
    from lifeboat.clock import rfc3339

    if not said:
        return Answer()
    person, at = said.get("responded_by_user") or {}, said.get("responded_at")
    return Answer(person.get("name") or "", rfc3339(at) if at else "", said["chosen_options"][0])


@dataclass(frozen=True)
class Matter:
    """What somebody is to agree to: what the trail calls it, until when (and what time it is now),
    whether a person may (raises NotApproved), and what is said when nobody answered."""

    vault: Vault
    instance: Instance
    subject: str
    detail: str
    now: datetime
    until: datetime
    ensure_may: Callable[[str], None]
    nobody: NotApproved


class AskOperator(ApprovalOperator):
    """Asks until somebody who may has answered, or the time is over."""

    @abstractmethod
    def matter(self) -> Matter:
        """What it is about, as it stands now."""

    @override
    def execute(self, context: Any) -> Any:
        """Raises NotApproved when the time for an answer is over, also that of an earlier try."""
        with leaving_errors():
            self._ask(context, self.matter())

    @override
    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Airflow calls it with an answer, or when the time is over (raises NotApproved)."""
        with leaving_errors():
            matter = self.matter()
            if event.get("error_type") == "timeout":
                _lapse(matter)
            answer = answer_of(event)
            if answer.rejects:
                _record("reject", matter, answer)
                # What skips others returns nothing: without this the run would not know of it.
                context["ti"].xcom_push(key=REJECTED_KEY, value=answer.who or "somebody")
                return super().execute_complete(context, event)
            try:
                matter.ensure_may(answer.who)
            except NotApproved as error:
                _record("refuse", matter, answer)
                complain(f"{error}\nthe answer does not count, and the question stays open")
                self._ask(context, matter)
            return super().execute_complete(context, event)

    def _ask(self, context: Any, matter: Matter) -> None:
        """Waits without a worker: ends this process, an earlier answer is forgotten by Airflow."""
        left = matter.until - matter.now
        if left.total_seconds() <= 0:
            _lapse(matter)
        self.response_timeout = left
        super().execute(context)


class ApproveOperator(AskOperator):
    """Asks whether the plan `restore` may be applied, until the plan is a day old."""

    template_fields = (*ApprovalOperator.template_fields, "instance", "cluster", "restore")

    def __init__(self, *, instance: str, cluster: str, restore: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.instance = instance
        self.cluster = cluster
        self.restore = restore

    @override
    def matter(self) -> Matter:
        from lifeboat.restore.approval import ensure_may_approve, time_left
        from lifeboat.restore.plan import stored_plan

        opened = open_instance(self.instance, self.cluster)
        plan, now = stored_plan(opened, opened.instance.id, self.restore), opened.clock()
        return Matter(
            vault=opened.vault,
            instance=opened.instance,
            subject=plan.restore,
            detail=f"digest {plan.digest}",
            now=now,
            until=now + time_left(opened, plan),
            ensure_may=lambda who: ensure_may_approve(opened, plan, who),
            nobody=NotApproved(
                f"nobody answered: plan {plan.restore} was neither approved nor rejected within a"
                " day, and nothing was changed",
                hint="trigger the restore again; clearing this task does not bring the time back",
            ),
        )


class TakeoverOperator(AskOperator):
    """Asks whether the clusters of a standby may change places, for a day."""

    template_fields = (*ApprovalOperator.template_fields, "instance")

    def __init__(self, *, instance: str, what: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.instance = instance
        self.what = what

    @override
    def matter(self) -> Matter:
        from lifeboat.clock import parse_rfc3339
        from lifeboat.standby.approval import ensure_may_agree
        from lifeboat.steps.in_use import GIVEN_UP

        sides, (asked_by, asked) = open_sides(self.instance), pull("check", ASKED_KEY)
        return Matter(
            vault=sides.vault,
            instance=sides.instance,
            subject=sides.entry.name,
            detail=self.what,
            now=utc_now(),
            until=parse_rfc3339(asked) + GIVEN_UP,
            ensure_may=lambda who: ensure_may_agree(sides, asked_by, who),
            nobody=NotApproved(
                f"nobody answered within a day, and the {self.what} of {self.instance} did not"
                " begin",
                hint="trigger it again; clearing this task does not bring the time back",
            ),
        )


def _lapse(matter: Matter) -> NoReturn:
    from lifeboat.clock import rfc3339

    _leave("lapse", matter, matter.detail, "", rfc3339(matter.until))
    raise matter.nobody


def _record(action: str, matter: Matter, answer: Answer) -> None:
    _leave(action, matter, f"{matter.detail}, answered {answer.at}", answer.who, answer.at)


def _leave(action: str, matter: Matter, detail: str, who: str, moment: str) -> None:
    leave(matter.vault, matter.instance, action, matter.now, matter.subject, detail, who, moment)
