"""Whether a plan may be applied at all, asked before the first change, and may go on."""

from __future__ import annotations

from itertools import islice

import msgspec

from lifeboat.clock import rfc3339
from lifeboat.errors import NotStandingBy, RestoreIncomplete
from lifeboat.point import layout
from lifeboat.point.ident import stamp
from lifeboat.point.standby import newest_number
from lifeboat.restore.approval import ensure_approved, ensure_in_time
from lifeboat.restore.model import Action, RestorePlan
from lifeboat.restore.parts import items_of
from lifeboat.steps.context import Context

_NAMED = 50
_CONFLICTS: tuple[Action, ...] = ("conflict",)


class _Begun(msgspec.Struct, frozen=True):
    """An attempt to apply the plan (RFC 3339): whoever sees it leaves the point alone."""

    at: str


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
    somebody's word is missing or too old. From here on the point is in use anew."""
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
    _begin(context, plan)


def _begin(context: Context, plan: RestorePlan) -> None:
    """One that was begun in time goes on later, too, as long as its point is there."""
    instance, vault, now = plan.request.instance, context.vault, context.clock()
    begun = layout.restore_part(instance, plan.restore, "begun/")
    if not any(vault.store.list(begun)):
        ensure_in_time(context, plan)
    vault.settle_document(f"{begun}{stamp(now)}", _Begun(rfc3339(now)), _Begun)
