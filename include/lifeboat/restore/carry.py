"""The body that replaces a live object: the point's, with what only the live one can know.

A PUT says all of an object, so what the server or a controller gave the live one must be said
again, or it is refused or taken away (kubernetes/pkg/registry/*/strategy.go, ValidateUpdate).
"""

from __future__ import annotations

import copy
from typing import Any

from lifeboat.ports.cluster import Json
from lifeboat.report.kept import is_kept_annotation

_METADATA = ("ownerReferences", "finalizers", "resourceVersion", "uid")

# What the server or the scheduler filled in at creation, and what no update may change.
_SPEC = {
    "Service": ("clusterIP", "clusterIPs", "healthCheckNodePort"),
    "PersistentVolumeClaim": ("volumeName", "dataSource", "dataSourceRef"),
    "Pod": ("nodeName",),
    "Job": ("selector",),
}


def carried(body: Json, live: Json) -> Json:
    """A new body for a PUT; it carries the live resourceVersion, so that the server refuses it
    once the object has moved on."""
    made = copy.deepcopy(body)
    for name in _METADATA:
        made["metadata"].pop(name, None)
        if name in live["metadata"]:
            made["metadata"][name] = live["metadata"][name]
    kept = {n: t for n, t in _annotations(live).items() if is_kept_annotation(n)}
    if kept:
        made["metadata"]["annotations"] = {**kept, **_annotations(made)}
    if made.get("aggregationRule"):
        made["rules"] = live.get("rules")
    spec, live_spec = made.get("spec"), live.get("spec")
    if isinstance(spec, dict) and isinstance(live_spec, dict):
        for name in _SPEC.get(made["kind"], ()):
            if name in live_spec and spec.get(name) is None:
                spec[name] = live_spec[name]
        if made["kind"] == "Job":
            _controller_labels(spec, live)
        if made["kind"] == "Service":
            _node_ports(spec, live_spec)
    return made


def merge_body(body: Json) -> Json:
    """What a merge sends: a JSON merge patch needs no version and no kind."""
    return {name: value for name, value in body.items() if name not in ("apiVersion", "kind")}


def _annotations(body: Json) -> dict[str, str]:
    return body["metadata"].get("annotations") or {}


def _controller_labels(spec: dict[str, Any], live: Json) -> None:
    """The labels by which a Job knows its pods: they hold its own name and uid."""
    own = (live["metadata"]["name"], live["metadata"].get("uid"))
    template = live["spec"].get("template", {}).get("metadata", {}).get("labels") or {}
    labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    labels.update({key: text for key, text in template.items() if text in own})


def _node_ports(spec: dict[str, Any], live_spec: dict[str, Any]) -> None:
    """Ports keep the node ports that the server assigned."""
    if spec.get("type", "ClusterIP") == "ClusterIP":
        return
    known = {(p.get("name"), p["port"]): p.get("nodePort") for p in live_spec.get("ports") or []}
    for port in spec.get("ports") or []:
        assigned = known.get((port.get("name"), port["port"]))
        if assigned:
            port.setdefault("nodePort", assigned)
