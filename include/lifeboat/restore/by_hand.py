"""Volumes that a person made: which claim gets its own back, which another one, and which none.

Such a volume serves one claim, and nobody makes a second one of it: a claim of a class without a
provisioner that finds no volume waits for ever (kubernetes.io, "Persistent Volumes", "Binding").
docs/restore.md has the rules.
"""

from __future__ import annotations

from functools import cached_property

import msgspec

from lifeboat.errors import LifeboatError
from lifeboat.point.contents import Contents
from lifeboat.point.wanted import Wanted
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.ports.quantity import parse_quantity
from lifeboat.restore.leave import is_made_by_hand
from lifeboat.restore.model import PlanItem, Rebind

_CLASS = Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
_VOLUME = Kind("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_NOBODY = "kubernetes.io/no-provisioner"
# What may differ between a volume and itself in another cluster, or later; the rest says where its
# bytes lie.
_NOT_THE_PLACE = (
    "accessModes", "capacity", "claimRef", "mountOptions", "nodeAffinity",
    "persistentVolumeReclaimPolicy", "storageClassName", "volumeAttributesClassName", "volumeMode",
)  # fmt: skip


class ByHand:
    """What a plan has to know of classes and of volumes that a person made. Everything is read from
    the target and the point when it is first asked for. Classes that may not be listed are taken to
    make volumes; volumes that may not be listed are not there."""

    def __init__(self, cluster: Cluster, contents: Contents) -> None:
        self._cluster, self._contents = cluster, contents
        self._taken: set[str] = set()
        self._coming: dict[str, Json] = {}

    def add_class(self, body: Json) -> None:
        """A StorageClass that the plan brings."""
        self._coming[body["metadata"]["name"]] = body

    def class_for(self, spec: Json, captured: Json, source: StoredSnapshot) -> tuple[str, str]:
        """For a claim that is made from a source: the class to take instead of its own, where that
        makes no volumes; and why there is none."""
        if source.maker or self.makes_volumes(spec, captured):
            return "", ""
        fits = {
            name: one
            for name, one in (self._classes or {}).items()
            if one["provisioner"] == source.driver
            or (source.kind == "files" and one["provisioner"] != _NOBODY)
        }
        defaults = [name for name, one in fits.items() if _is_default(one)]
        chosen = defaults if len(defaults) == 1 else sorted(fits)
        if len(chosen) == 1:
            return chosen[0], ""
        known = ", ".join(chosen) or "none"
        what = "" if source.kind == "files" else f" by {source.driver}"
        return "", f"{describe_class(spec)} makes no volumes; classes that do{what}: {known}"

    def makes_volumes(self, spec: Json, captured: Json) -> bool:
        """Whether the class of a claim makes volumes, or may do so. One that a transform chose is
        trusted, and so is one that is missing, unless it never made the captured volume."""
        classes, name = self._classes, spec.get("storageClassName")
        if classes is None or name != captured.get("storageClassName"):
            return True
        if name is None:
            return any(map(_is_default, classes.values()))
        if name in classes:
            return bool(classes[name]["provisioner"] != _NOBODY)
        return bool(name) and captured.get("volumeName") not in self._captured

    def own(self, item: PlanItem, claim: str, captured: Json) -> tuple[Rebind | None, str]:
        """The volume that a claim of the point, with its spec there, was bound to: where it is in
        the target, was made by hand and is nobody's now; or else why the claim cannot have it."""
        name = captured.get("volumeName", "")
        live, was = self._volumes.get(name), self._captured.get(name)
        if live is None and was is None:
            return None, ""
        if (item.namespace, item.name) != (item.source_namespace, claim):
            return None, f"its volume {name} is that of {item.source_namespace}/{claim}"
        if live is None:
            return None, f"its volume {name} is not there, and is not restored by this plan"
        if was is not None and _place(was) != _place(live["spec"]):
            return None, f"volume {name} is another one here"
        owner = live["spec"].get("claimRef")
        if owner and (owner["namespace"], owner["name"]) != (item.namespace, item.name):
            return None, f"its volume {name} is bound to {owner['namespace']}/{owner['name']} now"
        if live["metadata"].get("deletionTimestamp"):
            return None, f"its volume {name} is being deleted"
        self._taken.add(name)
        return Rebind(name, item.namespace, item.name), ""

    def free(self, item: PlanItem, spec: Json) -> str:
        """A volume that Kubernetes would bind the claim to: one that was made for it, or the
        smallest that is nobody's and fits. Each is given away once."""
        found = [
            ("claimRef" not in live["spec"], _size(live["spec"]["capacity"]), name)
            for name, live in self._volumes.items()
            if name not in self._taken and _is_open(live, item) and _fits(live, spec)
        ]
        if not found:
            return ""
        _, _, name = min(found)
        self._taken.add(name)
        return name

    @cached_property
    def _volumes(self) -> dict[str, Json]:
        """Those of the target that a person made, by name."""
        found = _listed(self._cluster, _VOLUME) or []
        return {one["metadata"]["name"]: one for one in found if is_made_by_hand(one["metadata"])}

    @cached_property
    def _captured(self) -> dict[str, Json]:
        """The specs of those of the point."""
        read = self._contents.reader().read
        found = {}
        for entry in self._contents.select(Wanted(kinds=(_VOLUME.kind,))):
            body: Json = msgspec.json.decode(read(entry.record, entry.place))
            if is_made_by_hand(body["metadata"]):
                found[entry.name] = body["spec"]
        return found

    @property
    def _classes(self) -> dict[str, Json] | None:
        return None if self._live_classes is None else {**self._coming, **self._live_classes}

    @cached_property
    def _live_classes(self) -> dict[str, Json] | None:
        found = _listed(self._cluster, _CLASS)
        return None if found is None else {one["metadata"]["name"]: one for one in found}


def _listed(cluster: Cluster, kind: Kind) -> list[Json] | None:
    """None where it may not be listed. Raises what is retryable."""
    try:
        pages = cluster.list_pages(kind)
        return [msgspec.json.decode(raw) for page in pages for raw in page.items]
    except LifeboatError as error:
        if error.retryable:
            raise
        return None


def _is_default(storage_class: Json) -> bool:
    annotations = storage_class["metadata"].get("annotations") or {}
    return bool(annotations.get(_DEFAULT) == "true")


def describe_class(spec: Json) -> str:
    """`class fast`, for people."""
    name = spec.get("storageClassName")
    return f"class {name}" if name else "no class"


def _place(spec: Json) -> Json:
    return {name: value for name, value in spec.items() if name not in _NOT_THE_PLACE}


def _size(quantities: Json) -> int:
    return parse_quantity(str(quantities["storage"]))


def _is_open(live: Json, item: PlanItem) -> bool:
    """Whether a volume waits for this claim, or for any."""
    if live["metadata"].get("deletionTimestamp"):
        return False
    owner = live["spec"].get("claimRef")
    if owner is None:
        return bool((live.get("status") or {}).get("phase") == "Available")
    return not owner.get("uid") and (owner["namespace"], owner["name"]) == (
        item.namespace,
        item.name,
    )


def _fits(live: Json, spec: Json) -> bool:
    """As Kubernetes matches them, but for selectors by expressions, which are taken to match
    (kubernetes/pkg/volume/util, FindMatchingVolume)."""
    volume, labels = live["spec"], live["metadata"].get("labels") or {}
    selector = (spec.get("selector") or {}).get("matchLabels") or {}
    return (
        (volume.get("storageClassName") or "") == (spec.get("storageClassName") or "")
        and volume.get("volumeMode", "Filesystem") == spec.get("volumeMode", "Filesystem")
        and set(spec["accessModes"]) <= set(volume["accessModes"])
        and _size(volume["capacity"]) >= _size(spec["resources"]["requests"])
        and all(labels.get(name) == text for name, text in selector.items())
    )
