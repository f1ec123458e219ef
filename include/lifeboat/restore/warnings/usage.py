"""What an object takes of a ResourceQuota, by the names that quotas use.

Source: kubernetes/pkg/quota/v1/evaluator/core (pods, services, claims) and generic (`count/…`). A
workload takes what its pods will take: they are made by a controller, one after the other, and the
last ones would silently be missing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from lifeboat.ports.cluster import Kind

_NAMED = {
    "Service": "services",
    "Secret": "secrets",
    "ConfigMap": "configmaps",
    "ReplicationController": "replicationcontrollers",
    "ResourceQuota": "resourcequotas",
    "PersistentVolumeClaim": "persistentvolumeclaims",
}
_REPLICATED = ("Deployment.apps", "StatefulSet.apps", "ReplicaSet.apps", "ReplicationController")


def usage(kind: Kind, spec: dict[str, Any]) -> Counter[str]:
    """Amounts by a quota's resource names: numbers of objects, bytes, and thousandths of a core."""
    found: Counter[str] = Counter({f"count/{kind.resource}": 1})
    named = _NAMED.get(kind.group_kind)
    if named:
        found[named] += 1
    if kind.group_kind == "Service" and spec.get("type") in ("LoadBalancer", "NodePort"):
        found["services.nodeports"] += len(spec.get("ports") or [])
        found["services.loadbalancers"] += spec["type"] == "LoadBalancer"
    if kind.group_kind == "PersistentVolumeClaim":
        _add_claim(found, spec)
    replicas = 1 if kind.group_kind == "Pod" else 0
    if kind.group_kind in _REPLICATED:
        replicas = spec.get("replicas", 1)
        spec = (spec.get("template") or {}).get("spec") or {}
    if replicas:
        _add_pods(found, spec, replicas)
    return found


def amount(resource: str, text: str) -> int:
    """A quantity in the unit that `usage` counts its resource in."""
    return _millis(text) if resource.endswith("cpu") else _whole(text)


def _add_claim(found: Counter[str], spec: dict[str, Any]) -> None:
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    names = ["requests.storage"]
    storage_class = spec.get("storageClassName")
    if storage_class:
        of_class = f"{storage_class}.storageclass.storage.k8s.io"
        found[f"{of_class}/persistentvolumeclaims"] += 1
        names.append(f"{of_class}/requests.storage")
    for name in names:
        found[name] += _whole(size) if size else 0


def _add_pods(found: Counter[str], spec: dict[str, Any], replicas: int) -> None:
    found["pods"] += replicas
    found["count/pods"] += replicas
    for container in spec.get("containers") or []:
        resources = container.get("resources") or {}
        for side in ("requests", "limits"):
            for what in ("cpu", "memory"):
                # A container that limits and requests nothing requests its limit.
                text = (resources.get(side) or {}).get(what)
                if text is None and side == "requests":
                    text = (resources.get("limits") or {}).get(what)
                if text is not None:
                    taken = amount(what, str(text)) * replicas
                    found[f"{side}.{what}"] += taken
                    if side == "requests":
                        found[what] += taken


def _millis(text: str) -> int:
    return int(float(text[:-1])) if text.endswith("m") else _whole(text, 1000)


def _whole(text: str, times: int = 1) -> int:
    from lifeboat.ports.quantity import parse_quantity

    if text.endswith("m"):  # thousandths of a byte or an object: API servers accept and print them
        return -int(-float(text[:-1]) * times // 1000)
    if times != 1 and text.replace(".", "", 1).isdigit():
        return int(float(text) * times)
    return parse_quantity(text) * times
