"""Strategic merge patches, as kubectl and the API server apply them to built-in kinds.

A list with a merge key is merged item by item, every other list is replaced. The keys are those of
k8s.io/api 1.36 (`patchMergeKey` of types.go); a test holds them against what the API server tells
of itself. Custom resources have none, and the API server refuses such patches for them, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lifeboat.point.pod_specs import CONTAINERS, POD_SPECS
from lifeboat.ports.cluster import Json
from lifeboat.restore.transforms.merge import merge_patch

Steps = tuple[str, ...]

_CONTAINER = {"ports": "containerPort", "env": "name", "volumeMounts": "mountPath",
              "volumeDevices": "devicePath"}  # fmt: skip
_POD = {
    "volumes": "name", "imagePullSecrets": "name", "hostAliases": "ip", "schedulingGates": "name",
    "topologySpreadConstraints": "topologyKey", "resourceClaims": "name", "containers": "name",
    "initContainers": "name", "ephemeralContainers": "name",
}  # fmt: skip
_WEBHOOKS: dict[Steps, str] = {("webhooks",): "name", ("webhooks", "matchConditions"): "name"}
_POLICY: dict[Steps, str] = {("spec", "matchConditions"): "name", ("spec", "variables"): "name"}
_OWN: dict[str, dict[Steps, str]] = {
    "Service": {("spec", "ports"): "port"},
    "ServiceAccount": {("secrets",): "name"},
    "PodGroup.scheduling.k8s.io": {("spec", "resourceClaims"): "name"},
    "ValidatingWebhookConfiguration.admissionregistration.k8s.io": _WEBHOOKS,
    "MutatingWebhookConfiguration.admissionregistration.k8s.io": _WEBHOOKS,
    "ValidatingAdmissionPolicy.admissionregistration.k8s.io": _POLICY,
    "MutatingAdmissionPolicy.admissionregistration.k8s.io": {("spec", "matchConditions"): "name"},
}
# Replaced as a whole: of PodDisruptionBudget alone (`patchStrategy: replace`).
_WHOLE = {"PodDisruptionBudget.policy": ("spec", "selector")}
_META: dict[Steps, str] = {("metadata", "finalizers"): "", ("metadata", "ownerReferences"): "uid"}
_PATCH, _RETAIN = "$patch", "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_DIRECTIVES = {"delete", "replace", "merge"}


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a patch, and where in it."""

    path: tuple[str | int, ...]
    found: str
    expected: str


def built_in(group_kind: str) -> bool:
    """Whether the kind is one of Kubernetes itself: its group has no dot, or ends in k8s.io and is
    not one of the projects beside it, which are custom resources."""
    group = group_kind.partition(".")[2]
    return "." not in group or group in _GROUPS


_GROUPS = frozenset(
    f"{name}.k8s.io"
    for name in (
        "admissionregistration", "apiextensions", "apiregistration", "authentication",
        "authorization", "certificates", "coordination", "discovery", "events",
        "flowcontrol.apiserver", "internal.apiserver", "networking", "node", "rbac.authorization",
        "resource", "scheduling", "storage", "storagemigration",
    )
)  # fmt: skip


def merge_keys(group_kind: str) -> dict[Steps, str]:
    """By the path of each list that is merged (without positions), the field that names its items.
    `status` is not restored and left out, and so are the lists of metadata (`merge_key`)."""
    keys = dict(_OWN.get(group_kind, {}))
    spec = POD_SPECS.get(group_kind)
    if spec:
        keys |= {(*spec, name): key for name, key in _POD.items()}
        for held in CONTAINERS:
            keys |= {(*spec, held, name): key for name, key in _CONTAINER.items()}
    return keys


def merge_key(keys: Mapping[Steps, str], path: Steps) -> str | None:
    """The field that names the items of the list at `path`; empty for a list of plain values that
    is merged, None for one that is replaced. Every metadata is an ObjectMeta, however deep."""
    return keys.get(path, _META.get(path[-2:]))


def check_patch(patch: Any, path: tuple[str | int, ...] = ()) -> Wrong | None:
    """The first thing that can be seen to be wrong without an object; None when nothing is."""
    if isinstance(patch, list):
        found = (check_patch(item, (*path, n)) for n, item in enumerate(patch))
        return next(filter(None, found), None)
    if not isinstance(patch, dict):
        return None
    for name, value in patch.items():
        here = (*path, name)
        if name == _PATCH and value not in _DIRECTIVES:
            return Wrong(here, repr(value), f"one of {', '.join(sorted(_DIRECTIVES))}")
        if name == _RETAIN and not _is_words(value):
            return Wrong(here, "something else", "a list of field names")
        if name.startswith(_DELETE_FROM) and not isinstance(value, list):
            return Wrong(here, "something else", "a list of the values to remove")
        if name.startswith("$") and not (
            name in (_PATCH, _RETAIN) or name.startswith(_DELETE_FROM)
        ):
            known = f"{_PATCH}, {_RETAIN} or {_DELETE_FROM}FIELD"
            return Wrong(here, "a directive that is not known here", known)
        wrong = check_patch(value, here)
        if wrong:
            return wrong
    return None


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def strategic_merge(body: Json, patch: Json, group_kind: str) -> Json:
    """A new object, nothing of `body` is changed. Raises ValueError, saying where, for an item that
    does not name itself."""
    merger = _Merger(merge_keys(group_kind), _WHOLE.get(group_kind))
    merged = merger.objects(body, patch, ())
    return merged if merged is not None else {}


@dataclass(frozen=True)
class _Merger:
    keys: dict[Steps, str]
    whole: Steps | None

    def objects(self, live: Any, patch: Json, path: Steps) -> Json | None:
        """None where the patch deletes the object."""
        directive = patch.get(_PATCH)
        if directive == "delete":
            return None
        merged: Json = dict(live) if isinstance(live, dict) and directive != "replace" else {}
        if _RETAIN in patch:
            merged = {name: merged[name] for name in merged if name in patch[_RETAIN]}
        for name, value in patch.items():
            if name.startswith(_DELETE_FROM):
                field = name.removeprefix(_DELETE_FROM)
                merged[field] = [one for one in merged.get(field) or [] if one not in value]
            elif not name.startswith("$"):
                self._field(merged, name, value, (*path, name))
        return merged

    def _field(self, merged: Json, name: str, value: Any, path: Steps) -> None:
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict):
            whole = path == self.whole
            inner = self.objects({} if whole else merged.get(name), value, path)
            if inner is None:
                merged.pop(name, None)
            else:
                merged[name] = inner
        elif isinstance(value, list) and (key := merge_key(self.keys, path)) is not None:
            merged[name] = list(self._list(merged.get(name) or [], value, path, key))
        else:
            merged[name] = merge_patch(None, value)

    def _list(self, live: list[Any], patch: list[Any], path: Steps, key: str) -> Iterator[Any]:
        if not key:
            yield from dict.fromkeys((*live, *patch))
            return
        if any(isinstance(item, dict) and item == {_PATCH: "replace"} for item in patch):
            yield from (item for item in patch if item != {_PATCH: "replace"})
            return
        changes: dict[Any, Json] = {}
        for item in patch:
            if not isinstance(item, dict) or key not in item:
                raise ValueError(f"an item of {'.'.join(path)} without its {key}")
            changes[item[key]] = item
        for item in live:
            change = changes.pop(item.get(key), None)
            kept = item if change is None else self.objects(item, change, path)
            if kept is not None:
                yield kept
        added = (self.objects({}, change, path) for change in changes.values())
        yield from (item for item in added if item is not None)
