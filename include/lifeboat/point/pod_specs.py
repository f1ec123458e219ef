"""Where the pod's spec lies in each kind of workload of Kubernetes itself."""

from __future__ import annotations

from typing import Any

from lifeboat.ports.cluster import Json

POD_SPECS: dict[str, tuple[str, ...]] = {
    "Pod": ("spec",),
    "PodTemplate": ("template", "spec"),
    "ReplicationController": ("spec", "template", "spec"),
    "Deployment.apps": ("spec", "template", "spec"),
    "ReplicaSet.apps": ("spec", "template", "spec"),
    "StatefulSet.apps": ("spec", "template", "spec"),
    "DaemonSet.apps": ("spec", "template", "spec"),
    "Job.batch": ("spec", "template", "spec"),
    "CronJob.batch": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""By kind, the steps from the object to the spec; custom resources are not looked into."""

CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def pod_spec(body: Json, group_kind: str) -> Json:
    """The spec of the object's pods, to be read or changed in place; an empty one where the kind
    has no pods."""
    return at(body, POD_SPECS[group_kind]) if group_kind in POD_SPECS else {}


def pod_metadata(body: Json, group_kind: str) -> Json:
    """The metadata that the object's pods get; an empty one where the kind has no pods."""
    if group_kind not in POD_SPECS:
        return {}
    return at(body, (*POD_SPECS[group_kind][:-1], "metadata"))


def at(body: Any, steps: tuple[str, ...]) -> Json:
    """The object at the end of the steps; an empty one where one is missing."""
    for step in steps:
        body = body.get(step) or {}
    found: Json = body
    return found
