"""What a test restore changes in an object beyond what any restore changes: nothing of it may act
outside the scratch namespace, and it may have to be small.

docs/testing-restores.md lists these rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from lifeboat.point.pod_specs import CONTAINERS
from lifeboat.ports.cluster import Json

_SHARED_WITH_NODE = {
    "hostNetwork": "no network policy holds for a pod in its node's network",
    "hostPID": "the processes of the node are none of its business",
    "hostIPC": "the shared memory of the node is none of its business",
}
_WORKLOADS = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController", "DaemonSet")


def make_harmless(body: Json, scale: int | None, node_selector: Mapping[str, str]) -> list[str]:
    """Changes the object; returns a sentence for each change. `scale` None: replicas stay."""
    rule = _RULES.get(body["kind"])
    changes = list(rule(body)) if rule else []
    if scale is not None:
        changes += _scale(body, scale)
    pod = _pod_of(body)
    if pod is not None:
        changes += _off_the_node(pod)
    if pod is not None and node_selector:
        pod["nodeSelector"] = {**(pod.get("nodeSelector") or {}), **node_selector}
        pins = ", ".join(f"{name}={value}" for name, value in sorted(node_selector.items()))
        changes.append(f"pinned to nodes with {pins}")
    return changes


def _service(body: Json) -> Iterator[str]:
    spec = body["spec"]
    if spec.get("type") == "ExternalName":
        yield f"no name for {spec.pop('externalName', '')}: nothing outside may be reached"
        spec["type"], spec["clusterIP"] = "ClusterIP", "None"
        spec.pop("selector", None)
    for name in ("externalIPs", "loadBalancerIP", "loadBalancerSourceRanges"):
        if spec.pop(name, None):
            yield f"{name} dropped: nothing outside may reach it"


_RULES: dict[str, Callable[[Json], Iterator[str]]] = {"Service": _service}


def _scale(body: Json, scale: int) -> Iterator[str]:
    spec = body.get("spec") or {}
    if body["kind"] in _WORKLOADS and body["kind"] != "DaemonSet":
        replicas = spec.get("replicas", 1)
        if replicas > scale:
            spec["replicas"] = scale
            yield f"{replicas} replicas became {scale}"
    if body["kind"] == "HorizontalPodAutoscaler":
        most = max(1, scale)
        if spec.get("maxReplicas", 1) > most:
            yield f"at most {spec['maxReplicas']} replicas became {most}"
            spec["maxReplicas"] = most
            spec["minReplicas"] = min(spec.get("minReplicas", 1), most)


def _off_the_node(pod: Json) -> Iterator[str]:
    """In its node's network a pod passes every network policy, and a port of the node is a door to
    it that no Service has."""
    for name, what in _SHARED_WITH_NODE.items():
        if pod.pop(name, None):
            yield f"{name} off: {what}"
    opened = [
        port
        for held in CONTAINERS
        for container in pod.get(held) or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]
    for port in opened:
        port.pop("hostIP", None)
    if opened:
        numbers = ", ".join(str(port.pop("hostPort")) for port in opened)
        yield f"host ports {numbers} dropped: nothing outside may reach it"


def _pod_of(body: Json) -> Json | None:
    """The pod's spec that a workload makes pods from, also one of a custom kind, or the pod's
    own."""
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return None
    if body["kind"] == "Pod":
        return spec or None
    if body["kind"] == "CronJob":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    template = spec.get("template")
    found = template.get("spec") if isinstance(template, dict) else None
    known = body["kind"] in (*_WORKLOADS, "Job", "CronJob")
    return found if isinstance(found, dict) and (known or "containers" in found) else None
