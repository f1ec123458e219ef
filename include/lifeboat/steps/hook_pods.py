"""Hooks that run commands in pods: which pods, by the policy or by their own annotations, and how.

A pod that the policy's own `exec` names is not asked for its annotations: who may annotate a pod
cannot take the policy's command away.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec

from lifeboat.errors import HookFailed, LifeboatError
from lifeboat.policy.annotated import AnnotatedHook, annotated_hook
from lifeboat.policy.globs import any_matches
from lifeboat.policy.hooks import Command, Exec
from lifeboat.policy.model import Policy
from lifeboat.policy.picking import Picker
from lifeboat.policy.selection import opted_out
from lifeboat.ports.cluster import Cluster, Kind
from lifeboat.ports.marks import MANAGED
from lifeboat.ports.pods import Pods, Target
from lifeboat.steps.claims import FEW_NAMESPACES
from lifeboat.steps.hook_record import Outcome, PodAction, Step

_POD = Kind("", "v1", "pods", "Pod", True, verbs=("create", "list"), short_names=("po",))
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


class _Owner(msgspec.Struct, frozen=True):
    kind: str
    name: str
    controller: bool = False


class _Meta(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    namespace: str
    uid: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    deletion_timestamp: str = ""
    owner_references: list[_Owner] = []


class _Container(msgspec.Struct, frozen=True):
    name: str


class _Spec(msgspec.Struct, frozen=True):
    containers: list[_Container] = []


class _Condition(msgspec.Struct, frozen=True):
    type: str
    status: str


class _Status(msgspec.Struct, frozen=True):
    phase: str = ""
    conditions: list[_Condition] = []


class HookPod(msgspec.Struct, frozen=True):
    """The fields of a Pod that hooks look at."""

    metadata: _Meta
    spec: _Spec = _Spec()
    status: _Status = _Status()

    @property
    def runs(self) -> bool:
        return self.status.phase == "Running" and not self.metadata.deletion_timestamp

    @property
    def is_ready(self) -> bool:
        return self.runs and any(
            one.type == "Ready" and one.status == "True" for one in self.status.conditions
        )

    @property
    def controller(self) -> tuple[str, str] | None:
        """Kind and name of what made it; None for a pod that somebody made by hand."""
        found = (owner for owner in self.metadata.owner_references if owner.controller)
        return next(((owner.kind, owner.name) for owner in found), None)

    def target(self, container: str) -> Target:
        meta = self.metadata
        first = self.spec.containers[0].name if self.spec.containers else ""
        return Target(meta.namespace, meta.name, meta.uid, container or first)


def plan_exec(cluster: Cluster, hook: Exec) -> list[PodAction]:
    """The policy's commands, pod by pod. Raises HookFailed when no pod runs that it names."""
    found = list_pods(cluster, hook.namespace, hook.labels)
    running = sorted((pod for pod in found if pod.runs), key=lambda pod: pod.metadata.name)
    if not running:
        which = f"pods with labels {hook.labels}" if hook.labels else "pods"
        raise HookFailed(f"hook: no running {which} in {hook.namespace}")
    actions = []
    for pod in running:
        container = hook.container or pod.metadata.annotations.get(_DEFAULT_CONTAINER, "")
        pre, post = (_command(one) for one in (hook.pre, hook.post))
        actions.append(PodAction(pod.target(container), pre, post))
    return actions


def plan_annotated(
    cluster: Cluster, policy: Policy, namespaces: Sequence[str], taken: Collection[str]
) -> tuple[list[PodAction], list[str]]:
    """What the selected pods ask for themselves, in the policy's order of namespaces, and what is
    wrong with it. `taken` are uids of pods that the policy's own commands run in.

    Raises what the cluster raises: without a look at the pods nobody knows what has to be frozen.
    """
    if not policy.pod_hooks.enabled:
        return [], []
    picker = Picker(policy.select, namespaces)
    found, notes = [], []
    for pod in _list_all(cluster, namespaces):
        meta = pod.metadata
        pre, post = (annotated_hook(meta.annotations, phase) for phase in ("pre", "post"))
        if not (pre or post) or not pod.runs or meta.labels.get(MANAGED) == "true":
            continue
        if opted_out(meta.labels, meta.annotations) or picker.why_not(
            _POD, meta.namespace, meta.name, meta.labels
        ):
            continue
        if meta.uid in taken:
            notes.append(f"pod {meta.namespace}/{meta.name}: the policy's own command runs instead")
            continue
        found += _asked(pod, pre, post)
        told = [note for one in (pre, post) if one for note in one.notes]
        notes += [f"pod {meta.namespace}/{meta.name}: {note}" for note in told]
    order = policy.pod_hooks.order
    found.sort(key=lambda one: (_rank(order, one.target.namespace), *_place(one.target)))
    return found, notes


def run_command(pods: Pods, action: PodAction, step: Step, seconds: float) -> Outcome:
    """Raises what the port raises."""
    ran = pods.run(action.target, step.command, seconds)
    trouble = f"ended with exit code {ran.exit_code}" if ran.exit_code else ""
    return Outcome(ran.exit_code, ran.seconds, trouble)


class Alive:
    """Which pods are there still; one listing a namespace. With a pod, whatever was frozen in it
    has gone."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._known: dict[str, frozenset[str] | None] = {}

    def __contains__(self, target: Target) -> bool:
        """True, too, when nobody can tell."""
        if target.namespace not in self._known:
            self._known[target.namespace] = self._look(target.namespace)
        there = self._known[target.namespace]
        return there is None or target.uid in there

    def _look(self, namespace: str) -> frozenset[str] | None:
        try:
            return frozenset(pod.metadata.uid for pod in list_pods(self._cluster, namespace, ""))
        except LifeboatError:
            return None


def _asked(pod: HookPod, pre: AnnotatedHook | None, post: AnnotatedHook | None) -> list[PodAction]:
    """One action where both phases are for one container, else one each."""
    before, after = ((_target(pod, one), _step(one)) for one in (pre, post))
    if before[0] and after[0] and before[0] != after[0]:
        return [
            PodAction(before[0], before[1], None, "pod"),
            PodAction(after[0], None, after[1], "pod"),
        ]
    target = before[0] or after[0]
    return [PodAction(target, before[1], after[1], "pod")] if target else []


def _target(pod: HookPod, hook: AnnotatedHook | None) -> Target | None:
    return pod.target(hook.container) if hook else None


def _step(hook: AnnotatedHook | None) -> Step | None:
    return annotated_step(hook) if hook else None


def annotated_step(hook: AnnotatedHook) -> Step:
    """What a pod asks for, as it is run."""
    return Step(hook.command, hook.seconds, hook.fails)


def _command(command: Command | None) -> Step | None:
    return Step(command.command, command.seconds, command.fails) if command else None


def _rank(order: Sequence[str], namespace: str) -> int:
    for rank, glob in enumerate(order):
        if any_matches((glob,), namespace):
            return rank
    return len(order)


def _place(target: Target) -> tuple[str, str]:
    return target.namespace, target.pod


def _list_all(cluster: Cluster, namespaces: Sequence[str]) -> Iterator[HookPod]:
    if len(namespaces) <= FEW_NAMESPACES:
        for namespace in namespaces:
            yield from list_pods(cluster, namespace, "")
        return
    wanted = frozenset(namespaces)
    yield from (pod for pod in list_pods(cluster, None, "") if pod.metadata.namespace in wanted)


def list_pods(cluster: Cluster, namespace: str | None, labels: str) -> Iterator[HookPod]:
    """The pods of a namespace, or of all, whose labels match; empty for any."""
    decode = msgspec.json.Decoder(HookPod).decode
    for page in cluster.list_pages(_POD, namespace=namespace, label_selector=labels):
        yield from map(decode, page.items)
