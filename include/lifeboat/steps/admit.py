"""Decides whether a run captures at all. A run never fakes the past (P7).

A backfilled interval cannot be captured any more: it is recorded as the gap it is. The first
backfilled run that finds the newest point older than the objective captures one catch-up point,
now; the others are covered by it.
"""

from __future__ import annotations

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import UsageError
from lifeboat.point import catalog, layout
from lifeboat.point.facts import Gap, record_gap
from lifeboat.point.ident import stamp
from lifeboat.point.manifest import Manifest, Run
from lifeboat.steps.context import Context
from lifeboat.steps.scope import Claim


class Admission(msgspec.Struct, frozen=True):
    """`capture` says whether to go on; `message` is what the run's page tells."""

    capture: bool
    message: str


def admit(context: Context, run: Run) -> Admission:
    """Raises UsageError when this very run's point was removed on purpose since."""
    instance = context.instance.id
    claim = context.vault.find_document(layout.claim(instance, run.run_id), Claim)
    if claim is not None:
        return _continue(context, claim)
    if run.trigger != "backfill":
        return Admission(True, f"capturing {instance} now")
    newest = catalog.newest(context.vault, instance)
    if newest is not None and _age(context, newest) <= _objective(context):
        covered = newest.point
        message = f"interval {run.scheduled_for} is a gap: it cannot be captured any more; point"
        message += f" {covered} of {newest.captured_to} is within the objective, nothing captured"
    else:
        covered = ""
        message = f"interval {run.scheduled_for} is a gap; capturing one catch-up point now"
    tick = parse_rfc3339(run.scheduled_for)
    gap = Gap(run.scheduled_for, rfc3339(context.clock()), "backfilled after the fact", covered)
    record_gap(context.vault, instance, stamp(tick), gap)
    return Admission(not covered, message)


def _continue(context: Context, claim: Claim) -> Admission:
    key = layout.tombstone(context.instance.id, claim.point)
    if context.vault.store.stat(key) is not None:
        raise UsageError(
            f"this run made point {claim.point}, which was removed since",
            hint="trigger a new run to make a new point",
        )
    return Admission(True, f"continuing point {claim.point} of this run")


def _age(context: Context, newest: Manifest) -> float:
    return (context.clock() - parse_rfc3339(newest.captured_to)).total_seconds()


def _objective(context: Context) -> float:
    return context.instance.policy.objectives.rpo.total_seconds()
