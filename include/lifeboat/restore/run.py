"""The phases of a restore, in order: prepare, volumes, resources, hooks, ready, report.

Airflow runs each as a task; `restore` runs them in one process. Every phase goes on where an
earlier attempt of the same restore stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from lifeboat.clock import monotonic, parse_rfc3339, poll_until, rfc3339
from lifeboat.errors import NotReady, RestoreIncomplete
from lifeboat.point import layout
from lifeboat.point.facts import Phase
from lifeboat.restore import hooks, order
from lifeboat.restore.apply import apply_wave
from lifeboat.restore.model import (
    HooksResult,
    Outcome,
    RestorePlan,
    RestoreReport,
    RestoreRequest,
    VolumesResult,
    WaveResult,
)
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.volumes import (
    finish_volumes,
    patience,
    release_volumes,
    start_volumes,
    unbound,
)
from lifeboat.restore.wait import not_active, not_established, not_ready
from lifeboat.steps.context import Context

Say = Callable[[str], None]
"""Told what happens, a line at a time, for people."""

FIRST_WAVES = (order.DEFINITIONS, order.NAMESPACES, order.CLUSTER)
LATER_WAVES = (
    order.VOLUMES, order.CONFIG, order.NETWORK, order.WORKLOADS, order.OTHERS, order.GATES,
)  # fmt: skip
VOLUME_SECONDS = 600.0
READY_SECONDS = 600.0
_SETTLE_SECONDS = 60.0


def restore_id(instance: str, run: str) -> str:
    """The id that every attempt of one run agrees on."""
    return "r" + hashlib.sha256(f"{instance} {run}".encode()).hexdigest()[:11]


def restore(context: Context, request: RestoreRequest, run: str, say: Say) -> RestoreReport:
    """All phases in one process. Raises RestoreIncomplete when something failed."""
    started = rfc3339(context.clock())
    plan = plan_restore(context, request, restore_id(request.instance, run))
    say(summary(plan))
    if request.dry_run:
        return report(context, plan, started)
    prepare(context, plan, say)
    bring_volumes(context, plan, say)
    resources(context, plan, say)
    after(context, plan, say)
    ready(context, plan, say)
    done = report(context, plan, started)
    ensure_restored(done)
    return done


def summary(plan: RestorePlan) -> str:
    """`create 31, merge 1, skip 0, leave 12 objects; 2 volumes`."""
    counts = ", ".join(f"{action} {number}" for action, number in plan.counts().items())
    return f"plan {plan.restore}: {counts} objects; {len(plan.volumes)} volumes"


def prepare(context: Context, plan: RestorePlan, say: Say) -> None:
    """Definitions, namespaces and cluster-wide settings, each waited for."""
    for wave in FIRST_WAVES:
        _wave(context, plan, wave, say)
        if wave == order.DEFINITIONS:
            _settle(lambda: not_established(context.cluster, plan))
        if wave == order.NAMESPACES:
            _settle(lambda: not_active(context.cluster, plan))


def bring_volumes(context: Context, plan: RestorePlan, say: Say) -> VolumesResult:
    """Claims from snapshots, waited for until bound."""
    began = monotonic()
    tickets, failed = start_volumes(context, plan)
    seconds = patience(context, plan, VOLUME_SECONDS)
    poll_until(lambda: unbound(context, tickets), seconds=seconds)
    result = finish_volumes(context, plan, tickets, failed, monotonic() - began)
    bound = sum(bool(volume.handle) for volume in result.volumes)
    if result.volumes:
        say(f"volumes: {bound} of {len(result.volumes)} bound")
    return result


def resources(context: Context, plan: RestorePlan, say: Say) -> None:
    """Everything else, wave by wave."""
    for wave in LATER_WAVES:
        _wave(context, plan, wave, say)


def after(context: Context, plan: RestorePlan, say: Say) -> HooksResult:
    """The hooks, once what they talk to is there or the policy's wait is over."""
    limit = hooks.hooks_of(plan).wait.total_seconds()
    poll_until(lambda: hooks.awaited(context, plan), seconds=limit)
    return hooks.run_hooks(context, plan, say)


def ready(
    context: Context, plan: RestorePlan, say: Say, seconds: float = READY_SECONDS
) -> Sequence[str]:
    """Wait until every restored workload is ready; returns what is not when the time is up."""
    began = monotonic()
    waiting = poll_until(lambda: not_ready(context.cluster, plan), seconds=seconds)
    say(f"workloads: {'all ready' if not waiting else f'{len(waiting)} not ready'}")
    record_ready(context, plan, waiting, monotonic() - began)
    return waiting


def record_ready(
    context: Context, plan: RestorePlan, waiting: Iterable[str], seconds: float
) -> None:
    """Store the outcome of waiting as a last wave, for the report."""
    outcomes = tuple(Outcome(title, "failed", "not ready in time") for title in waiting)
    key = layout.restore_part(plan.request.instance, plan.restore, "ready")
    context.vault.settle_document(key, WaveResult(-1, outcomes, (), seconds), WaveResult)


def report(context: Context, plan: RestorePlan, started: str) -> RestoreReport:
    """The whole account, stored beside the plan; removes the helpers of bound volumes."""
    waves = [_stored_wave(context, plan, str(f"wave-{wave}")) for wave in range(order.GATES + 1)]
    last = _stored_wave(context, plan, "ready")
    volumes = _stored_volumes(context, plan)
    hooked = hooks.stored_hooks(context, plan)
    if volumes is not None:
        release_volumes(context, volumes)
    ended = context.clock()
    outcomes = [outcome for wave in (*waves, last) if wave for outcome in wave.outcomes]
    failed = [f"{o.title}: {o.detail}" for o in outcomes if o.result == "failed"]
    volume_outcomes = volumes.volumes if volumes else ()
    failed += [f"volume {v.title}: {v.error}" for v in volume_outcomes if v.error]
    hook_outcomes = hooked.hooks if hooked else ()
    failed += [f"hook {h.title}: {h.trouble}" for h in hook_outcomes if h.trouble and h.fails]
    results = [outcome.result for outcome in outcomes]
    account = RestoreReport(
        restore=plan.restore,
        instance=plan.request.instance,
        point=plan.request.point,
        started=started,
        ended=rfc3339(ended),
        ok=not failed,
        created=results.count("created") + sum(bool(v.handle) for v in volume_outcomes),
        merged=results.count("merged"),
        unchanged=results.count("unchanged"),
        skipped=tuple(f"{o.title}: {o.detail}" for o in outcomes if o.result == "skipped"),
        left=plan.counts()["leave"],
        failed=tuple(failed),
        changes=tuple(change for wave in waves if wave for change in wave.changes),
        volumes=volume_outcomes,
        warnings=(*plan.warnings, *_hook_warnings(hooked)),
        hooks=hook_outcomes,
        phases=_phases(
            waves, volumes, hooked, last, (ended - parse_rfc3339(started)).total_seconds()
        ),
        dry_run=plan.request.dry_run,
    )
    if plan.request.dry_run:
        return account
    key = layout.restore_part(plan.request.instance, plan.restore, "report")
    return context.vault.settle_document(key, account, RestoreReport)


def stored_report(context: Context, instance: str, restore: str) -> RestoreReport:
    """The account that `report` stored. Raises BlobMissing when the restore never got there."""
    key = layout.restore_part(instance, restore, "report")
    return context.vault.get_document(key, RestoreReport)


def ensure_restored(account: RestoreReport) -> None:
    """Raises RestoreIncomplete, naming every failure."""
    if account.failed:
        lines = "\n".join(f"  {line}" for line in account.failed)
        raise RestoreIncomplete(
            f"restore {account.restore} of point {account.point}: {len(account.failed)} failed\n"
            + lines,
            hint="mend the cause and restore again: what was restored is left as it is",
        )


def _settle(look: Callable[[], Sequence[str]]) -> None:
    waiting = poll_until(look, seconds=_SETTLE_SECONDS)
    if waiting:
        raise NotReady("still waiting for " + "; ".join(waiting))


def _wave(context: Context, plan: RestorePlan, wave: int, say: Say) -> None:
    result = apply_wave(context, plan, wave)
    if result.outcomes:
        made = sum(outcome.result != "failed" for outcome in result.outcomes)
        say(f"{order.TITLES[wave]}: {made} of {len(result.outcomes)}")


def _stored_wave(context: Context, plan: RestorePlan, part: str) -> WaveResult | None:
    key = layout.restore_part(plan.request.instance, plan.restore, part)
    return context.vault.find_document(key, WaveResult)


def _stored_volumes(context: Context, plan: RestorePlan) -> VolumesResult | None:
    key = layout.restore_part(plan.request.instance, plan.restore, "volumes")
    return context.vault.find_document(key, VolumesResult)


def _hook_warnings(hooked: HooksResult | None) -> list[str]:
    if hooked is None:
        return []
    told = [f"hook {h.title}: {h.trouble}" for h in hooked.hooks if h.trouble and not h.fails]
    return [*told, *hooked.notes]


def _phases(
    waves: Iterable[WaveResult | None],
    volumes: VolumesResult | None,
    hooked: HooksResult | None,
    last: WaveResult | None,
    total: float,
) -> tuple[Phase, ...]:
    phases = [Phase("resources", sum(wave.seconds for wave in waves if wave))]
    if volumes:
        phases.append(Phase("volumes", volumes.seconds))
    if hooked and hooked.hooks:
        phases.append(Phase("hooks", hooked.seconds))
    if last:
        phases.append(Phase("ready", last.seconds))
    phases.append(Phase("total", total))
    return tuple(phases)
