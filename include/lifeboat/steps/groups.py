"""Which volumes are cut together: claims of a namespace with the same value of the policy's label.

A VolumeGroupSnapshot takes whatever claims have the label, so a group is made only where every such
claim is to be snapshotted; else its volumes are cut one by one, and the point says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from lifeboat.ports.disks import Disks, Volume


class Groups(msgspec.Struct, frozen=True):
    """`labels` are `key=value` by the title of each volume that is cut with others; `warnings` tell
    of those that are not, though they have the label."""

    labels: dict[str, str]
    warnings: tuple[str, ...]


def find_groups(
    key: str,
    volumes: Iterable[Volume],
    skipped: Iterable[tuple[str, str, Mapping[str, str]]],
    classes: Mapping[str, str],
    disks: Disks,
) -> Groups:
    """`skipped` are the claims that get no snapshot: namespace, name, labels. `classes` are the
    snapshot classes that rules ask for, by title: those are of single snapshots."""
    if not key:
        return Groups({}, ())
    alone = {(space, labels[key]): name for space, name, labels in skipped if key in labels}
    found: dict[tuple[str, str], list[Volume]] = {}
    for volume in volumes:
        value = dict(volume.labels).get(key)
        if value:
            found.setdefault((volume.namespace, value), []).append(volume)
    labels: dict[str, str] = {}
    warnings = []
    for (space, value), members in sorted(found.items()):
        if len(members) == 1:
            continue
        reason = _why_not(members, alone.get((space, value)), classes, disks)
        if reason:
            names = ", ".join(sorted(volume.claim for volume in members))
            warnings.append(
                f"volumes {names} of namespace {space} have the label {key}={value} and are cut one"
                f" by one: {reason}"
            )
        else:
            labels |= {volume.title: f"{key}={value}" for volume in members}
    return Groups(labels, tuple(warnings))


def _why_not(
    members: list[Volume], skipped: str | None, classes: Mapping[str, str], disks: Disks
) -> str:
    if skipped is not None:
        return f"claim {skipped} has it, too, and is not to be snapshotted"
    with_class = next((volume for volume in members if volume.title in classes), None)
    if with_class is not None:
        return f"a rule gives {with_class.claim} a snapshot class of its own"
    return disks.why_not_together(members)
