"""What a restore waits for: definitions established, namespaces active, workloads ready.

Each function is one look and names what is not there yet, with the reason; none of them waits, and
nobody waits for what could not be put.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import msgspec

from lifeboat.errors import NotFound
from lifeboat.policy.globs import any_matches
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.restore.late import failed_titles
from lifeboat.restore.model import RESTORED, PlanItem, RestorePlan
from lifeboat.restore.parts import items_of
from lifeboat.restore.swap import uses
from lifeboat.steps.context import Context

_CRD = "CustomResourceDefinition"
_Rule = Callable[[Json], str]
# Up to so many objects of a kind are asked for one by one; more are listed.
_FEW = 20
EVERYWHERE = ("*",)


def not_established(context: Context, plan: RestorePlan) -> list[str]:
    """Definitions of this plan that the API server does not serve yet: established is said a moment
    before discovery has the kind, and only then its resources can be made."""
    waiting = _look(context, plan, {_CRD: _definition})
    if waiting:
        return waiting
    made = [i for i in items_of(context.vault, plan, RESTORED) if i.kind.kind == _CRD]
    if not made:
        return []
    served = {kind.resource for kind in context.cluster.discover().kinds}
    missing = [item for item in made if item.name not in served]
    failed = failed_titles(context, plan) if missing else set()
    return [f"{_CRD} {i.name} is not served" for i in missing if i.title not in failed]


def not_active(context: Context, plan: RestorePlan) -> list[str]:
    """Namespaces of this plan that are not Active (one of the same name may be ending)."""
    return _look(context, plan, {"Namespace": _namespace})


def not_ready(context: Context, plan: RestorePlan) -> list[str]:
    """Workloads and claims of this plan that are not ready or bound, and may still be."""
    return [line for line, claim in _look_for_ready(context, plan) if not claim]


def never_ready(context: Context, plan: RestorePlan) -> list[str]:
    """Workloads of this plan that are not ready, and use a claim that gets no volume."""
    found = _look_for_ready(context, plan) if plan.unbound else ()
    return [f"{line}, and its claim {claim} gets no volume" for line, claim in found if claim]


def operators_not_ready(context: Context, plan: RestorePlan) -> list[str]:
    """Workloads that custom resources of this plan wait for, and that are not ready."""
    rules = {kind: rule for kind, rule in _READY.items() if rule is not _claim}
    found = _waiting(context, plan, rules, plan.request.operators)
    return [_line(one, reason) for one, _, reason in found]


def why_not_ready(kind: str, live: Json) -> str:
    """Why a live workload or claim is not ready; empty for one that is, and for other kinds."""
    rule = _READY.get(kind)
    return rule(live) if rule else ""


def _look(context: Context, plan: RestorePlan, rules: Mapping[str, _Rule]) -> list[str]:
    return [_line(one, reason) for one, _, reason in _waiting(context, plan, rules)]


def _line(item: PlanItem, reason: str) -> str:
    return f"{item.title} {reason}"


def _look_for_ready(context: Context, plan: RestorePlan) -> Iterator[tuple[str, str]]:
    """What is not ready, and the claim without a volume that keeps it from that, if it is so."""
    for item, live, reason in _waiting(context, plan, _READY):
        claims = [one for one in plan.unbound if one.startswith(f"{item.namespace}/")]
        mine = (one.partition("/")[2] for one in claims)
        stuck = next((c for c in mine if live and uses(item.kind, live, (c,))), "")
        yield _line(item, reason), stuck


def _waiting(
    context: Context,
    plan: RestorePlan,
    rules: Mapping[str, _Rule],
    spaces: tuple[str, ...] = EVERYWHERE,
) -> Iterator[tuple[PlanItem, Json | None, str]]:
    """What is not as it should be, as it is now, and why. `spaces` are globs of source
    namespaces."""
    by_kind: dict[Kind, list[PlanItem]] = {}
    for item in items_of(context.vault, plan, RESTORED):
        if item.kind.kind in rules and any_matches(spaces, item.source_namespace):
            by_kind.setdefault(item.kind, []).append(item)
    waiting = []
    for kind, items in by_kind.items():
        rule = rules[kind.kind]
        for item, live in _live(context.cluster, kind, items):
            reason = "is not there" if live is None else rule(live)
            if reason:
                waiting.append((item, live, reason))
    failed = failed_titles(context, plan) if waiting else set()
    return (one for one in waiting if one[0].title not in failed)


def _live(
    cluster: Cluster, kind: Kind, items: list[PlanItem]
) -> Iterator[tuple[PlanItem, Json | None]]:
    """Each item with what the target holds of it."""
    if len(items) <= _FEW:
        for item in items:
            try:
                yield item, cluster.get(kind, item.namespace or None, item.name)
            except NotFound:
                yield item, None
        return
    by_space: dict[str, dict[str, PlanItem]] = {}
    for item in items:
        by_space.setdefault(item.namespace, {})[item.name] = item
    for space, left in by_space.items():
        for page in cluster.list_pages(kind, namespace=space or None):
            for raw in page.items:
                live: Json = msgspec.json.decode(raw)
                item_of_it = left.pop(live["metadata"]["name"], None)
                if item_of_it is not None:
                    yield item_of_it, live
        yield from ((item, None) for item in left.values())


def _definition(live: Json) -> str:
    return "" if _condition(live, "Established") else "is not established"


def _namespace(live: Json) -> str:
    phase = live.get("status", {}).get("phase", "Active")
    return "" if phase == "Active" else f"is {phase}"


# What `kubectl rollout status` waits for (kubectl/pkg/polymorphichelpers/rollout_status.go): pods
# of what was before a change may be ready, too, and count for nothing.


def _deployment(live: Json) -> str:
    status, wanted = live.get("status", {}), live["spec"].get("replicas", 1)
    if live["spec"].get("paused"):  # it is not rolled out before somebody says so
        return _replicas(live)
    updated, there = status.get("updatedReplicas", 0), status.get("replicas", 0)
    return _unseen(live) or (
        _lacking(updated, wanted, "updated")
        or _lacking(updated, there, "updated, the others end")
        or _lacking(status.get("availableReplicas", 0), updated, "available")
    )


def _stateful_set(live: Json) -> str:
    spec, status = live["spec"], live.get("status", {})
    strategy, wanted = spec.get("updateStrategy") or {}, spec.get("replicas", 1)
    behind = _replicas(live)
    if behind or strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return behind
    kept = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    updated = status.get("updatedReplicas", 0)
    if status.get("updateRevision") == status.get("currentRevision"):
        return ""
    return _lacking(updated, max(wanted - kept, 0), "updated")


def _replicas(live: Json) -> str:
    ready = live.get("status", {}).get("readyReplicas", 0)
    return _unseen(live) or _lacking(ready, live["spec"].get("replicas", 1), "ready")


def _daemon_set(live: Json) -> str:
    spec, status = live["spec"], live.get("status", {})
    wanted = status.get("desiredNumberScheduled", 0)
    rolling = (spec.get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
    updated = status.get("updatedNumberScheduled", 0) if rolling else wanted
    return _unseen(live) or (
        _lacking(updated, wanted, "updated")
        or _lacking(status.get("numberReady", 0), wanted, "ready")
    )


def _unseen(live: Json) -> str:
    seen = live.get("status", {}).get("observedGeneration", 0)
    late = seen < live["metadata"].get("generation", 0)
    return "was not seen by its controller yet" if late else ""


def _lacking(number: int, wanted: int, what: str) -> str:
    return "" if number >= wanted else f"has {number} of {wanted} pods {what}"


def _pod(live: Json) -> str:
    if live.get("status", {}).get("phase") == "Succeeded" or _condition(live, "Ready"):
        return ""
    return f"is {live.get('status', {}).get('phase', 'unknown')}, not ready"


def _claim(live: Json) -> str:
    phase = live.get("status", {}).get("phase", "Pending")
    return "" if phase == "Bound" else f"is {phase}"


def _condition(live: Json, name: str) -> bool:
    conditions = live.get("status", {}).get("conditions") or []
    return any(c["type"] == name and c["status"] == "True" for c in conditions)


_READY: dict[str, _Rule] = {
    "Deployment": _deployment,
    "StatefulSet": _stateful_set,
    "ReplicaSet": _replicas,
    "ReplicationController": _replicas,
    "DaemonSet": _daemon_set,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
}
