"""Who brings an object back besides a point: Helm, Argo CD, Flux, or the workload that made it."""

from __future__ import annotations

from collections.abc import Callable, Collection

import msgspec

from lifeboat.policy.owners import MARKS, comes_back, owner_of

Whose = Callable[[bytes], str]

# Made anew by their workload, whether that comes from the point or from a tool. Captured without
# it, they would be restored as orphans beside the ones that it makes.
_CHILDREN = ("Pod", "ReplicaSet.apps", "Job.batch", "ControllerRevision.apps")
_WORKLOADS = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"})
THEIR_WORKLOADS = "their workloads"


class _Reference(msgspec.Struct):
    kind: str = ""
    controller: bool | None = None


class _Meta(msgspec.Struct, rename="camel"):
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[_Reference] | None = None


class _Object(msgspec.Struct):
    metadata: _Meta


_metadata = msgspec.json.Decoder(_Object).decode


def bringer(group_kind: str, tools: Collection[str]) -> Whose | None:
    """Tells of the record of an object of this kind who of `tools` brings it back, "" for nobody;
    None where nobody brings any object of the kind. Decodes only what has a mark."""
    if not tools or not comes_back(group_kind):
        return None
    child = group_kind in _CHILDREN

    def whose(content: bytes) -> str:
        if not child and not any(mark in content for mark in MARKS):
            return ""
        metadata = _metadata(content).metadata
        references = metadata.owner_references or ()
        # First, since a Deployment hands its annotations on to its ReplicaSets, marks and all.
        if child and any(r.controller and r.kind in _WORKLOADS for r in references):
            return THEIR_WORKLOADS
        owner = owner_of(metadata.labels or {}, metadata.annotations or {})
        return str(owner) if owner is not None and owner.tool in tools else ""

    return whose
