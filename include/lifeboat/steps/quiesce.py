"""Stills workloads around the snapshots: scales them to zero, and back, whatever happens between.

The number of replicas to come back to lies on the workload itself, as an annotation, so that a thaw
needs no memory of the freeze: it works after any crash, from any place, twice.
"""

from __future__ import annotations

from lifeboat.clock import monotonic, pause
from lifeboat.errors import NotFound, NotReady, UsageError
from lifeboat.policy.hooks import Scale
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.steps.context import Context

REPLICAS_ANNOTATION = "lifeboat.dev/replicas-before-quiesce"

_KINDS = {
    "deployment": Kind("apps", "v1", "deployments", "Deployment", namespaced=True),
    "statefulset": Kind("apps", "v1", "statefulsets", "StatefulSet", namespaced=True),
}
_POLL_SECONDS = 0.3


def quiesce(context: Context) -> list[str]:
    """Scale every workload the policy names to zero and wait until its pods are gone.

    Returns what was stilled. Raises NotReady when pods outlive the hook's timeout, UsageError when
    a workload does not exist; the caller thaws in either case.
    """
    hooks = _scales(context)
    for hook in hooks:
        _freeze(context.cluster, hook)
    for hook in hooks:
        _wait_still(context.cluster, hook)
    return [_title(hook) for hook in hooks]


def unquiesce(context: Context) -> list[str]:
    """Scale back whatever still carries the annotation of a freeze; returns what was thawed."""
    return [_title(hook) for hook in _scales(context) if _thaw(context.cluster, hook)]


def _scales(context: Context) -> list[Scale]:
    return [hook.scale for hook in context.instance.policy.hooks if hook.scale]


def _freeze(cluster: Cluster, hook: Scale) -> None:
    live = _get(cluster, hook)
    if live is None:
        raise UsageError(
            f"hook: {_title(hook)} does not exist",
            hint="remove the hook from the policy, or correct its workload",
        )
    annotations = live["metadata"].get("annotations", {})
    if REPLICAS_ANNOTATION in annotations:
        return  # an earlier attempt froze it; its number is the true one
    replicas = str(live["spec"].get("replicas", 1))
    _patch(cluster, hook, replicas=0, annotation=replicas)


def _thaw(cluster: Cluster, hook: Scale) -> bool:
    live = _get(cluster, hook)
    annotations = live["metadata"].get("annotations", {}) if live else {}
    if REPLICAS_ANNOTATION not in annotations:
        return False
    _patch(cluster, hook, replicas=int(annotations[REPLICAS_ANNOTATION]), annotation=None)
    return True


def _wait_still(cluster: Cluster, hook: Scale) -> None:
    deadline = monotonic() + hook.timeout.total_seconds()
    while True:
        live = _get(cluster, hook)
        status = live.get("status", {}) if live else {}
        if not status.get("replicas"):
            return
        if monotonic() > deadline:
            raise NotReady(f"hook: {_title(hook)} still has {status['replicas']} pods")
        pause(_POLL_SECONDS)


def _patch(cluster: Cluster, hook: Scale, *, replicas: int, annotation: str | None) -> None:
    kind, name = _parse(hook)
    body: Json = {
        "metadata": {"annotations": {REPLICAS_ANNOTATION: annotation}},
        "spec": {"replicas": replicas},
    }
    cluster.patch(kind, hook.namespace, name, body)


def _get(cluster: Cluster, hook: Scale) -> Json | None:
    kind, name = _parse(hook)
    try:
        return cluster.get(kind, hook.namespace, name)
    except NotFound:
        return None


def _parse(hook: Scale) -> tuple[Kind, str]:
    kind, _, name = hook.workload.partition("/")
    return _KINDS[kind], name


def _title(hook: Scale) -> str:
    return f"{hook.workload} in {hook.namespace}"
