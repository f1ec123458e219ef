"""Hooks that stop a workload: its replicas go to zero, and back.

The number to come back to lies in the record of the freeze and, written together with the zero, as
an annotation on the workload itself, with who holds it: two freezes never take the zero of the
other for the true number, and a retry never its own.
"""

from __future__ import annotations

from typing import NamedTuple

from lifeboat.clock import monotonic, pause
from lifeboat.errors import HookFailed, NotFound, NotReady
from lifeboat.policy.hooks import Scale
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.steps.hook_record import ScaleAction

REPLICAS_ANNOTATION = "lifeboat.dev/replicas-before-quiesce"
"""`<replicas> <instance>/<point>`: what it had, and who holds it at zero."""

_KINDS = {
    "deployment": Kind("apps", "v1", "deployments", "Deployment", namespaced=True),
    "statefulset": Kind("apps", "v1", "statefulsets", "StatefulSet", namespaced=True),
}
_POLL_SECONDS = 0.3


class _Mark(NamedTuple):
    replicas: int
    holder: str


def plan_scale(cluster: Cluster, hook: Scale) -> ScaleAction:
    """What is to be recorded before the workload is touched. Raises HookFailed when it does not
    exist."""
    kind, _, name = hook.workload.partition("/")
    action = ScaleAction(hook.namespace, kind, name, 0, hook.timeout.total_seconds())
    live = _get(cluster, action)
    if live is None:
        raise HookFailed(
            f"hook: {action.title} does not exist",
            hint="remove the hook from the policy, or correct its workload",
        )
    mark = _mark(live)
    replicas = mark.replicas if mark else _replicas(live)
    return ScaleAction(hook.namespace, kind, name, replicas, action.seconds)


def stop(cluster: Cluster, action: ScaleAction, holder: str, seconds: float) -> str:
    """Scale to zero and wait until the pods are gone; `holder` is `<instance>/<point>`. Returns
    what is wrong, empty when it stands still.

    Raises NotReady while another run holds the workload.
    """
    live = _get(cluster, action)
    if live is None:
        return f"{action.title} does not exist"
    mark = _mark(live)
    if mark and mark.holder not in ("", holder):
        raise NotReady(
            f"{action.title} is held at zero by {mark.holder}",
            hint=f"if that run is dead: lifeboat thaw {mark.holder.rpartition('/')[0]}",
        )
    if mark is None:
        _patch(cluster, action, replicas=0, mark=f"{_replicas(live)} {holder}")
    return _wait_still(cluster, action, seconds)


def start(cluster: Cluster, action: ScaleAction, holder: str) -> str:
    """Scale back; returns what was wrong with the stillness, empty for nothing. Safe to repeat."""
    live = _get(cluster, action)
    if live is None:
        return ""
    mark, now = _mark(live), _replicas(live)
    if mark and mark.holder not in ("", holder):
        return ""  # another run has it: it brings it back
    if now == 0:
        _patch(cluster, action, replicas=mark.replicas if mark else action.replicas, mark=None)
        return ""
    if mark:
        _patch(cluster, action, replicas=now, mark=None)
    elif now == action.replicas:
        return ""  # brought back by an earlier try
    return f"{action.title} was scaled to {now} by somebody else while it had to stand still"


def _wait_still(cluster: Cluster, action: ScaleAction, seconds: float) -> str:
    deadline = monotonic() + seconds
    while True:
        live = _get(cluster, action)
        status = live.get("status", {}) if live else {}
        if not status.get("replicas"):
            return ""
        if monotonic() > deadline:
            return f"{action.title} still has {status['replicas']} pods after {seconds:g} s"
        pause(_POLL_SECONDS)


def _mark(live: Json) -> _Mark | None:
    text = (live["metadata"].get("annotations") or {}).get(REPLICAS_ANNOTATION, "")
    replicas, _, holder = text.partition(" ")
    return _Mark(int(replicas), holder) if replicas.isdigit() else None


def _replicas(live: Json) -> int:
    return int(live["spec"].get("replicas", 1))


def _patch(cluster: Cluster, action: ScaleAction, *, replicas: int, mark: str | None) -> None:
    body: Json = {
        "metadata": {"annotations": {REPLICAS_ANNOTATION: mark}},
        "spec": {"replicas": replicas},
    }
    cluster.patch(_KINDS[action.kind], action.namespace, action.name, body)


def _get(cluster: Cluster, action: ScaleAction) -> Json | None:
    try:
        return cluster.get(_KINDS[action.kind], action.namespace, action.name)
    except NotFound:
        return None
