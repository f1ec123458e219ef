"""Hooks after a restore: which there are, what they wait for, and how each went.

Run by the machinery of the freeze (steps/hook_run.py): same means, same time-outs, same silence
about secrets. What is to run is written down before the first of it runs, and each outcome behind
it: a second attempt goes on where the first one stopped, and runs again only what was cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from lifeboat.clock import monotonic
from lifeboat.errors import HookFailed, LifeboatError
from lifeboat.point import layout
from lifeboat.point.pod_specs import POD_SPECS
from lifeboat.policy.annotated import AnnotatedHook, hook_after_restore
from lifeboat.policy.hooks import Command, Exec, Http, Job
from lifeboat.policy.restore_hooks import RestoreExec, RestoreHook, RestoreHooks
from lifeboat.ports.cluster import Cluster, Kind
from lifeboat.restore.apply import target_of
from lifeboat.restore.model import RESTORED, HookOutcome, HooksResult, RestorePlan
from lifeboat.restore.parts import items_of
from lifeboat.restore.transform import Target
from lifeboat.restore.wait import not_ready
from lifeboat.steps.context import Context
from lifeboat.steps.hook_pods import HookPod, annotated_step, list_pods, plan_exec
from lifeboat.steps.hook_record import Action, CallAction, JobAction, Phase, PodAction
from lifeboat.steps.hook_run import Turn, fails, run
from lifeboat.vault.vault import Vault

_PHASE: Phase = "post"
_REPLICA_SETS = Kind("apps", "v1", "replicasets", "ReplicaSet", True)
_NO_LIMIT = float("inf")

_Who = tuple[str, str]
"""Kind and name of a pod, or of what makes pods."""


class _Planned(msgspec.Struct, frozen=True):
    """One thing to do, or the trouble that keeps it from being done."""

    title: str
    fails: bool
    action: Action | None = None
    trouble: str = ""


class _HookPlan(msgspec.Struct, frozen=True):
    hooks: tuple[_Planned, ...]
    notes: tuple[str, ...]


def hooks_of(plan: RestorePlan) -> RestoreHooks:
    """The policy's restore hooks as they were when the restore was planned."""
    return RestoreHooks.model_validate(plan.hooks)


def awaited(context: Context, plan: RestorePlan) -> list[str]:
    """One look: what has to be there before hooks run, and is not."""
    hooks, target = hooks_of(plan), target_of(plan)
    for hook in hooks.after:
        if hook.http or hook.job or (hook.exec_ and hook.exec_.ready):
            return not_ready(context, plan)
    waiting = []
    for hook in hooks.after:
        if hook.exec_:
            waiting += _not_running(context.cluster, hook.exec_, target)
    for pod, asked in _annotated(context, plan, hooks, []):
        if not (pod.is_ready if asked.wants_ready else pod.runs):
            state = "ready" if asked.wants_ready else "running"
            waiting.append(f"pod {pod.metadata.namespace}/{pod.metadata.name} is not {state}")
    return waiting


def run_hooks(context: Context, plan: RestorePlan, say: Callable[[str], None]) -> HooksResult:
    """Run what has not run yet, in order; a second attempt returns the first account. After one
    that fails the restore, the policy's others do not run; those of pods do."""
    done = context.vault.find_document(_key(plan, "hooks"), HooksResult)
    if done is not None:
        return done
    began = monotonic()
    planned = _planned(context, plan)
    outcomes: list[HookOutcome] = []
    stopped = False
    for number, one in enumerate(planned.hooks):
        by_policy = not (isinstance(one.action, PodAction) and one.action.asked_by == "pod")
        if stopped and by_policy:
            outcome = HookOutcome(one.title, one.fails, trouble="did not run: one before it failed")
        else:
            outcome = _settled(context, plan, number, one)
        stopped = stopped or bool(by_policy and outcome.trouble and outcome.fails)
        say(f"{one.title}: {outcome.trouble or f'done in {outcome.seconds:.1f} s'}")
        outcomes.append(outcome)
    result = HooksResult(tuple(outcomes), planned.notes, monotonic() - began)
    return context.vault.settle_document(_key(plan, "hooks"), result, HooksResult)


def stored_hooks(context: Context, plan: RestorePlan) -> HooksResult | None:
    """What `run_hooks` stored; None where it never came so far."""
    return context.vault.find_document(_key(plan, "hooks"), HooksResult)


def _settled(context: Context, plan: RestorePlan, number: int, one: _Planned) -> HookOutcome:
    key = _key(plan, f"hook-{number}")
    known = context.vault.find_document(key, HookOutcome)
    if known is not None:
        return known
    if one.action is None:
        outcome = HookOutcome(one.title, one.fails, trouble=one.trouble)
    else:
        holder = f"{plan.request.instance}/{plan.restore}"
        ran = run(context, Turn(one.action, _PHASE, f"{holder} {number}", holder), _NO_LIMIT)
        outcome = HookOutcome(one.title, one.fails, ran.exit_code, ran.seconds, ran.trouble)
    return context.vault.settle_document(key, outcome, HookOutcome)


def _planned(context: Context, plan: RestorePlan) -> _HookPlan:
    key = _key(plan, "hooks-planned")
    known = context.vault.find_document(key, _HookPlan)
    if known is not None:
        return known
    hooks, target = hooks_of(plan), target_of(plan)
    notes: list[str] = []
    found: list[_Planned] = []
    for hook in hooks.after:
        found += _of_policy(context.cluster, hook, target, notes)
    taken = {one.action.target.uid for one in found if isinstance(one.action, PodAction)}
    for pod, asked in _annotated(context, plan, hooks, notes):
        where = f"pod {pod.metadata.namespace}/{pod.metadata.name}"
        notes += [f"{where}: {note}" for note in asked.notes]
        if pod.metadata.uid in taken:
            notes.append(f"{where}: the policy's own command runs instead")
        elif pod.runs:
            found.append(
                _one(PodAction(pod.target(asked.container), None, annotated_step(asked), "pod"))
            )
        else:
            found.append(_Planned(where, asked.fails, trouble="it did not run in time"))
    result = _HookPlan(tuple(found), tuple(notes))
    return context.vault.settle_document(key, result, _HookPlan)


def _of_policy(
    cluster: Cluster, hook: RestoreHook, target: Target, notes: list[str]
) -> Iterator[_Planned]:
    if hook.exec_:
        wanted = hook.exec_
        namespace = target.namespace(wanted.namespace)
        command = Command.model_validate(wanted.run.model_dump())
        planned = Exec(
            namespace=namespace, labels=wanted.labels, container=wanted.container, post=command
        )
        try:
            yield from map(_one, plan_exec(cluster, planned))
        except HookFailed as error:
            title = f"exec {wanted.labels or 'all pods'} in {namespace}"
            yield _Planned(title, command.fails, trouble=error.message)
    if hook.http and target.scratch:
        notes.append(
            f"http {hook.http.call.url.partition('?')[0]}: a test restore sends no requests"
        )
    elif hook.http:
        http = Http(headers=hook.http.headers, post=hook.http.call)
        yield _one(CallAction(http.model_dump(mode="json", by_alias=True)))
    if hook.job:
        job = Job(
            namespace=target.namespace(hook.job.namespace),
            service_account=hook.job.service_account,
            secrets=hook.job.secrets,
            post=hook.job.run,
        )
        yield _one(JobAction(job.model_dump(mode="json", by_alias=True)))


def _one(action: Action) -> _Planned:
    return _Planned(action.title, fails(action, _PHASE), action)


def _not_running(cluster: Cluster, wanted: RestoreExec, target: Target) -> list[str]:
    namespace = target.namespace(wanted.namespace)
    pods = list(list_pods(cluster, namespace, wanted.labels))
    if not pods:
        return [f"no pod {wanted.labels} in {namespace}"]
    return [f"pod {namespace}/{one.metadata.name} does not run" for one in pods if not one.runs]


def _annotated(
    context: Context, plan: RestorePlan, hooks: RestoreHooks, notes: list[str]
) -> Iterator[tuple[HookPod, AnnotatedHook]]:
    """Pods that this restore brought, itself or by their controllers, and that ask for something;
    by namespace and name. A pod that was there before is none of its business. Pods that may not be
    looked at are noted."""
    if not hooks.annotations:
        return
    for namespace, brought in sorted(_brought(context.vault, plan).items()):
        try:
            yield from _that_ask(context.cluster, namespace, brought)
        except LifeboatError as error:
            if error.retryable:
                raise
            notes.append(f"pods of {namespace} were not asked for hooks of theirs: {error.message}")


def _that_ask(
    cluster: Cluster, namespace: str, brought: set[_Who]
) -> list[tuple[HookPod, AnnotatedHook]]:
    found = []
    for pod in sorted(list_pods(cluster, namespace, ""), key=lambda pod: pod.metadata.name):
        asked = hook_after_restore(pod.metadata.annotations)
        if asked:
            found.append((pod, asked))
    if not found:
        return []
    deployments = _makers_of_replica_sets(cluster, namespace)
    return [one for one in found if brought.intersection(_makers(one[0], deployments))]


def _brought(vault: Vault, plan: RestorePlan) -> dict[str, set[_Who]]:
    """By target namespace, the pods and makers of pods that the plan creates or changes."""
    found: dict[str, set[_Who]] = {}
    for item in items_of(vault, plan, RESTORED):
        if item.kind.group_kind in POD_SPECS:
            found.setdefault(item.namespace, set()).add((item.kind.kind, item.name))
    return found


def _makers(pod: HookPod, deployments: dict[str, _Who]) -> Iterator[_Who]:
    """The pod, its controller, and the controller of that."""
    yield "Pod", pod.metadata.name
    if pod.controller:
        yield pod.controller
        if pod.controller[0] == _REPLICA_SETS.kind and pod.controller[1] in deployments:
            yield deployments[pod.controller[1]]


def _makers_of_replica_sets(cluster: Cluster, namespace: str) -> dict[str, _Who]:
    decode = msgspec.json.Decoder(HookPod).decode  # of which only the metadata is looked at
    pages = cluster.list_pages(_REPLICA_SETS, namespace=namespace)
    found = (decode(raw) for page in pages for raw in page.items)
    return {one.metadata.name: one.controller for one in found if one.controller}


def _key(plan: RestorePlan, part: str) -> str:
    return layout.restore_part(plan.request.instance, plan.restore, part)
