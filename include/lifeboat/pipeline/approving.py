"""The task `approve` of a restore: asks people, and takes down what they say.

An answer that does not count is refused and the question stays open, for as long as the plan is
good; so a second person may still come after the first one tried. Every answer that ends or fails
to end the wait is in the vault's audit trail, with the time and the plan's digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.standard.operators.hitl import ApprovalOperator
from typing_extensions import override

from lifeboat.errors import NotApproved
from lifeboat.pipeline.opening import complain, leaving_errors, open_instance
from lifeboat.pipeline.trail import leave_at

if TYPE_CHECKING:
    from lifeboat.restore.model import RestorePlan
    from lifeboat.steps.context import Context

APPROVE_TASK = "approve"
REJECTED_KEY = "rejected"
"""The XCom that names who rejected the plan."""


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


class ApproveOperator(ApprovalOperator):
    """Asks whether the plan `restore` may be applied, until the plan is a day old."""

    template_fields = (*ApprovalOperator.template_fields, "instance", "cluster", "restore")

    def __init__(self, *, instance: str, cluster: str, restore: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.instance = instance
        self.cluster = cluster
        self.restore = restore

    @override
    def execute(self, context: Any) -> Any:
        """Raises NotApproved when the time for an answer is over, also that of an earlier try."""
        with leaving_errors():
            opened, plan = self._opened()
            self._ask(context, opened, plan)

    @override
    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Airflow calls it with an answer, or when the time is over (raises NotApproved)."""
        from lifeboat.restore.approval import ensure_may_approve

        with leaving_errors():
            opened, plan = self._opened()
            if event.get("error_type") == "timeout":
                self._lapse(opened, plan)
            answer = answer_of(event)
            if answer.rejects:
                self._record("reject", opened, plan, answer)
                # What skips others returns nothing: without this the run would not know of it.
                context["ti"].xcom_push(key=REJECTED_KEY, value=answer.who or "somebody")
                return super().execute_complete(context, event)
            try:
                ensure_may_approve(opened, plan, answer.who)
            except NotApproved as error:
                self._record("refuse", opened, plan, answer)
                complain(f"{error}\nthe answer does not count, and the question stays open")
                self._ask(context, opened, plan)
            return super().execute_complete(context, event)

    def _opened(self) -> tuple[Context, RestorePlan]:
        from lifeboat.restore.plan import stored_plan

        opened = open_instance(self.instance, self.cluster)
        return opened, stored_plan(opened, opened.instance.id, self.restore)

    def _ask(self, context: Any, opened: Context, plan: RestorePlan) -> None:
        """Waits without a worker: ends this process, an earlier answer is forgotten by Airflow."""
        from lifeboat.restore.approval import time_left

        left = time_left(opened, plan)
        if left.total_seconds() <= 0:
            self._lapse(opened, plan)
        self.response_timeout = left
        super().execute(context)

    def _lapse(self, opened: Context, plan: RestorePlan) -> NoReturn:
        from lifeboat.clock import parse_rfc3339, rfc3339
        from lifeboat.steps.in_use import GIVEN_UP

        over = rfc3339(parse_rfc3339(plan.created) + GIVEN_UP)
        leave_at(opened, "lapse", plan.restore, f"digest {plan.digest}", who="", moment=over)
        raise NotApproved(
            f"nobody answered: plan {plan.restore} was neither approved nor rejected within a day,"
            " and nothing was changed",
            hint="trigger the restore again; clearing this task does not bring the time back",
        )

    def _record(self, action: str, opened: Context, plan: RestorePlan, answer: Answer) -> None:
        detail = f"digest {plan.digest}, answered {answer.at}"
        leave_at(opened, action, plan.restore, detail, who=answer.who, moment=answer.at)
