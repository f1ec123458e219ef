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
    told = f"interval {run.scheduled_for} is a gap: it cannot be captured any more"
    covered, capture = "", False
    if newest is not None and _age(context, newest.captured_to) <= _objective(context):
        covered = newest.point
        told += f"; point {covered} of {newest.captured_to} is within the objective"
    else:
        turn = _turn(context, run, newest)
        capture = turn.run.run_id == run.run_id or _age(context, turn.made) > _objective(context)
        told += "; capturing one catch-up point now" if capture else ""
        told += "" if capture else f"; run {turn.run.run_id} captures the catch-up point"
    tick = parse_rfc3339(run.scheduled_for)
    gap = Gap(run.scheduled_for, rfc3339(context.clock()), "backfilled after the fact", covered)
    record_gap(context.vault, instance, stamp(tick), gap)
    return Admission(capture, told)


def _turn(context: Context, run: Run, newest: Manifest | None) -> Claim:
    """Whose turn it is to capture the catch-up point after `newest`: backfilled runs run side by
    side, and each would find the newest point too old until the first has committed."""
    instance = context.instance.id
    key = layout.claim(instance, f"catch-up after {newest.point if newest else 'nothing'}")
    return context.vault.settle_document(key, Claim("", run, rfc3339(context.clock())), Claim)


def _continue(context: Context, claim: Claim) -> Admission:
    key = layout.tombstone(context.instance.id, claim.point)
    if context.vault.store.stat(key) is not None:
        raise UsageError(
            f"this run made point {claim.point}, which was removed since",
            hint="trigger a new run to make a new point",
        )
    return Admission(True, f"continuing point {claim.point} of this run")


def _age(context: Context, moment: str) -> float:
    return (context.clock() - parse_rfc3339(moment)).total_seconds()


def _objective(context: Context) -> float:
    return context.instance.policy.objectives.rpo.total_seconds()
