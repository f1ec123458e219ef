"""What a restore waits for: definitions established, namespaces active, workloads ready.

Each function is one look and names what is not there yet, with the reason; none of them waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lifeboat.errors import NotFound
from lifeboat.ports.cluster import Cluster, Json
from lifeboat.restore.model import RestorePlan

_Rule = Callable[[Json], str]


def not_established(target: Cluster, plan: RestorePlan) -> list[str]:
    """Definitions of this plan that the API server does not serve yet."""
    return _look(target, plan, {"CustomResourceDefinition": _definition})


def not_active(target: Cluster, plan: RestorePlan) -> list[str]:
    """Namespaces of this plan that are not Active (one of the same name may be ending)."""
    return _look(target, plan, {"Namespace": _namespace})


def not_ready(target: Cluster, plan: RestorePlan) -> list[str]:
    """Workloads and claims of this plan that are not ready or bound."""
    return _look(target, plan, _READY)


def _look(target: Cluster, plan: RestorePlan, rules: Mapping[str, _Rule]) -> list[str]:
    waiting = []
    for item in plan.items:
        rule = rules.get(item.kind.kind)
        if rule is None or item.action not in ("create", "merge"):
            continue
        try:
            reason = rule(target.get(item.kind, item.namespace or None, item.name))
        except NotFound:
            reason = "is not there"
        if reason:
            waiting.append(f"{item.title} {reason}")
    return waiting


def _definition(live: Json) -> str:
    return "" if _condition(live, "Established") else "is not established"


def _namespace(live: Json) -> str:
    phase = live.get("status", {}).get("phase", "Active")
    return "" if phase == "Active" else f"is {phase}"


def _replicas(live: Json) -> str:
    status, wanted = live.get("status", {}), live["spec"].get("replicas", 1)
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return "was not seen by its controller yet"
    ready = status.get("readyReplicas", 0)
    return "" if ready >= wanted else f"has {ready} of {wanted} pods ready"


def _daemon_set(live: Json) -> str:
    status = live.get("status", {})
    if status.get("observedGeneration", 0) < live["metadata"].get("generation", 0):
        return "was not seen by its controller yet"
    wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    return "" if ready >= wanted else f"has {ready} of {wanted} pods ready"


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
    "Deployment": _replicas,
    "StatefulSet": _replicas,
    "ReplicaSet": _replicas,
    "DaemonSet": _daemon_set,
    "Pod": _pod,
    "PersistentVolumeClaim": _claim,
}
