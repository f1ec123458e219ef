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
from lifeboat.point.liveness import needed_by
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.steps.context import Context
from lifeboat.steps.prune import open_scopes
from lifeboat.vault.packs import ROOT as PACKS
from lifeboat.vault.packs import pack_key
from lifeboat.vault.trees import ROOT as TREES
from lifeboat.vault.trees import tree_key

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
    vault, now = context.vault, context.clock()
    orphans: list[Orphan] = []
    needed, damaged = _needed(context)
    present: set[str] = set()
    all_read = not damaged  # what cannot be read may need any blob: then none is deleted
    for prefix, what in ((PACKS, "pack"), (TREES, "tree")):
        for stat in vault.store.list(prefix):
            present.add(stat.key)
            if stat.key not in needed:
                title = f"{what} {layout.last_segment(stat.key)}"
                ripe = all_read and now - stat.created > grace
                orphans.append(Orphan(title, "no point needs it", ripe, key=stat.key))
    damaged.update(_missing(context, present, set(damaged)))
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


def _needed(context: Context) -> tuple[set[str], dict[str, tuple[str, ...]]]:
    """Keys of the blobs that any point of any instance of this vault needs, and the points that
    cannot be read."""
    keys: set[str] = set()
    damaged: dict[str, tuple[str, ...]] = {}
    for instance in catalog.instances(context.vault):
        manifests, unreadable = catalog.readable(context.vault, instance)
        damaged.update({point: (why,) for point, why in unreadable.items()})
        for manifest in manifests:
            keys.update(map(tree_key, manifest.tree.names))
        try:
            packs = needed_by(context.vault, manifests).packs
        except LifeboatError:
            for manifest in manifests:
                try:
                    packs = needed_by(context.vault, [manifest]).packs
                    keys.update(map(pack_key, packs))
                except LifeboatError as error:
                    damaged[manifest.point] = (error.message,)
        else:
            keys.update(map(pack_key, packs))
    return keys, damaged


def _missing(context: Context, present: set[str], known: set[str]) -> dict[str, tuple[str, ...]]:
    """What is gone of the points of this instance, as far as they can be read."""
    vault, found = context.vault, {}
    for manifest in catalog.readable(vault, context.instance.id)[0]:
        if manifest.point not in known:
            packs = sorted(needed_by(vault, [manifest]).packs)
            missing = tuple(f"pack {pack}" for pack in packs if pack_key(pack) not in present)
            if missing:
                found[manifest.point] = missing
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
