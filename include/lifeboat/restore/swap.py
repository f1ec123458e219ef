"""Stops what would stand in the way of a restore, and brings it back: workloads that use a claim
whose volume is swapped, and, where asked, every workload that is changed.

What is to be brought back is recorded before anything is stopped, so that a retry knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

import msgspec

from lifeboat.clock import poll_until
from lifeboat.errors import HookFailed, NotFound, NotReady
from lifeboat.point import layout
from lifeboat.policy.hooks import Scale
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.ports.marks import RESTORE
from lifeboat.restore.model import PlanItem, RestorePlan
from lifeboat.restore.warnings.tally import pod_spec
from lifeboat.steps.context import Context
from lifeboat.steps.hook_record import ScaleAction
from lifeboat.steps.hook_scale import REPLICAS_ANNOTATION, plan_scale, start, stop

GONE_SECONDS = 120.0
_PART = "stilled"
_APPS = "apps"
_SCALABLE = (
    Kind(_APPS, "v1", "deployments", "Deployment", namespaced=True),
    Kind(_APPS, "v1", "statefulsets", "StatefulSet", namespaced=True),
)
_POD = Kind("", "v1", "pods", "Pod", namespaced=True)
_CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True)

Say = Callable[[str], None]


class Stilled(msgspec.Struct, frozen=True):
    """The workloads that this restore stopped, with the replicas to bring them back to."""

    actions: tuple[ScaleAction, ...]


def holder_of(plan: RestorePlan) -> str:
    """By what name a restore holds a workload at zero."""
    return f"{plan.request.instance}/{plan.restore}"


def held_by(live: Json, restore: str) -> bool:
    """Whether this very restore holds the live object at zero, and so changed it last."""
    mark: str = (live["metadata"].get("annotations") or {}).get(REPLICAS_ANNOTATION, "")
    return mark.endswith(f"/{restore}")


def still(context: Context, plan: RestorePlan, items: Iterable[PlanItem], say: Say) -> None:
    """Stop the workloads, then remove the claims that are to be made anew. A second attempt stops
    those of the first. Raises NotReady for what does not stop, HookFailed for what is gone."""
    swapped = [(v.namespace, v.claim) for v in plan.volumes if v.item.action == "recreate"]
    if not (swapped or plan.request.scale_down):
        return
    key = layout.restore_part(plan.request.instance, plan.restore, _PART)
    record = context.vault.find_document(key, Stilled)
    if record is None:
        wanted = _wanted(context.cluster, plan, items, swapped)
        record = context.vault.settle_document(key, Stilled(wanted), Stilled)
    for action in record.actions:
        wrong = stop(context.cluster, action, holder_of(plan), action.seconds)
        if wrong:
            raise NotReady(wrong)
        say(f"{action.title} stands still")
    for volume in plan.volumes:
        if volume.item.action == "recreate":
            _remove(context.cluster, plan, volume.namespace, volume.claim)


def resume(context: Context, plan: RestorePlan, say: Say) -> None:
    """Bring back what `still` stopped; what this restore changed meanwhile has as many replicas as
    in the point."""
    key = layout.restore_part(plan.request.instance, plan.restore, _PART)
    record = context.vault.find_document(key, Stilled)
    for action in record.actions if record else ():
        if _was_restored(context.cluster, plan, action):
            say(f"{action.title} has the replicas of the point")
            continue
        told = start(context.cluster, action, holder_of(plan))
        say(told or f"{action.title} runs again")


def _was_restored(cluster: Cluster, plan: RestorePlan, action: ScaleAction) -> bool:
    """Whether the plan's own change of the workload went through; its mark is taken off then."""
    kind = next(one for one in _SCALABLE if one.kind.lower() == action.kind)
    try:
        live = cluster.get(kind, action.namespace, action.name)
    except NotFound:
        return False
    annotations = live["metadata"].get("annotations") or {}
    if annotations.get(RESTORE) != plan.restore:
        return False
    if held_by(live, plan.restore):
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
    """Why a claim cannot be swapped: a pod uses it that no scaling stops. Empty when none does."""
    for pod in _all(cluster, _POD, namespace):
        if not uses(_POD, pod, (claim,)) or pod["spec"].get("schedulingGates"):
            continue  # one behind a gate has no volume yet, and keeps none from going
        owners = pod["metadata"].get("ownerReferences") or []
        if not any(owner["kind"] in ("ReplicaSet", "StatefulSet") for owner in owners):
            by = f" of {owners[0]['kind']} {owners[0]['name']}" if owners else ""
            return f"pod {pod['metadata']['name']}{by} uses it, which scaling does not stop"
    return ""


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


def _remove(cluster: Cluster, plan: RestorePlan, namespace: str, claim: str) -> None:
    """Delete the old claim, and wait until it is gone; the one that this restore made stays."""

    def is_there() -> list[str]:
        try:
            live = cluster.get(_CLAIM, namespace, claim)
        except NotFound:
            return []
        mine = (live["metadata"].get("annotations") or {}).get(RESTORE) == plan.restore
        return [] if mine else [f"claim {namespace}/{claim} to be gone: a pod may still use it"]

    if not is_there():
        return
    cluster.delete(_CLAIM, namespace, claim)
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
