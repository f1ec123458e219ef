"""What a plan brings, added up while it is made: memory grows with namespaces and kinds, never with
objects."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from lifeboat.ports.cluster import Kind
from lifeboat.restore.choice import CLAIM, NAMESPACE
from lifeboat.restore.model import Action, PlanItem
from lifeboat.restore.warnings.usage import usage

ZONE_LABEL = "topology.kubernetes.io/zone"
_VERBS: dict[Action, tuple[str, ...]] = {
    "create": ("create",),
    "merge": ("get", "patch"),
    "replace": ("get", "update"),
    "recreate": ("get", "delete", "create"),
    "delete": ("delete",),
}


class Tally:
    """`add` every item; the fields are what the warnings are made of.

    `needs`: objects by kind, target namespace and verb. `usage`: what is added in a namespace by
    a quota's names. `classes`, `zones`: users of a StorageClass or a zone. `versions`: objects by
    captured and restored version.
    """

    def __init__(self) -> None:
        self.needs: Counter[tuple[Kind, str, str]] = Counter()
        self.usage: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.classes: Counter[str] = Counter()
        self.made_classes: set[str] = set()
        self.zones: Counter[str] = Counter()
        self.versions: Counter[tuple[str, str, str]] = Counter()
        self.namespaces: set[str] = set()
        self.made_namespaces: set[str] = set()
        self.services: set[tuple[str, str]] = set()

    def add(self, item: PlanItem, spec: Any) -> None:
        """Count an object; `spec` is its spec in the point."""
        for verb in _VERBS.get(item.action, ()):
            self.needs[item.kind, item.namespace, verb] += 1
        if item.action not in _VERBS or item.action == "delete":
            return
        if item.kind.namespaced:
            self.namespaces.add(item.namespace)
        elif item.kind.group_kind == NAMESPACE:
            self.made_namespaces.add(item.name)
        if item.kind.group_kind == "StorageClass.storage.k8s.io":
            self.made_classes.add(item.name)
        if item.kind.group_kind == "Service":
            self.services.add((item.namespace, item.name))
        spec = spec if isinstance(spec, dict) else {}
        if item.action == "create" and item.kind.namespaced:
            self.usage[item.namespace].update(usage(item.kind, spec))
        if item.kind.group_kind == CLAIM and spec.get("storageClassName"):
            self.classes[spec["storageClassName"]] += 1
        self.zones.update(_zones(item.kind, spec))

    def add_version(self, kind: Kind, captured: str) -> None:
        """An object of a version that the target does not serve."""
        self.versions[kind.group_kind, captured, kind.version] += 1


def pod_spec(kind: Kind, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of the pods that an object makes, or is; empty for others."""
    if kind.group_kind == "Pod":
        return dict(spec)
    if kind.group_kind == "CronJob.batch":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    found = (spec.get("template") or {}).get("spec") if isinstance(spec, dict) else None
    return found if isinstance(found, dict) and "containers" in found else {}


def _zones(kind: Kind, spec: dict[str, Any]) -> Iterator[str]:
    pod = pod_spec(kind, spec)
    selected = (pod.get("nodeSelector") or {}).get(ZONE_LABEL)
    if selected:
        yield selected
    node = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    required = node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or []
    if len(terms) == 1:  # of several any one is enough
        for expression in terms[0].get("matchExpressions") or []:
            if expression.get("key") == ZONE_LABEL and expression.get("operator") == "In":
                yield from expression.get("values") or []
