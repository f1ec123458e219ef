"""Containers that restored pods begin with: the policy's, and those that pods ask for themselves.

Velero adds them to pods; here a pod that a controller makes is left to it, so they come into the
controller's template. One of this name that is there already stays: the point may be of a restored
workload.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from lifeboat.point.pod_specs import POD_SPECS, pod_metadata, pod_spec
from lifeboat.policy import selectors
from lifeboat.policy.annotated import init_container
from lifeboat.policy.restore_hooks import RestoreHooks
from lifeboat.ports.cluster import Json

# Of these, pods come later, and not from the restore.
_LATER = ("CronJob.batch", "PodTemplate")


def add_init_containers(
    hooks: RestoreHooks, body: Json, group_kind: str, namespace: str
) -> list[str]:
    """Changes the object in place; a sentence for each container. `namespace` is where it was
    captured."""
    if group_kind not in POD_SPECS or group_kind in _LATER:
        return []
    spec = pod_spec(body, group_kind)
    there = {container.get("name") for container in spec.get("initContainers") or ()}
    added, changes = [], []
    for asked_by, container in _wanted(hooks, body, group_kind, namespace):
        if container["name"] not in there:
            there.add(container["name"])
            added.append(copy.deepcopy(container))
            changes.append(f"init container {container['name']} added, asked for by {asked_by}")
    if added:
        spec["initContainers"] = [*added, *(spec.get("initContainers") or ())]
    return changes


def _wanted(
    hooks: RestoreHooks, body: Json, group_kind: str, namespace: str
) -> Iterator[tuple[str, Json]]:
    metadata = pod_metadata(body, group_kind)
    for one in hooks.init:
        labels = metadata.get("labels") or {}
        if one.namespace == namespace and selectors.parse(one.labels).matches(labels):
            yield from (("the policy", container) for container in one.containers)
    if hooks.annotations:
        asked = init_container(metadata.get("annotations") or {})
        if asked:
            yield "its annotations", asked
