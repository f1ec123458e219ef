"""What the user wants of an object beyond what every restore does: containers to begin with, and
transforms, which come last and see everything."""

from __future__ import annotations

from lifeboat.ports import marks
from lifeboat.ports.cluster import Json
from lifeboat.restore.hold import hold, release_patch
from lifeboat.restore.init_containers import add_init_containers
from lifeboat.restore.model import PlanItem
from lifeboat.restore.transform import Cleaned, Target
from lifeboat.restore.transforms.merge import merge_patch

_MARKS = (marks.RESTORE, marks.RESTORED_FROM, marks.STANDBY)


def shape(cleaned: Cleaned, item: PlanItem, target: Target) -> Json:
    """Changes `cleaned` and returns its body. Raises TransformFailed."""
    kind, namespace = item.kind.group_kind, item.source_namespace
    cleaned.changes += add_init_containers(target.hooks, cleaned.body, kind, namespace)
    if target.transforms:
        _transform(cleaned, namespace, target)
    # Last, so that no transform wakes what is to stand still.
    held = hold(cleaned.body, kind, target.hold)
    let_go = None if held else release_patch(cleaned.body, kind)
    if let_go is not None:
        cleaned.body = merge_patch(cleaned.body, let_go)
        held = ["was held when it was captured, and runs again"]
    cleaned.changes += held
    return cleaned.body


def _transform(cleaned: Cleaned, namespace: str, target: Target) -> None:
    kept = cleaned.body["metadata"]["annotations"]
    cleaned.body, changes = target.transforms.apply(cleaned.body, namespace)
    cleaned.changes += changes
    # Without its marks a retry would not know the object as its own work.
    annotations = cleaned.body["metadata"].get("annotations") or {}
    marked = {name: kept[name] for name in _MARKS if name in kept}
    cleaned.body["metadata"]["annotations"] = {**annotations, **marked}
