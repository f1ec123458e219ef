"""A test restore, phase by phase: scratch, plan, volumes, resources, ready, checks, verdict; and
tear_down, always.

Airflow runs each phase as a task with tear_down as a teardown; `prove` runs them in one process.
"""

from __future__ import annotations

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import LifeboatError, NotProven
from lifeboat.point import layout
from lifeboat.point.facts import CheckResult, Phase, Verdict, record_verdict
from lifeboat.point.images import read_images
from lifeboat.point.manifest import open_contents, read_manifest
from lifeboat.proof.checks import Tested, run_checks
from lifeboat.proof.scratch import make_scratch, tear_down
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
    bring_volumes,
    prepare,
    ready,
    report,
    resources,
    restore_id,
    summary,
)
from lifeboat.restore.volumes import abandon_volumes
from lifeboat.steps.check_images import check_images, describe, lost
from lifeboat.steps.context import Context


def prove(context: Context, point: str, run: str, say: Say) -> Verdict:
    """All phases in one process. Raises NotProven when the verdict is not a pass."""
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
            ready(context, plan, say, timeout_seconds(context))
            results = check(context, plan)
            verdict = judge(context, plan, started, results)
        except LifeboatError as error:
            verdict = record_failure(context, point, test, started, error)
    finally:
        say("tearing down the scratch namespaces")
        clean_up(context, test)
    ensure_proven(verdict)
    return verdict


def timeout_seconds(context: Context) -> float:
    """How long the policy allows the workloads to become ready."""
    test_restore = context.instance.policy.test_restore
    return test_restore.timeout.total_seconds() if test_restore else 900.0


def scratch_plan(context: Context, point: str, test: str) -> RestorePlan:
    """Make the scratch namespaces and plan the whole point into them."""
    manifest = read_manifest(context.vault, context.instance.id, point)
    mapping = make_scratch(context, manifest, test)
    request = RestoreRequest(
        instance=context.instance.id,
        point=point,
        mapping=mapping,
        cluster_scoped=False,
        scratch=True,
    )
    return plan_restore(context, request, test)


def check(context: Context, plan: RestorePlan) -> tuple[CheckResult, ...]:
    """Run the policy's checks on what the earlier phases left."""
    volumes = context.vault.find_document(_part(plan, "volumes"), VolumesResult)
    waited = context.vault.find_document(_part(plan, "ready"), Waited)
    late = waited.not_ready if waited else ("nobody waited for them",)
    tested = Tested(context, plan, volumes or VolumesResult((), (), 0.0), late)
    test_restore = context.instance.policy.test_restore
    names = test_restore.checks if test_restore else ("workloadsReady", "objectsComplete")
    return run_checks(names, tested)


def judge(
    context: Context, plan: RestorePlan, started: str, results: tuple[CheckResult, ...]
) -> Verdict:
    """Write the verdict beside the point. Proven only when the restore had no failure and every
    check passed (P4)."""
    account = report(context, plan, started)
    ended = context.clock()
    passed = bool(results) and all(result.outcome == "passed" for result in results)
    verdict = Verdict(
        test=plan.restore,
        instance=plan.request.instance,
        point=plan.request.point,
        started=started,
        ended=rfc3339(ended),
        proven=passed and account.ok,
        rto_seconds=(ended - parse_rfc3339(started)).total_seconds(),
        phases=_phases(account, results),
        checks=results,
        error="; ".join(account.failed),
        images_lost=_images_lost(context, plan),
    )
    return record_verdict(context.vault, verdict)


def _images_lost(context: Context, plan: RestorePlan) -> tuple[str, ...]:
    """Images of the point that no registry gives any more; none where the policy asks none. No
    check: the pods of this very restore may have had them from their nodes."""
    if context.registries is None:
        return ()
    manifest = read_manifest(context.vault, plan.request.instance, plan.request.point)
    uses = read_images(open_contents(context.vault, manifest))
    return tuple(describe(state) for state in lost(check_images(context.registries, uses)))


def record_failure(
    context: Context, point: str, test: str, started: str, error: LifeboatError
) -> Verdict:
    """A test restore that broke before its checks is a verdict too: not proven, with the reason."""
    ended = context.clock()
    seconds = (ended - parse_rfc3339(started)).total_seconds()
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
        error=error.message,
    )
    return record_verdict(context.vault, verdict)


def clean_up(context: Context, test: str) -> list[str]:
    """Remove the scratch namespaces and the helpers of their volumes. Idempotent."""
    key = layout.restore_part(context.instance.id, test, "volumes")
    volumes = context.vault.find_document(key, VolumesResult)
    if volumes is not None:
        abandon_volumes(context, volumes.tickets)
    return tear_down(context, test)


def ensure_proven(verdict: Verdict) -> None:
    """Raises NotProven, naming every check that did not pass."""
    if verdict.proven:
        return
    lines = [f"  {c.name}: {c.outcome}: {c.detail}" for c in verdict.checks]
    lines += [f"  {verdict.error}"] if verdict.error else []
    raise NotProven(
        f"point {verdict.point} is not proven:\n" + "\n".join(lines),
        hint="the point stays; mend the cause and run the test restore again",
    )


def _part(plan: RestorePlan, part: str) -> str:
    return layout.restore_part(plan.request.instance, plan.restore, part)


def _phases(account: RestoreReport, results: tuple[CheckResult, ...]) -> tuple[Phase, ...]:
    restored = tuple(phase for phase in account.phases if phase.name != "total")
    return (*restored, Phase("checks", sum(result.seconds for result in results)))
