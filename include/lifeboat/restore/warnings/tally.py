"""What a plan brings, added up while it is made: memory grows with namespaces and kinds, never with
objects."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from lifeboat.ports.cluster import Json, Kind
from lifeboat.restore.choice import CLAIM, NAMESPACE
from lifeboat.restore.model import Action, PlanItem
from lifeboat.restore.warnings.usage import usage
from lifeboat.restore.warnings.zones import wanted_zones

_NO_WEIGHT = ("ConfigMap", "Secret", "ServiceAccount", NAMESPACE)
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
    a quota's names. `classes`: claims that name a StorageClass. `zones`: objects by what they are
    and the zones of which any one is enough for them. `versions`: objects by captured and restored
    version.
    """

    def __init__(self) -> None:
        self.needs: Counter[tuple[Kind, str, str]] = Counter()
        self.usage: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.classes: Counter[str] = Counter()
        self.made_classes: set[str] = set()
        self.zones: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self.versions: Counter[tuple[str, str, str]] = Counter()
        self.namespaces: set[str] = set()
        self.made_namespaces: set[str] = set()
        self.services: set[tuple[str, str]] = set()

    def add(self, item: PlanItem, body: Json | None) -> None:
        """Count an object; `body` is what it is going to be, needed of kinds that `weighs` names
        only."""
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
        body = body or {}
        spec = body["spec"] if isinstance(body.get("spec"), dict) else {}
        if item.action == "create" and item.kind.namespaced:
            self.usage[item.namespace].update(usage(item.kind, spec))
        if item.kind.group_kind == CLAIM and spec.get("storageClassName"):
            self.classes[spec["storageClassName"]] += 1
        self.zones.update(wanted_zones(item.kind, body, pod_spec(item.kind, spec)))

    def add_version(self, kind: Kind, captured: str) -> None:
        """An object of a version that the target does not serve."""
        self.versions[kind.group_kind, captured, kind.version] += 1


def weighs(kind: Kind) -> bool:
    """Whether what an object says matters to a warning, and not only that there is one."""
    return kind.group_kind not in _NO_WEIGHT


def pod_spec(kind: Kind, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of the pods that an object makes, or is; empty for others."""
    if kind.group_kind == "Pod":
        return dict(spec)
    if kind.group_kind == "CronJob.batch":
        spec = (spec.get("jobTemplate") or {}).get("spec") or {}
    found = (spec.get("template") or {}).get("spec") if isinstance(spec, dict) else None
    return found if isinstance(found, dict) and "containers" in found else {}
