"""Stops what would stand in the way of a restore, and brings it back: workloads that use a claim
whose volume is swapped, and, where asked, every workload that is changed.

What is to be brought back is recorded before anything is stopped, so that a retry knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress

import msgspec

from lifeboat.clock import poll_until
from lifeboat.errors import Conflict, HookFailed, NotFound, NotReady
from lifeboat.point import layout
from lifeboat.policy.hooks import Scale
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.ports.marks import RESTORE
from lifeboat.restore.live import uid_of
from lifeboat.restore.model import PlanItem, PlanVolume, RestorePlan
from lifeboat.restore.warnings.tally import pod_spec
from lifeboat.steps.context import Context
from lifeboat.steps.hook_record import ScaleAction
from lifeboat.steps.hook_scale import REPLICAS_ANNOTATION, plan_scale, start, stop

GONE_SECONDS = 120.0
_PART, _RESUMED = "stilled", "resumed"
_APPS = "apps"
_SCALABLE = (
    Kind(_APPS, "v1", "deployments", "Deployment", namespaced=True),
    Kind(_APPS, "v1", "statefulsets", "StatefulSet", namespaced=True),
)
_REPLICA_SET = Kind(_APPS, "v1", "replicasets", "ReplicaSet", namespaced=True)
_POD = Kind("", "v1", "pods", "Pod", namespaced=True)
_CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True)

Say = Callable[[str], None]


class Stilled(msgspec.Struct, frozen=True):
    """The workloads that this restore stopped, with the replicas to bring them back to."""

    actions: tuple[ScaleAction, ...]


class Resumed(msgspec.Struct, frozen=True):
    """That they run again: a slower try of this restore must not stop them once more."""

    workloads: int


def holder_of(plan: RestorePlan) -> str:
    """By what name a restore holds a workload at zero."""
    return f"{plan.request.instance}/{plan.restore}"


def held_by(live: Json, restore: str) -> bool:
    """Whether this very restore holds the live object at zero, and so changed it last."""
    mark: str = (live["metadata"].get("annotations") or {}).get(REPLICAS_ANNOTATION, "")
    return mark.endswith(f"/{restore}")


def still(context: Context, plan: RestorePlan, items: Iterable[PlanItem], say: Say) -> None:
    """Stop the workloads, then remove the claims that are to be made anew. A second attempt stops
    those of the first; one that is slower than another stops nothing, or brings it back. Raises
    NotReady for what does not stop, HookFailed for what is gone."""
    swapped = [(v.namespace, v.claim) for v in plan.volumes if v.item.action == "recreate"]
    if not (swapped or plan.request.scale_down):
        return
    key = layout.restore_part(plan.request.instance, plan.restore, _PART)
    record = context.vault.find_document(key, Stilled)
    if record is None:
        wanted = _wanted(context.cluster, plan, items, swapped)
        record = context.vault.settle_document(key, Stilled(wanted), Stilled)
    if _is_resumed(context, plan):
        return
    for action in record.actions:
        _stop(context.cluster, plan, action, say)
    if _is_resumed(context, plan):
        for action in record.actions:
            start(context.cluster, action, holder_of(plan))
        return
    for volume in plan.volumes:
        if volume.item.action == "recreate":
            _remove(context.cluster, volume)


def resume(context: Context, plan: RestorePlan, say: Say) -> None:
    """Bring back what `still` stopped; what this restore changed meanwhile has as many replicas as
    in the point."""
    key = layout.restore_part(plan.request.instance, plan.restore, _PART)
    record = context.vault.find_document(key, Stilled)
    if record is None:
        return
    done = layout.restore_part(plan.request.instance, plan.restore, _RESUMED)
    context.vault.settle_document(done, Resumed(len(record.actions)), Resumed)
    for action in record.actions:
        if _was_restored(context.cluster, plan, action):
            say(f"{action.title} has the replicas of the point")
            continue
        told = start(context.cluster, action, holder_of(plan))
        say(told or f"{action.title} runs again")


def _stop(cluster: Cluster, plan: RestorePlan, action: ScaleAction, say: Say) -> None:
    """Stop one workload; not one that an earlier or a quicker try has put already."""
    if _is_put(plan, _find(cluster, action)):
        return
    wrong = stop(cluster, action, holder_of(plan), action.seconds)
    live = _find(cluster, action)
    if _is_put(plan, live):
        start(cluster, action, holder_of(plan))
    elif live is None:
        say(f"{action.title} is not there: it was deleted, to be made anew")
    elif wrong:
        raise NotReady(wrong)
    else:
        say(f"{action.title} stands still")


def _find(cluster: Cluster, action: ScaleAction) -> Json | None:
    kind = next(one for one in _SCALABLE if one.kind.lower() == action.kind)
    try:
        return cluster.get(kind, action.namespace, action.name)
    except NotFound:
        return None


def _is_put(plan: RestorePlan, live: Json | None) -> bool:
    annotations = (live["metadata"].get("annotations") or {}) if live else {}
    return bool(annotations.get(RESTORE) == plan.restore)


def _is_resumed(context: Context, plan: RestorePlan) -> bool:
    key = layout.restore_part(plan.request.instance, plan.restore, _RESUMED)
    return context.vault.find_document(key, Resumed) is not None


def _was_restored(cluster: Cluster, plan: RestorePlan, action: ScaleAction) -> bool:
    """Whether the plan's own change of the workload went through; its mark is taken off then."""
    live = _find(cluster, action)
    if live is None or not _is_put(plan, live):
        return False
    if held_by(live, plan.restore):
        kind = next(one for one in _SCALABLE if one.kind.lower() == action.kind)
        unmarked = {"metadata": {"annotations": {REPLICAS_ANNOTATION: None}}}
        cluster.patch(kind, action.namespace, action.name, unmarked)
    return True


def users(cluster: Cluster, namespace: str, claims: Collection[str]) -> Iterator[str]:
    """The workloads that use one of the claims and can be scaled, as `deployment/web`."""
    for kind in _SCALABLE:
        for live in _all(cluster, kind, namespace):
            if uses(kind, live, claims):
                yield f"{kind.kind.lower()}/{live['metadata']['name']}"


def stuck(cluster: Cluster, namespace: str, claim: str) -> str:
    """Why a claim cannot be swapped: a pod uses it that none of those that are scaled brought
    forth. Empty when there is no such pod."""
    scaled: set[str] | None = None
    for pod in _all(cluster, _POD, namespace):
        if not uses(_POD, pod, (claim,)) or pod["spec"].get("schedulingGates"):
            continue  # one behind a gate has no volume yet, and keeps none from going
        if scaled is None:
            scaled = set(users(cluster, namespace, (claim,)))
        makers = list(_makers(cluster, namespace, pod))
        if not any(f"{maker['kind'].lower()}/{maker['name']}" in scaled for maker in makers):
            by = "".join(f" of {maker['kind']} {maker['name']}" for maker in makers)
            return f"pod {pod['metadata']['name']}{by} uses it, which scaling does not stop"
    return ""


def _makers(cluster: Cluster, namespace: str, pod: Json) -> Iterator[Json]:
    """References to who made a pod: its controller, and that of its ReplicaSet."""
    maker = _controller(pod)
    if maker is None:
        return
    yield maker
    if maker["kind"] == _REPLICA_SET.kind:
        for live in _all(cluster, _REPLICA_SET, namespace):
            above = _controller(live)
            if live["metadata"]["name"] == maker["name"] and above:
                yield above


def _controller(live: Json) -> Json | None:
    """The reference to an object's controller. Of what is no Deployment or StatefulSet of
    Kubernetes itself, kind and group are told: nobody scales it."""
    for owner in live["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            group = owner["apiVersion"].rpartition("/")[0]
            known = group in ("", _APPS)
            return {**owner, "kind": owner["kind"] if known else f"{owner['kind']}.{group}"}
    return None


def _wanted(
    cluster: Cluster, plan: RestorePlan, items: Iterable[PlanItem], swapped: list[tuple[str, str]]
) -> tuple[ScaleAction, ...]:
    found: dict[tuple[str, str], ScaleAction] = {}
    for namespace in sorted({namespace for namespace, _ in swapped}):
        claims = {claim for where, claim in swapped if where == namespace}
        for workload in users(cluster, namespace, claims):
            _add(cluster, found, namespace, workload)
    if plan.request.scale_down:
        names = {kind.group_kind for kind in _SCALABLE}
        for item in items:
            if item.kind.group_kind in names and item.action in ("merge", "replace", "skip"):
                workload = f"{item.kind.kind.lower()}/{item.name}"
                _add(cluster, found, item.namespace, workload)
    return tuple(found.values())


def _add(
    cluster: Cluster, found: dict[tuple[str, str], ScaleAction], namespace: str, workload: str
) -> None:
    if (namespace, workload) in found:
        return
    try:
        found[namespace, workload] = plan_scale(
            cluster, Scale(namespace=namespace, workload=workload)
        )
    except HookFailed:
        return  # it went away since the plan was made, and stands still for good


def _remove(cluster: Cluster, volume: PlanVolume) -> None:
    """Delete the claim that the plan was made with, and wait until it is gone. Any other stays: one
    that this restore made, be it by another try just now, and a stranger's."""
    namespace, claim = volume.namespace, volume.claim
    uid = uid_of(volume.item.live_version)

    def is_there() -> list[str]:
        try:
            live = cluster.get(_CLAIM, namespace, claim)
        except NotFound:
            return []
        there = live["metadata"]["uid"] == uid
        return [f"claim {namespace}/{claim} to be gone: a pod may still use it"] if there else []

    if not is_there():
        return
    with suppress(Conflict):  # another one is there by now
        cluster.delete(_CLAIM, namespace, claim, uid=uid)
    left = poll_until(is_there, seconds=GONE_SECONDS)
    if left:
        raise NotReady("still waiting for " + left[0])


def uses(kind: Kind, live: Json, claims: Collection[str]) -> bool:
    """Whether a pod, or the pods of a workload, use one of the claims of its namespace."""
    spec = live.get("spec") or {}
    volumes = pod_spec(kind, spec).get("volumes") or []
    named = {(v.get("persistentVolumeClaim") or {}).get("claimName") for v in volumes}
    if named & set(claims):
        return True
    templates = [t["metadata"]["name"] for t in spec.get("volumeClaimTemplates") or []]
    made = tuple(f"{template}-{live['metadata']['name']}-" for template in templates)
    return bool(made) and any(
        claim.startswith(made) and claim.rpartition("-")[2].isdigit() for claim in claims
    )


def _all(cluster: Cluster, kind: Kind, namespace: str) -> Iterator[Json]:
    for page in cluster.list_pages(kind, namespace=namespace):
        for raw in page.items:
            yield msgspec.json.decode(raw)
