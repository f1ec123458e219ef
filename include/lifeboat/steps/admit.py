"""Decides whether a run captures at all. A run never fakes the past (P7).

An interval that is over cannot be captured any more, by a backfill nor by a scheduled run that
starts after its next tick: it is recorded as the gap it is. The first such run that finds the
newest point older than the objective captures one catch-up point, now; the others are covered by
it. It does not matter whether Airflow had a run of that interval: one that failed then is as much
a gap as one that never was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import NotStandingBy, UsageError
from lifeboat.point import catalog, layout
from lifeboat.point.manifest import Manifest, Run
from lifeboat.point.standby import read_standing
from lifeboat.steps import gaps
from lifeboat.steps.context import Context
from lifeboat.steps.scope import Claim

Anew = Callable[[], bool]
"""Asked where a run's point is incomplete: whether all of the run is done again, so that another
point can come of it."""

Kind = Literal["capture", "continued", "catch-up", "gap", "covered", "captured then"]


class Admission(msgspec.Struct, frozen=True):
    """`capture` says whether to go on; `message` and `kind` are what the run's page tells, `claim`
    under which name the run's attempts agree on a point."""

    capture: bool
    message: str
    kind: Kind
    claim: str = ""


def admit(context: Context, run: Run, anew: Anew = lambda: True) -> Admission:
    """Raises UsageError when this very run's point was removed on purpose since, NotStandingBy
    while the standby runs the application, or hands it back."""
    instance = context.instance.id
    began = context.vault.find_document(layout.claim(instance, run.run_id), Claim)
    # A backfill may run an old run anew, under its old id: it does not go on with what that began.
    others = began is not None and run.trigger == "backfill" != began.run.trigger
    name, claim, lacking = _standing(context, run.run_id, anew)
    if claim is not None and not others:
        return _continue(context, name, claim)
    _ensure_home(context)
    if run.trigger == "backfill":
        return _caught_up(context, run, "" if others else name, anew)
    if run.trigger == "scheduled" and run.scheduled_for and not lacking:
        return _scheduled(context, run, anew)
    told = f"capturing {instance} now"
    if lacking:
        told += f": point {lacking}, which this run made, leaves something out and stays as it is"
    return Admission(True, told, "capture", name)


def _standing(context: Context, name: str, anew: Anew) -> tuple[str, Claim | None, str]:
    """Where the attempts that agree under a name stand: the name to go on under, its claim if there
    is one, and the point before it, if that leaves something out.

    Whoever clears a run whose point is incomplete wants a whole one. The point stays (P1), and is
    named in the claim of the next one: however often a run is cleared, its attempts agree.
    """
    vault, instance, lacking = context.vault, context.instance.id, ""
    while (claim := vault.find_document(layout.claim(instance, name), Claim)) is not None:
        after = f"{name} after {claim.point}"
        made = vault.find_document(layout.manifest(instance, claim.point), Manifest)
        # An incomplete one that was pruned once the whole one was there.
        followed = made is None and vault.store.stat(layout.claim(instance, after)) is not None
        if not followed and (made is None or made.complete or not anew()):
            break
        name, lacking = after, claim.point
    return name, claim, lacking


def _ensure_home(context: Context) -> None:
    """Raises NotStandingBy while the standby runs the application: what lies in its own cluster
    then is what was left behind, and points of it would push out the good ones. On the way home it
    is half of the one and half of the other; the failback itself captures it with another policy,
    that of a cluster that stands still."""
    standby, instance = context.instance.policy.standby, context.instance
    if instance.stands_by_for:
        raise UsageError(
            f"{instance.id} stands by for {instance.stands_by_for}: it holds points of that",
            hint="while it runs the application: lifeboat standby capture"
            f" {instance.stands_by_for}",
        )
    if standby is None:
        return
    standing = read_standing(context.vault, instance.id, standby.cluster)
    if standing.mode == "failing-back" and standing.turned is not None:
        raise NotStandingBy(
            f"{instance.id} is being brought home from cluster {standby.cluster} since"
            f" {standing.turned.at}: a point of {instance.cluster.name} would be of something half"
            " replaced",
            hint=f"the failback captures it when it is whole; how it stands: lifeboat standby show"
            f" {instance.id}",
        )
    if standing.mode == "active" and standing.turned is not None:
        raise NotStandingBy(
            f"{instance.id} runs in cluster {standby.cluster} since {standing.turned.at}: there is"
            f" nothing to capture in {instance.cluster.name}",
            hint=f"capture it where it runs: lifeboat standby capture {instance.id}; or bring it"
            f" home: lifeboat failback {instance.id}",
        )


def _scheduled(context: Context, run: Run, anew: Anew) -> Admission:
    """Airflow makes the run of the tick that it had noted before an outage, and then that of the
    newest one. Gaps are recorded first: a point of this run would end the search for them."""
    missed = gaps.record_missed(context)
    more = f"; {missed} missed intervals are recorded as gaps" if missed else ""
    tick = parse_rfc3339(run.scheduled_for)
    if gaps.is_over(context, tick) or gaps.is_caught_up(context, tick):
        found = _caught_up(context, run, run.run_id, anew)
        return msgspec.structs.replace(found, message=found.message + more)
    return Admission(True, f"capturing {context.instance.id} now{more}", "capture", run.run_id)


def _caught_up(context: Context, run: Run, name: str, anew: Anew) -> Admission:
    """`name` is what the run's attempts agree under; empty where a run of another kind began under
    the same id."""
    tick = parse_rfc3339(run.scheduled_for)
    captured = gaps.captured_in(context, tick)
    if captured:
        told = f"interval {run.scheduled_for} was captured then: {captured}; nothing is to do"
        return Admission(False, told, "captured then")
    newest = catalog.newest(context.vault, context.instance.id)
    over = gaps.is_over(context, tick)
    state = "is a gap: it cannot be captured any more" if over else "is not over"
    told = f"interval {run.scheduled_for} {state}"
    covered, capture = "", False
    if newest is not None and _age(context, newest.captured_to) <= _objective(context):
        covered = newest.point
        told += f"; point {covered} of {newest.captured_to} is within the objective"
    else:
        turn = _turn(context, run, newest)
        capture = turn.run.run_id == run.run_id or _age(context, turn.made) > _objective(context)
        told += "; capturing one catch-up point now" if capture else ""
        told += "" if capture else f"; run {turn.run.run_id} captures the catch-up point"
    if over:
        gaps.record(context, tick, gaps.NO_RUN if name else gaps.FAILED_RUN, covered)
    if not name:
        after = newest.point if newest else "nothing"
        name, _, _ = _standing(context, f"{run.run_id} after {after}", anew)
    return Admission(capture, told, "catch-up" if capture else "gap" if over else "covered", name)


def _turn(context: Context, run: Run, newest: Manifest | None) -> Claim:
    """Whose turn it is to capture the catch-up point after `newest`: backfilled runs run side by
    side, and each would find the newest point too old until the first has committed."""
    instance = context.instance.id
    key = layout.claim(instance, f"catch-up after {newest.point if newest else 'nothing'}")
    return context.vault.settle_document(key, Claim("", run, rfc3339(context.clock())), Claim)


def _continue(context: Context, name: str, claim: Claim) -> Admission:
    key = layout.tombstone(context.instance.id, claim.point)
    if context.vault.store.stat(key) is not None:
        raise UsageError(
            f"this run made point {claim.point}, which was removed since",
            hint="trigger a new run to make a new point",
        )
    told = f"continuing point {claim.point} of this run"
    return Admission(True, told, "continued", name)


def _age(context: Context, moment: str) -> float:
    return (context.clock() - parse_rfc3339(moment)).total_seconds()


def _objective(context: Context) -> float:
    return context.instance.policy.objectives.rpo.total_seconds()
