"""Finds what a crash left behind, on both sides: blobs nobody names, snapshots without a point, and
points whose data is gone. Deletes orphans only when told to, and only after a grace age, so that a
run under way is never robbed of what it just wrote.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from lifeboat.clock import parse_rfc3339
from lifeboat.errors import Conflict, LifeboatError
from lifeboat.point import catalog, layout
from lifeboat.point.manifest import read_manifest
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.steps.context import Context
from lifeboat.steps.prune import open_scopes

GRACE = timedelta(hours=24)


class Orphan(msgspec.Struct, frozen=True):
    """Something nobody names. `ripe` once it is older than the grace age."""

    what: str
    reason: str
    ripe: bool
    key: str = ""
    snapshot: StoredSnapshot | None = None


class Reconciliation(msgspec.Struct, frozen=True):
    """`damaged` maps a point to what is missing of it; such points are shown, never dropped."""

    orphans: tuple[Orphan, ...]
    damaged: dict[str, tuple[str, ...]]


def reconcile(context: Context, grace: timedelta = GRACE) -> Reconciliation:
    """Compare vault and cluster. Reads only."""
    named, damaged = _named_packs(context)
    present: set[str] = set()
    orphans: list[Orphan] = []
    now = context.clock()
    all_read = not damaged  # an unreadable manifest may name any pack: then none is deleted
    for stat in context.vault.store.list("packs/"):
        pack = layout.last_segment(stat.key)
        present.add(pack)
        if pack not in named:
            ripe = all_read and now - stat.created > grace
            orphans.append(Orphan(f"pack {pack}", "no point names it", ripe, key=stat.key))
    for point, packs in _packs_of_points(context).items():
        missing = tuple(f"pack {pack}" for pack in packs if pack not in present)
        if missing:
            damaged[point] = missing
    orphans += _orphan_snapshots(context, grace)
    return Reconciliation(tuple(orphans), damaged)


def remove_orphans(context: Context, found: Reconciliation) -> list[str]:
    """Delete the ripe orphans; returns what was removed."""
    removed = []
    for orphan in found.orphans:
        if not orphan.ripe:
            continue
        if orphan.snapshot is not None:
            context.disks.delete_snapshot(orphan.snapshot)
        else:
            try:
                context.vault.store.delete(orphan.key)
            except Conflict:  # locked: not yet
                continue
        removed.append(orphan.what)
    return removed


def _named_packs(context: Context) -> tuple[set[str], dict[str, tuple[str, ...]]]:
    """Packs named by any point of any instance of this vault."""
    named: set[str] = set()
    damaged: dict[str, tuple[str, ...]] = {}
    for instance in catalog.instances(context.vault):
        for point in catalog.point_ids(context.vault, instance):
            try:
                named.update(read_manifest(context.vault, instance, point).packs)
            except LifeboatError as error:
                damaged[point] = (error.message,)
    return named, damaged


def _packs_of_points(context: Context) -> dict[str, tuple[str, ...]]:
    found = {}
    for point in catalog.point_ids(context.vault, context.instance.id):
        try:
            found[point] = read_manifest(context.vault, context.instance.id, point).packs
        except LifeboatError:
            continue  # told by _named_packs already
    return found


def _orphan_snapshots(context: Context, grace: timedelta) -> list[Orphan]:
    instance = context.instance.id
    points = set(catalog.point_ids(context.vault, instance))
    building = {scope.point for scope in open_scopes(context)}
    orphans = []
    for snapshot in context.disks.list_marked(instance):
        if snapshot.point in points:
            continue
        made = parse_rfc3339(snapshot.created) if snapshot.created else context.clock()
        old = context.clock() - made > grace
        reason = "its run never committed" if snapshot.point in building else "no point names it"
        what = f"snapshot {snapshot.handle or snapshot.name} of {snapshot.volume.title}"
        orphans.append(Orphan(what, reason, old, snapshot=snapshot))
    return orphans
