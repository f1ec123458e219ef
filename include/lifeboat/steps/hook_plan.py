"""What a policy would still right now, in order, across namespaces. Asks, touches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lifeboat.policy.hooks import Hook
from lifeboat.policy.model import Policy
from lifeboat.ports.cluster import Cluster
from lifeboat.steps.hook_pods import plan_annotated, plan_exec
from lifeboat.steps.hook_record import Action, CallAction, JobAction, PodAction
from lifeboat.steps.hook_scale import plan_scale


@dataclass(frozen=True)
class FreezePlan:
    """`actions` in the order of the freeze; `notes` have to be told with the point."""

    actions: tuple[Action, ...]
    notes: tuple[str, ...]


def plan_freeze(policy: Policy, cluster: Cluster, namespaces: Sequence[str]) -> FreezePlan:
    """The policy's hooks as they are written, then the pods' own. Raises HookFailed when a hook
    names what is not there, and what the cluster raises."""
    actions: list[Action] = []
    for hook in policy.hooks:
        actions += _planned(cluster, hook)
    taken = {one.target.uid for one in actions if isinstance(one, PodAction)}
    asked, notes = plan_annotated(cluster, policy, namespaces, taken)
    return FreezePlan((*actions, *asked), tuple(notes))


def _planned(cluster: Cluster, hook: Hook) -> Iterator[Action]:
    """What talks to a workload comes before what stops it."""
    if hook.exec_:
        yield from plan_exec(cluster, hook.exec_)
    if hook.http:
        yield CallAction(hook.http.model_dump(mode="json", by_alias=True))
    if hook.job:
        yield JobAction(hook.job.model_dump(mode="json", by_alias=True))
    if hook.scale:
        yield plan_scale(cluster, hook.scale)
