"""What the way to the standby changes and the way home does not undo: said before a failback.

Tried on the point that lies in the standby, without a cluster. What the standby changed by itself
since then is not looked at: that is to come home as it is.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from lifeboat.errors import BlobMissing, TransformFailed, UsageError
from lifeboat.point.manifest import open_contents, read_manifest
from lifeboat.ports.cluster import Json
from lifeboat.report.diff import diff, spell
from lifeboat.report.secrets import hide
from lifeboat.restore.transform import Target, clean
from lifeboat.restore.transforms.transforms import Transforms
from lifeboat.standby.runbook import standing
from lifeboat.standby.sides import Sides, texts_of


def not_undone(sides: Sides) -> Iterator[str]:
    """A line for each field that would come home as the standby's transforms made it. Nothing where
    no transform changes anything, or the point is gone."""
    wanted, brought = sides.wanted, standing(sides).brought
    if brought is None or not wanted.transforms:
        return
    kept = brought.transforms
    there = Transforms(texts_of(wanted.transforms, sides.read_transform, kept).values())
    home = Transforms(texts_of(wanted.transforms_back, sides.read_transform, kept).values())
    try:
        contents = open_contents(
            sides.vault, read_manifest(sides.vault, brought.instance, brought.point)
        )
    except (BlobMissing, UsageError):
        return
    reader, target = contents.reader(), Target("", brought.point, {})
    for entry in contents:
        record = reader.read(entry.record, entry.place)
        body = clean(msgspec.json.decode(record, type=Json), target).body
        space = f"{entry.namespace}/" if entry.namespace else ""
        title = f"{entry.group_kind} {space}{entry.name}"
        name = brought.namespaces.get(entry.namespace, entry.namespace)
        for line in _left(body, entry.namespace, name, there, home):
            yield f"not undone on the way home: {title}: {line}"


def _left(body: Json, source: str, name: str, there: Transforms, home: Transforms) -> list[str]:
    try:
        changed, changes = there.apply(body, source)
    except TransformFailed:
        return []  # it does not get there: the sync says so
    if not changes:
        return []
    try:
        back, _ = home.apply(changed, name)
    except TransformFailed as error:
        return [error.message]
    return [spell(field) for field in diff(hide(body), hide(back))]
