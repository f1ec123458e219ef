"""The phases of a restore, in order: prepare, volumes, resources, hooks, ready, report.

Airflow runs each as a task; `restore` runs them in one process. Every phase goes on where an
earlier attempt of the same restore stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from lifeboat.clock import monotonic, parse_rfc3339, poll_until, rfc3339
from lifeboat.errors import NotReady, RestoreIncomplete
from lifeboat.point import layout
from lifeboat.point.facts import Phase
from lifeboat.restore import hooks, order
from lifeboat.restore.account import Account
from lifeboat.restore.apply import apply_wave
from lifeboat.restore.gate import ensure_has_turn, ensure_may_run
from lifeboat.restore.late import results_of, try_again
from lifeboat.restore.model import (
    HooksResult,
    RestorePlan,
    RestoreReport,
    RestoreRequest,
    VolumesResult,
    Waited,
)
from lifeboat.restore.owners import Linked, link_owners, stored_links
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.reclaim import keep_reclaim_policies
from lifeboat.restore.swap import resume, still
from lifeboat.restore.volumes import (
    finish_volumes,
    patience,
    release_volumes,
    start_volumes,
    unbound,
)
from lifeboat.restore.wait import (
    never_ready,
    not_active,
    not_established,
    not_ready,
    operators_not_ready,
)
from lifeboat.steps.context import Context

_T = TypeVar("_T")
Say = Callable[[str], None]
"""Told what happens, a line at a time, for people."""

FIRST_WAVES = (order.DEFINITIONS, order.NAMESPACES, order.CLUSTER)
LATER_WAVES = (
    order.VOLUMES, order.CONFIG, order.NETWORK, order.WORKLOADS, order.OTHERS, order.GATES,
    order.REMOVALS,
)  # fmt: skip
VOLUME_SECONDS = 600.0
READY_SECONDS = 600.0
OPERATOR_SECONDS = 300.0
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
    return apply_plan(context, plan, say, started)


def apply_plan(context: Context, plan: RestorePlan, say: Say, started: str) -> RestoreReport:
    """Exactly this plan, which `ensure_may_run` lets through. Raises RestoreIncomplete when
    something failed."""
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
    usual = ("create", "merge", "skip", "leave")
    counts = ", ".join(f"{a} {n}" for a, n in plan.counts().items() if n or a in usual)
    return f"plan {plan.restore}: {counts} objects; {len(plan.volumes)} volumes"


def prepare(context: Context, plan: RestorePlan, say: Say) -> None:
    """Definitions, namespaces and cluster-wide settings, each waited for; nothing at all when the
    plan may not run (gate.py)."""
    ensure_may_run(context, plan)
    waited = 0.0
    for wave in FIRST_WAVES:
        _wave(context, plan, wave, say)
        if wave == order.DEFINITIONS:
            waited += _settle(lambda: not_established(context, plan))
        if wave == order.NAMESPACES:
            waited += _settle(lambda: not_active(context, plan))
    record_seconds(context, plan.request.instance, plan.restore, "settle", waited)


def bring_volumes(context: Context, plan: RestorePlan, say: Say) -> VolumesResult:
    """Claims from snapshots, waited for until bound."""
    began = monotonic()
    make_room(context, plan, say)
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
        if wave == order.OTHERS:
            await_operators(context, plan, say)
        _wave(context, plan, wave, say)
    try_again(context, plan, lambda: not not_ready(context, plan), say)
    linked = link_owners(context, plan)
    if linked:
        say(f"owners: {linked.objects} objects have theirs again")
    resume(context, plan, say)


def await_operators(context: Context, plan: RestorePlan, say: Say) -> None:
    """Wait for who takes care of custom resources, where that is asked; not for ever: they can look
    at what is there already, too."""
    key = layout.restore_part(plan.request.instance, plan.restore, "operators")
    if not plan.request.operators or context.vault.find_document(key, Waited) is not None:
        return
    began = monotonic()
    waiting = poll_until(lambda: operators_not_ready(context, plan), seconds=OPERATOR_SECONDS)
    say(f"operators: {'all ready' if not waiting else f'{len(waiting)} not ready'}")
    context.vault.settle_document(key, Waited(tuple(waiting), monotonic() - began), Waited)


def make_room(context: Context, plan: RestorePlan, say: Say) -> None:
    """Stop what stands in the way, and remove claims that are swapped."""
    ensure_has_turn(context, plan)
    still(context, plan, items_of(context.vault, plan, ("merge", "replace", "skip")), say)


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
    waiting = poll_until(lambda: not_ready(context, plan), seconds=seconds)
    say(f"workloads: {'all ready' if not waiting else f'{len(waiting)} not ready'}")
    record_ready(context, plan, waiting, monotonic() - began)
    return waiting


def record_ready(
    context: Context, plan: RestorePlan, waiting: Iterable[str], seconds: float
) -> None:
    """Store the outcome of waiting, for the report, with what nobody waited for."""
    key = layout.restore_part(plan.request.instance, plan.restore, "ready")
    late = (*waiting, *never_ready(context, plan))
    context.vault.settle_document(key, Waited(late, seconds), Waited)


def report(context: Context, plan: RestorePlan, started: str) -> RestoreReport:
    """The whole account, stored beside the plan; removes the helpers of bound volumes."""
    instance = plan.request.instance
    account = Account()
    for result in results_of(context, plan):
        account.add(result)
    last = _stored(context, plan, "ready", Waited)
    volumes = _stored(context, plan, "volumes", VolumesResult)
    for title in last.not_ready if last else ():
        account.fail(f"{title}: not ready in time")
    brought = volumes.volumes if volumes else ()
    account.change(volumes.changes if volumes else ())
    reclaimed = keep_reclaim_policies(context, plan, volumes)
    account.change(reclaimed.changes)
    if volumes is not None:
        release_volumes(context, volumes)
    for volume in brought:
        if volume.error:
            account.fail(f"volume {volume.title}: {volume.error}")
    operators = _stored(context, plan, "operators", Waited)
    linked = stored_links(context, plan)
    account.change(linked.changes if linked else ())
    hooked = hooks.stored_hooks(context, plan)
    for hook in hooked.failed if hooked else ():
        account.fail(hook)
    counts, ended = account.counts, context.clock()
    told = RestoreReport(
        restore=plan.restore,
        instance=instance,
        point=plan.request.point,
        started=started,
        ended=rfc3339(ended),
        ok=not account.failed,
        created=counts["created"] + sum(bool(v.handle) for v in brought),
        merged=counts["merged"],
        unchanged=counts["unchanged"],
        skipped=account.skipped.lines(),
        left=plan.counts()["leave"],
        failed=tuple(account.failed),
        changes=account.changes.lines(),
        volumes=brought,
        warnings=(
            *plan.warnings,
            *(f"custom resources did not wait: {w}" for w in _late(operators)),
            *reclaimed.warnings,
            *(linked.warnings if linked else ()),
            *(hooked.warnings if hooked else ()),
        ),
        hooks=hooked.hooks if hooked else (),
        phases=(
            *_phases(context, plan, account.seconds, (volumes, hooked, linked)),
            Phase("total", (ended - parse_rfc3339(started)).total_seconds()),
        ),
        dry_run=plan.request.dry_run,
        results=dict(sorted(counts.items())),
    )
    if plan.request.dry_run:
        return told
    key = layout.restore_part(instance, plan.restore, "report")
    return context.vault.settle_document(key, told, RestoreReport)


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


def record_seconds(
    context: Context, instance: str, restore: str, phase: str, seconds: float
) -> None:
    """Store how long a phase took that leaves no other account; the first attempt that came through
    it counts."""
    key = layout.restore_part(instance, restore, phase)
    context.vault.settle_document(key, Waited((), seconds), Waited)


def recorded_phase(context: Context, plan: RestorePlan, phase: str) -> tuple[Phase, ...]:
    """What `record_seconds` stored; none where it did not come so far."""
    waited = _stored(context, plan, phase, Waited)
    return (Phase(phase, waited.seconds),) if waited else ()


def _settle(look: Callable[[], Sequence[str]]) -> float:
    """Seconds waited. Raises NotReady."""
    began = monotonic()
    waiting = poll_until(look, seconds=_SETTLE_SECONDS)
    if waiting:
        raise NotReady("still waiting for " + "; ".join(waiting))
    return monotonic() - began


def _wave(context: Context, plan: RestorePlan, wave: int, say: Say) -> None:
    ensure_has_turn(context, plan)
    of = sum(sum(part.actions.values()) for part in plan.parts if part.wave == wave)
    title = order.TITLES[wave]
    counts = apply_wave(context, plan, wave, lambda done: say(f"{title}: {done} of {of} so far"))
    if counts:
        made = counts.total() - counts["failed"]
        say(f"{title}: {made} of {counts.total()}")


def _stored(context: Context, plan: RestorePlan, part: str, shape: type[_T]) -> _T | None:
    key = layout.restore_part(plan.request.instance, plan.restore, part)
    return context.vault.find_document(key, shape)


def _late(operators: Waited | None) -> tuple[str, ...]:
    return operators.not_ready if operators else ()


def _phases(
    context: Context,
    plan: RestorePlan,
    resources: float,
    accounts: tuple[VolumesResult | None, HooksResult | None, Linked | None],
) -> tuple[Phase, ...]:
    volumes, hooked, linked = accounts
    return (
        *recorded_phase(context, plan, "settle"),
        Phase("resources", resources),
        *((Phase("volumes", volumes.seconds),) if volumes else ()),
        *recorded_phase(context, plan, "operators"),
        *((Phase("owners", linked.seconds),) if linked else ()),
        *((Phase("hooks", hooked.seconds),) if hooked and hooked.hooks else ()),
        *recorded_phase(context, plan, "ready"),
    )
