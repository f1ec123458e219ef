"""Whose word a plan needs, and who gave it: a document beside the plan, written once.

It holds the plan's digest: what is applied is what was seen. A plan that changed is another plan.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import NotApproved, UsageError
from lifeboat.point import layout
from lifeboat.policy.recovery import Approval, stricter
from lifeboat.restore.model import RestorePlan, RestoreRequest
from lifeboat.steps.context import Context
from lifeboat.steps.in_use import GIVEN_UP, is_kept

_PART = "approval"


class Approved(msgspec.Struct, frozen=True, kw_only=True):
    """Who approved which plan, and when (RFC 3339). `how`: `airflow` or `terminal`."""

    restore: str
    digest: str
    by: str
    at: str
    how: str


def needed(context: Context, request: RestoreRequest) -> Approval:
    """What the policy and the request ask for; a test restore harms nothing and needs nobody, and a
    standby is asked about when it takes over."""
    if request.scratch or request.standby:
        return "none"
    return stricter(context.instance.policy.restore.approval, request.approval)


def ensure_answerable(context: Context, request: RestoreRequest) -> None:
    """Raises NotApproved when nobody could ever approve it: a second person is wanted, and there is
    no first. Whoever runs the service that asked might be the one who answers."""
    if needed(context, request) == "second-person" and not request.asked_by:
        raise NotApproved(
            f"a restore of {request.instance} needs a second person, and nobody knows who asked"
            " for this one",
            hint="trigger it with an account of your own, not from a DAG that nobody triggered",
        )


def ensure_may_approve(context: Context, plan: RestorePlan, by: str) -> None:
    """Raises NotApproved when a second person must approve the plan and `by` is not."""
    request = plan.request
    if needed(context, request) != "second-person":
        return
    ensure_answerable(context, request)
    if not by:
        raise NotApproved(
            f"plan {plan.restore} needs a second person, and nobody knows who approves",
            hint="log in with an account of your own",
        )
    if by == request.asked_by:
        raise NotApproved(
            f"plan {plan.restore} was asked for by {by}, who may not approve it alone",
            hint="a second person must look at it",
        )


def time_left(context: Context, plan: RestorePlan) -> timedelta:
    """How long an answer still counts; the point is kept from being pruned for longer."""
    return parse_rfc3339(plan.created) + GIVEN_UP - context.clock()


def approve(
    context: Context, plan: RestorePlan, *, by: str, how: str, digest: str = ""
) -> Approved:
    """Record that `by` approved the plan, which keeps its point for another day. A second one is
    not recorded: the first word stands.

    Raises UsageError for another digest, NotApproved when a second person must and `by` is not, or
    when the time is over.
    """
    check_digest(plan, digest)
    ensure_in_time(context, plan)
    ensure_may_approve(context, plan, by)
    said = Approved(
        restore=plan.restore,
        digest=plan.digest,
        by=by,
        at=rfc3339(context.clock()),
        how=how,
    )
    return context.vault.settle_document(_key(plan), said, Approved)


def approval_of(context: Context, plan: RestorePlan) -> Approved | None:
    """Who approved this very plan; None when nobody did."""
    said = context.vault.find_document(_key(plan), Approved)
    return said if said and said.digest == plan.digest else None


def was_looked_at(context: Context, plan: RestorePlan) -> bool:
    """Whether somebody approved the plan, or it was made to be looked at before it is applied."""
    wanted = needed(context, plan.request) != "none" or plan.request.compare_all
    return wanted or approval_of(context, plan) is not None


def ensure_approved(context: Context, plan: RestorePlan) -> None:
    """Raises NotApproved when the plan needs somebody's word and does not have it."""
    if needed(context, plan.request) != "none" and approval_of(context, plan) is None:
        raise NotApproved(
            f"plan {plan.restore} was not approved",
            hint=f"look at it and approve it: lifeboat approve {plan.request.instance}"
            f" {plan.restore} --digest {plan.digest}",
        )


def ensure_in_time(context: Context, plan: RestorePlan) -> None:
    """Raises NotApproved when the last word about the plan is too old: its point may be pruned."""
    if not is_kept(context.vault, plan.request.instance, plan.restore, context.clock()):
        raise NotApproved(
            f"plan {plan.restore} lapsed: nobody approved or applied it within a day, and nothing"
            f" keeps point {plan.request.point} for it any more",
            hint="plan again: the cluster may have changed since, too",
        )


def check_digest(plan: RestorePlan, digest: str) -> None:
    """Raises UsageError when `digest` is given and is not the plan's."""
    if digest and digest != plan.digest:
        raise UsageError(
            f"plan {plan.restore} has digest {plan.digest}, not {digest}",
            hint="somebody looked at another plan; look at this one before it is applied",
        )


def _key(plan: RestorePlan) -> str:
    return layout.restore_part(plan.request.instance, plan.restore, _PART)
