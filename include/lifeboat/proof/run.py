"""A test restore, phase by phase: scratch, plan, volumes, resources, hooks, ready, checks, verdict;
and tear_down, always.

Airflow runs each phase as a task with tear_down as a teardown; `prove` runs them in one process.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import msgspec

from lifeboat.clock import monotonic, parse_rfc3339, rfc3339
from lifeboat.errors import LifeboatError, NotProven
from lifeboat.point import layout
from lifeboat.point.facts import Evidence, Phase, Verdict, recent_verdicts, record_verdict
from lifeboat.point.images import read_images
from lifeboat.point.manifest import open_contents, read_manifest
from lifeboat.policy.proof import TestRestore
from lifeboat.proof.checks import Checked, run_checks
from lifeboat.proof.evidence import bounded, failing_pods, masking
from lifeboat.proof.finding import OpenFlows, Tested
from lifeboat.proof.outside import remove_outside
from lifeboat.proof.rehearsal import missing_api
from lifeboat.proof.scratch import make_scratch, scratch_of, tear_down
from lifeboat.proof.trend import trend
from lifeboat.restore.model import (
    RestorePlan,
    RestoreReport,
    RestoreRequest,
    VolumesResult,
    Waited,
)
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.run import (
    Say,
    after,
    bring_volumes,
    prepare,
    ready,
    record_seconds,
    recorded_phase,
    report,
    resources,
    restore_id,
    summary,
)
from lifeboat.restore.volumes import abandon_volumes, planned_tickets
from lifeboat.steps.check_images import check_images, describe, lost
from lifeboat.steps.context import Context
from lifeboat.steps.left_tests import left_tests
from lifeboat.steps.reconcile import GRACE

_PLAN = "planning"
_COMPARED = 40
"""Verdicts that are read to compare with: enough for ten that passed, in the same cluster."""


@dataclass(frozen=True)
class Place:
    """Where a test restore goes: another cluster by its name, and what that one does not serve of
    what the point holds. Empty: the instance's own."""

    cluster: str = ""
    api: tuple[str, ...] = ()


def place_of(context: Context, point: str, cluster: str) -> Place:
    """The place of a test restore, looked at where it is another cluster; one that does not answer
    is told, too, since the verdict has to be written all the same."""
    if not cluster:
        return Place()
    try:
        return Place(cluster, missing_api(context, point))
    except LifeboatError as error:
        return Place(cluster, (f"what it serves could not be looked at: {error.message}",))


def prove(context: Context, point: str, run: str, say: Say, place: Place | None = None) -> Verdict:
    """All phases in one process. Raises NotProven when the verdict is not a pass."""
    place = place or Place()
    instance = context.instance.id
    test = restore_id(instance, f"test {run}")
    started = rfc3339(context.clock())
    try:
        try:
            plan = scratch_plan(context, point, test)
            say(summary(plan))
            prepare(context, plan, say)
            bring_volumes(context, plan, say)
            resources(context, plan, say)
            after(context, plan, say)
            ready(context, plan, say, timeout_seconds(context))
            say("checking")
            checked = check(context, plan)
            verdict = judge(context, plan, started, checked, place)
        except LifeboatError as error:
            verdict = record_failure(context, point, test, started, error, place)
    finally:
        say("tearing down the scratch namespaces")
        clean_up(context, test)
    ensure_proven(verdict)
    return verdict


def timeout_seconds(context: Context) -> float:
    """How long the policy allows the workloads to become ready."""
    return _wanted(context).timeout.total_seconds()


def scratch_plan(context: Context, point: str, test: str) -> RestorePlan:
    """Make the scratch namespaces and plan the whole point into them."""
    instance, began = context.instance.id, monotonic()
    manifest = read_manifest(context.vault, instance, point)
    mapping = make_scratch(context, manifest, test)
    record_seconds(context, instance, test, "scratch", monotonic() - began)
    began, wanted = monotonic(), _wanted(context)
    request = RestoreRequest(
        instance=instance,
        point=point,
        mapping=mapping,
        cluster_scoped=bool(wanted.cluster_scoped and mapping),
        outside=wanted.cluster_scoped,
        scratch=True,
        scale=wanted.scale,
        node_selector=wanted.node_selector,
    )
    plan = plan_restore(context, request, test)
    record_seconds(context, instance, test, _PLAN, monotonic() - began)
    return plan


def check(context: Context, plan: RestorePlan, flows: OpenFlows | None = None) -> Checked:
    """Run the policy's checks on what the earlier phases left; a second attempt returns what the
    first one found. `flows` opens the Airflow whose DAGs are checks."""
    done = stored_checks(context, plan)
    if done is not None:
        return done
    volumes = context.vault.find_document(_part(plan, "volumes"), VolumesResult)
    waited = context.vault.find_document(_part(plan, "ready"), Waited)
    late = waited.not_ready if waited else ("nobody waited for them",)
    brought = volumes or VolumesResult((), (), 0.0)
    found = run_checks(_wanted(context).checks, Tested(context, plan, brought, late, flows))
    return context.vault.settle_document(_part(plan, "checks"), found, Checked)


def stored_checks(context: Context, plan: RestorePlan) -> Checked | None:
    """What `check` found; None before it has run."""
    return context.vault.find_document(_part(plan, "checks"), Checked)


def judge(
    context: Context, plan: RestorePlan, started: str, checked: Checked, place: Place
) -> Verdict:
    """Write the verdict beside the point. Proven only when the restore had no failure and every
    check passed (P4)."""
    account = report(context, plan, started)
    ended = context.clock()
    outcome = _outcome(account, checked)
    seconds = (ended - parse_rfc3339(started)).total_seconds()
    told = [*account.failed, *account.warnings]
    mask = masking(context, plan.request.point) if told else str
    verdict = Verdict(
        test=plan.restore,
        instance=plan.request.instance,
        point=plan.request.point,
        started=started,
        ended=rfc3339(ended),
        proven=outcome == "passed",
        rto_seconds=seconds,
        phases=_phases(context, plan, account, checked, seconds),
        checks=checked.results,
        error=mask("; ".join(account.failed)),
        images_lost=_images_lost(context, plan),
        outcome=outcome,
        objective_seconds=context.instance.policy.objectives.rto.total_seconds(),
        evidence=checked.evidence,
        cluster=place.cluster,
        api=place.api,
        warnings=tuple(map(mask, account.warnings)),
    )
    seen = trend(verdict, recent_verdicts(context.vault, verdict.instance, _COMPARED))
    compared = msgspec.structs.replace(verdict, trend=str(seen), slower=seen.slower)
    return record_verdict(context.vault, compared)


def _outcome(account: RestoreReport, checked: Checked) -> Literal["passed", "partial", "failed"]:
    """Partial: everything was restored and came up, and some check passed, but not every one."""
    passed = [result.outcome == "passed" for result in checked.results]
    if not account.ok or not any(passed):
        return "failed"
    return "passed" if all(passed) else "partial"


def _images_lost(context: Context, plan: RestorePlan) -> tuple[str, ...]:
    """Images of the point that no registry gives any more; none where the policy asks none. No
    check: the pods of this very restore may have had them from their nodes."""
    if context.registries is None:
        return ()
    manifest = read_manifest(context.vault, plan.request.instance, plan.request.point)
    uses = read_images(open_contents(context.vault, manifest))
    return tuple(describe(state) for state in lost(check_images(context.registries, uses)))


def record_failure(
    context: Context, point: str, test: str, started: str, error: LifeboatError, place: Place
) -> Verdict:
    """A test restore that broke before its checks is a verdict too: not proven, with the reason and
    what the scratch namespaces show of it."""
    ended = context.clock()
    seconds = (ended - parse_rfc3339(started)).total_seconds()
    mask = masking(context, point)
    verdict = Verdict(
        test=test,
        instance=context.instance.id,
        point=point,
        started=started,
        ended=rfc3339(ended),
        proven=False,
        rto_seconds=seconds,
        phases=(),
        checks=(),
        error=mask(error.message),
        outcome="failed",
        objective_seconds=context.instance.policy.objectives.rto.total_seconds(),
        evidence=bounded(_seen_in_scratch(context, test), mask),
        cluster=place.cluster,
        api=place.api,
    )
    return record_verdict(context.vault, verdict)


def _seen_in_scratch(context: Context, test: str) -> list[Evidence]:
    try:
        return failing_pods(context.cluster, scratch_of(context.cluster, test))
    except LifeboatError as error:
        return [Evidence("evidence", f"cannot be had: {error.message}")]


def clean_up(context: Context, test: str) -> list[str]:
    """Remove the helpers of the volumes, what was made outside namespaces, and the scratch
    namespaces, in this order: as long as a namespace is there, reconcile finds the rest.
    Idempotent; by the plan, since a killed test restore left no account."""
    plan = context.vault.find_document(layout.restore_plan(context.instance.id, test), RestorePlan)
    removed: list[str] = []
    if plan is not None:
        abandon_volumes(context, planned_tickets(context, plan))
        removed = remove_outside(context, plan)
    return [*removed, *tear_down(context, test)]


def clean_left(context: Context, grace: timedelta = GRACE) -> list[str]:
    """Clean up after test restores of this instance that began longer ago than `grace` and left
    something in this cluster; returns the namespaces that are gone. For a cluster other than the
    instance's own, at which reconcile does not look."""
    removed: list[str] = []
    for one in left_tests(context.cluster, context.instance.id):
        if one.made and context.clock() - parse_rfc3339(one.made) > grace:
            removed += clean_up(context, one.test)
    return removed


def ensure_proven(verdict: Verdict) -> None:
    """Raises NotProven, naming every check that did not pass."""
    if verdict.proven:
        return
    lines = [f"  {c.name}: {c.outcome}: {c.detail}" for c in verdict.checks]
    lines += [f"  {verdict.error}"] if verdict.error else []
    partly = ", but partly" if verdict.outcome == "partial" else ""
    raise NotProven(
        f"point {verdict.point} is not proven{partly}:\n" + "\n".join(lines),
        hint="the point stays; mend the cause and run the test restore again",
    )


def _part(plan: RestorePlan, part: str) -> str:
    return layout.restore_part(plan.request.instance, plan.restore, part)


def _wanted(context: Context) -> TestRestore:
    return context.instance.policy.test_restore or TestRestore()


def _phases(
    context: Context, plan: RestorePlan, account: RestoreReport, checked: Checked, total: float
) -> tuple[Phase, ...]:
    """Together they are `total`. What is in no other is the handover: waiting for workers, what
    an attempt that was killed had done, the account itself."""
    phases = (
        *recorded_phase(context, plan, "scratch"),
        *recorded_phase(context, plan, _PLAN),
        *(phase for phase in account.phases if phase.name != "total"),
        Phase("checks", sum(one.seconds for one in checked.results)),
    )
    rest = total - sum(phase.seconds for phase in phases)
    return (*phases, Phase("handover", max(0.0, rest)))
