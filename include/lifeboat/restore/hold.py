"""Holds workloads so that they are there and do not run, and lets them go: for a standby cluster,
and for a primary that was taken over from.

What to come back to is written on the object itself (`marks.HELD`), so that a failover needs no
other record, and a hand with kubectl none of us. Held twice is held once. Autoscalers need nothing:
a HorizontalPodAutoscaler leaves a workload at zero replicas alone
(kubernetes/pkg/controller/podautoscaler/horizontal.go, "ScalingDisabled").
"""

from __future__ import annotations

from typing import Any, Literal

from lifeboat.ports.cluster import Json
from lifeboat.ports.marks import HELD

Hold = Literal["", "jobs", "all"]
"""What a restore holds: nothing, what ends by itself, everything that runs."""

_REPLICAS = (
    "Deployment.apps",
    "StatefulSet.apps",
    "ReplicaSet.apps",
    "ReplicationController",
)
_SUSPEND = ("CronJob.batch", "Job.batch")
_DAEMONS = "DaemonSet.apps"
_POD = "Pod"

HELD_FIRST = "StatefulSet.apps"
HELD_KINDS = (HELD_FIRST, *_REPLICAS[:1], *_REPLICAS[2:], _DAEMONS, _POD, *_SUSPEND)
"""In the order in which they are let go: what others wait for first, what acts by itself last."""


def hold(body: Json, group_kind: str, wanted: Hold) -> list[str]:
    """Change an object that is about to be made; a sentence for what changed. One that was held
    when it was captured stays held, with what it had before."""
    spec = body.get("spec")
    if not isinstance(spec, dict) or not wanted:
        return []
    if group_kind not in _SUSPEND and (wanted == "jobs" or group_kind not in HELD_KINDS):
        return []
    annotations = body["metadata"].setdefault("annotations", {})
    held = annotations.get(HELD) or _remembered(group_kind, spec)
    annotations[HELD] = held
    if group_kind in _REPLICAS:
        spec["replicas"] = 0
    elif group_kind in _SUSPEND:
        spec["suspend"] = True
    elif group_kind == _DAEMONS:
        pod = spec.setdefault("template", {}).setdefault("spec", {})
        pod["nodeSelector"] = {**(pod.get("nodeSelector") or {}), HELD: "true"}
    elif not any(gate["name"] == HELD for gate in spec.get("schedulingGates") or ()):
        spec["schedulingGates"] = [*(spec.get("schedulingGates") or ()), {"name": HELD}]
    return [f"held until a failover: {held}"]


def is_held(live: Json) -> bool:
    """Whether an object carries what it is to come back to."""
    return HELD in (live["metadata"].get("annotations") or {})


def hold_patch(live: Json, group_kind: str) -> Json | None:
    """The merge patch that holds a live object; None when it is held, or cannot be: a pod that was
    not born with a gate gets none."""
    if is_held(live) or group_kind == _POD:
        return None
    spec = live.get("spec") or {}
    change: Json = {"template": {"spec": {"nodeSelector": {HELD: "true"}}}}
    if group_kind in _REPLICAS:
        change = {"replicas": 0}
    elif group_kind in _SUSPEND:
        change = {"suspend": True}
    return _patch(_remembered(group_kind, spec), change)


def release_patch(live: Json, group_kind: str) -> Json | None:
    """The merge patch that lets a held object go; None when it is not held, or nobody can tell what
    it had."""
    if not is_held(live):
        return None
    what, _, had = live["metadata"]["annotations"][HELD].partition("=")
    if what == "replicas" and had.isdigit():
        return _patch(None, {"replicas": int(had)})
    if what == "suspend":
        return _patch(None, {"suspend": had == "true"})
    if what == "nodes" and group_kind == _DAEMONS:
        return _patch(None, {"template": {"spec": {"nodeSelector": {HELD: None}}}})
    if what == "gate" and group_kind == _POD:
        gates = (live.get("spec") or {}).get("schedulingGates") or ()
        return _patch(None, {"schedulingGates": [g for g in gates if g["name"] != HELD]})
    return None


def _remembered(group_kind: str, spec: dict[str, Any]) -> str:
    if group_kind in _REPLICAS:
        return f"replicas={spec.get('replicas', 1)}"
    if group_kind in _SUSPEND:
        return f"suspend={'true' if spec.get('suspend') else 'false'}"
    return "nodes" if group_kind == _DAEMONS else "gate"


def _patch(held: str | None, spec: Json) -> Json:
    return {"metadata": {"annotations": {HELD: held}}, "spec": spec}
