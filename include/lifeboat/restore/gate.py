"""Whether a plan may be applied at all, asked before the first change, and may go on."""

from __future__ import annotations

from itertools import islice

from lifeboat.errors import NotStandingBy, RestoreIncomplete
from lifeboat.point.standby import newest_number
from lifeboat.restore.approval import ensure_approved
from lifeboat.restore.model import Action, RestorePlan
from lifeboat.restore.parts import items_of
from lifeboat.steps.context import Context

_NAMED = 50
_CONFLICTS: tuple[Action, ...] = ("conflict",)


def ensure_has_turn(context: Context, plan: RestorePlan) -> None:
    """Raises NotStandingBy when the standby moved on since this restore's turn began: it may run
    the application by now. Asked before every wave."""
    request = plan.request
    if not request.turn:
        return
    number = newest_number(context.vault, request.instance, request.standby)
    if number != request.turn:
        raise NotStandingBy(
            f"standby {request.standby} of {request.instance} moved on: restore {plan.restore}"
            " stopped before its next change",
            hint=f"look how it stands: lifeboat standby show {request.instance}",
        )


def ensure_may_run(context: Context, plan: RestorePlan) -> None:
    """Raises RestoreIncomplete when the mode is to fail and something differs, NotApproved when
    somebody's word is missing."""
    conflicts = plan.counts()["conflict"]
    if conflicts and "fail" in (plan.request.mode, *plan.request.mode_of.values()):
        found = items_of(context.vault, plan, _CONFLICTS)
        lines = [f"  {item.title}: {item.reason}" for item in islice(found, _NAMED)]
        more = [f"  and {conflicts - _NAMED} more"] if conflicts > _NAMED else []
        raise RestoreIncomplete(
            f"restore {plan.restore}: {conflicts} objects differ, and nothing was changed\n"
            + "\n".join([*lines, *more]),
            hint="choose another mode, or remove them and plan again",
        )
    ensure_approved(context, plan)
    ensure_has_turn(context, plan)
