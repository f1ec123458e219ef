"""The body that replaces a live object: the point's, with what only the live one can know.

A PUT says all of an object, so what the server or a controller gave the live one must be said
again, or it is refused or taken away (kubernetes/pkg/registry/*/strategy.go, ValidateUpdate).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from lifeboat.ports.cluster import Json
from lifeboat.report.kept import TOKEN_VOLUME, is_kept_annotation

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
        own_rule = _RULES.get(made["kind"])
        if own_rule is not None:
            own_rule(spec, live)
    return made


def without_addresses(service: Json) -> Json:
    """A Service that asks for none of the addresses and node ports that there is one of."""
    made = copy.deepcopy(service)
    spec = made["spec"]
    if spec.get("clusterIP") != "None":
        for name in _SPEC["Service"]:
            spec.pop(name, None)
    for port in spec.get("ports") or ():
        port.pop("nodePort", None)
    return made


def merge_body(body: Json, live: Json) -> Json:
    """What a merge sends: a JSON merge patch needs no version and no kind. Its lists are whole
    ones, so those of a Pod say again what admission put in. A null would delete (RFC 7396): a field
    that is null in the point is not said at all."""
    sent = {
        name: _without_nulls(value)
        for name, value in body.items()
        if name not in ("apiVersion", "kind")
    }
    if body["kind"] == "Pod":
        sent["spec"] = copy.deepcopy(body["spec"])
        _admitted(sent["spec"], live)
    return sent


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(one) for name, one in value.items() if one is not None}


def _annotations(body: Json) -> dict[str, str]:
    return body["metadata"].get("annotations") or {}


def _controller_labels(spec: dict[str, Any], live: Json) -> None:
    """The labels by which a Job knows its pods: they hold its own name and uid."""
    own = (live["metadata"]["name"], live["metadata"].get("uid"))
    template = live["spec"].get("template", {}).get("metadata", {}).get("labels") or {}
    labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    labels.update({key: text for key, text in template.items() if text in own})


def _admitted(spec: dict[str, Any], live: Json) -> None:
    """What admission gave a Pod, and no update may take away: its priority and its token
    (kubernetes/plugin/pkg/admission/priority, …/serviceaccount)."""
    live_spec = live["spec"]
    for name in ("priority", "preemptionPolicy", "priorityClassName"):
        if name in live_spec:
            spec.setdefault(name, live_spec[name])
    tokens = [v for v in live_spec.get("volumes") or () if v["name"].startswith(TOKEN_VOLUME)]
    if not tokens:
        return
    spec["volumes"] = [*(spec.get("volumes") or ()), *tokens]
    names = {volume["name"] for volume in tokens}
    for list_name in ("containers", "initContainers"):
        given = {c["name"]: c.get("volumeMounts") or () for c in live_spec.get(list_name) or ()}
        for container in spec.get(list_name) or ():
            mounts = [m for m in given.get(container["name"], ()) if m["name"] in names]
            if mounts:
                container["volumeMounts"] = [*(container.get("volumeMounts") or ()), *mounts]


def _node_ports(spec: dict[str, Any], live: Json) -> None:
    """Ports keep the node ports that the server assigned."""
    live_spec = live["spec"]
    if spec.get("type", "ClusterIP") == "ClusterIP":
        return
    known = {(p.get("name"), p["port"]): p.get("nodePort") for p in live_spec.get("ports") or []}
    for port in spec.get("ports") or []:
        assigned = known.get((port.get("name"), port["port"]))
        if assigned:
            port.setdefault("nodePort", assigned)


_RULES: dict[str, Callable[[dict[str, Any], Json], None]] = {
    "Job": _controller_labels,
    "Pod": _admitted,
    "Service": _node_ports,
}
