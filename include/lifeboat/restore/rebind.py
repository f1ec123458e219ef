"""Binds volumes that a person made to their restored claims again.

A volume remembers its claim by uid, and that of a restored one is new: the volume would stay
`Released`, and the claim wait for ever (kubernetes.io, "Persistent Volumes", "Reclaiming").
"""

from __future__ import annotations

from lifeboat.errors import LifeboatError, NotFound
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.restore.model import Rebind, RestorePlan, VolumeOutcome
from lifeboat.steps.context import Context

_CLAIM = Kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True)
_VOLUME = Kind("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
_BOUND_BY = "pv.kubernetes.io/bound-by-controller"


def rebind(context: Context, plan: RestorePlan) -> list[VolumeOutcome]:
    """Reserve every volume for its claim, which comes later; doing it twice is doing it once. What
    cannot be done is told; raises what is retryable."""
    failed = []
    for one in plan.rebinds:
        try:
            why = _reserve(context.cluster, one)
        except NotFound:
            why = f"its volume {one.volume} is gone since the plan was made: plan again"
        except LifeboatError as error:
            if error.retryable:
                raise
            why = f"its volume {one.volume} could not be bound to it: {error.message}"
        if why:
            failed.append(VolumeOutcome(f"{one.namespace}/{one.claim}", error=why))
    return failed


def _reserve(cluster: Cluster, one: Rebind) -> str:
    """Why the volume is somebody else's by now; empty when the claim is going to have it."""
    live = cluster.get(_VOLUME, None, one.volume)
    owner = live["spec"].get("claimRef") or {}
    if owner and (owner["namespace"], owner["name"]) != (one.namespace, one.claim):
        return f"its volume {one.volume} went to {owner['namespace']}/{owner['name']}: plan again"
    if not owner or (owner.get("uid") and owner["uid"] != _uid(cluster, one)):
        reference: Json = {
            "apiVersion": _CLAIM.api_version,
            "kind": _CLAIM.kind,
            "namespace": one.namespace,
            "name": one.claim,
            "uid": None,
            "resourceVersion": None,
        }
        mark = {"annotations": {_BOUND_BY: None}}
        body = {"metadata": mark, "spec": {"claimRef": reference}}
        cluster.patch(_VOLUME, None, one.volume, body)
    return ""


def _uid(cluster: Cluster, one: Rebind) -> str:
    try:
        return str(cluster.get(_CLAIM, one.namespace, one.claim)["metadata"]["uid"])
    except NotFound:
        return ""
