"""What the user wants of an object beyond what every restore does: containers to begin with, and
transforms, which come last and see everything."""

from __future__ import annotations

from lifeboat.ports import marks
from lifeboat.ports.cluster import Json
from lifeboat.restore.init_containers import add_init_containers
from lifeboat.restore.model import PlanItem
from lifeboat.restore.transform import Cleaned, Target

_MARKS = (marks.RESTORE, marks.RESTORED_FROM)


def shape(cleaned: Cleaned, item: PlanItem, target: Target) -> Json:
    """Changes `cleaned` and returns its body. Raises TransformFailed."""
    kind, namespace = item.kind.group_kind, item.source_namespace
    cleaned.changes += add_init_containers(target.hooks, cleaned.body, kind, namespace)
    if not target.transforms:
        return cleaned.body
    kept = cleaned.body["metadata"]["annotations"]
    cleaned.body, changes = target.transforms.apply(cleaned.body, namespace)
    cleaned.changes += changes
    # Without its marks a retry would not know the object as its own work.
    annotations = cleaned.body["metadata"].get("annotations") or {}
    marked = {name: kept[name] for name in _MARKS}
    cleaned.body["metadata"]["annotations"] = {**annotations, **marked}
    return cleaned.body
