"""Classes of which a cluster has one default: what is restored does not take that place from
another one.

A second default PriorityClass is refused by the API server, a second default IngressClass has it
refuse Ingresses that name none, and of two default StorageClasses the younger one wins
(kubernetes.io, "Pod Priority", "Ingress", "Storage Classes").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from lifeboat.errors import LifeboatError
from lifeboat.ports.cluster import Cluster, Json, Kind

_ANNOTATIONS = {
    "StorageClass.storage.k8s.io": "storageclass.kubernetes.io/is-default-class",
    "IngressClass.networking.k8s.io": "ingressclass.kubernetes.io/is-default-class",
}
_PRIORITY = "PriorityClass.scheduling.k8s.io"


def defaults_of(cluster: Cluster, kinds: Iterable[Kind]) -> dict[str, str]:
    """The name of the default of each of these kinds that has one in the target. A kind that may
    not be listed counts as without; raises what is retryable."""
    found = {}
    for kind in kinds:
        if kind.group_kind != _PRIORITY and kind.group_kind not in _ANNOTATIONS:
            continue
        try:
            for page in cluster.list_pages(kind):
                for raw in page.items:
                    live: Json = msgspec.json.decode(raw)
                    if _is_default(kind, live):
                        found[kind.group_kind] = live["metadata"]["name"]
        except LifeboatError as error:
            if error.retryable:
                raise
    return found


def give_way(kind: Kind, body: Json, defaults: Mapping[str, str]) -> list[str]:
    """Makes a class an ordinary one where the target has another default, and says so."""
    holder = defaults.get(kind.group_kind, "")
    if not holder or holder == body["metadata"]["name"] or not _is_default(kind, body):
        return []
    if kind.group_kind == _PRIORITY:
        del body["globalDefault"]
    else:
        del body["metadata"]["annotations"][_ANNOTATIONS[kind.group_kind]]
    return [f"is not the default any more: {holder} is it here"]


def make_ordinary(body: Json) -> list[str]:
    """Makes a class that nobody has to know of an ordinary one, and says so."""
    annotations = body["metadata"].get("annotations") or {}
    marked = [name for name in annotations if name.endswith("/is-default-class")]
    for name in marked:
        del annotations[name]
    priority = body["kind"] == "PriorityClass" and body.pop("globalDefault", False)
    return ["is no default: others would get it, too"] if marked or priority else []


def _is_default(kind: Kind, body: Json) -> bool:
    if kind.group_kind == _PRIORITY:
        return bool(body.get("globalDefault"))
    annotations = body["metadata"].get("annotations") or {}
    return annotations.get(_ANNOTATIONS[kind.group_kind]) == "true"
