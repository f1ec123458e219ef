"""Removes expired points: plans, can be printed, then executes.

The order makes every crash harmless (P1): the tombstone says what is meant to happen, then the
manifest goes, and with it the point; only then its snapshots, its working documents and the packs
that no other point of the instance names. What could not be removed is written on the tombstone's
account or found by reconcile; it never keeps a manifest alive.
"""

from __future__ import annotations

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import Conflict, LifeboatError
from lifeboat.point import catalog, layout
from lifeboat.point.facts import Tombstone, read_verdicts, record_tombstone, removed_points
from lifeboat.point.manifest import Manifest
from lifeboat.policy.retention import RetentionPoint, decide
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.steps.context import Context
from lifeboat.steps.scope import Scope
from lifeboat.vault.packs import pack_key


class Removal(msgspec.Struct, frozen=True):
    """One point to remove, why, and what goes with it."""

    point: str
    captured_to: str
    reasons: tuple[str, ...]
    snapshots: tuple[StoredSnapshot, ...]
    packs: tuple[str, ...]


class Keeping(msgspec.Struct, frozen=True):
    """One point that stays, and every rule that keeps it."""

    point: str
    captured_to: str
    reasons: tuple[str, ...]


class PrunePlan(msgspec.Struct, frozen=True):
    """What prune would do now; used once."""

    instance: str
    keep: tuple[Keeping, ...]
    remove: tuple[Removal, ...]


class PruneResult(msgspec.Struct, frozen=True):
    """What it did: ids of the removed points, and what could not be removed with them."""

    removed: tuple[str, ...]
    kept: int
    leftovers: tuple[str, ...]


def plan_prune(context: Context) -> PrunePlan:
    """Reads the catalog only. Points that a run under way builds on are in use."""
    instance = context.instance.id
    manifests = {m.point: m for m in catalog.manifests(context.vault, instance)}
    verified = {v.point for v in read_verdicts(context.vault, instance) if v.proven}
    in_use = _bases_of_open_runs(context, set(manifests))
    points = [
        RetentionPoint(
            id=manifest.point,
            captured_at=parse_rfc3339(manifest.captured_to),
            complete=manifest.complete,
            verified=manifest.point in verified,
            in_use=manifest.point in in_use,
        )
        for manifest in manifests.values()
    ]
    decision = decide(points, context.instance.policy.retention, context.clock())
    keep = tuple(
        Keeping(kept.id, manifests[kept.id].captured_to, tuple(kept.reasons))
        for kept in decision.keep
    )
    needed = {pack for kept in keep for pack in manifests[kept.point].packs}
    handles = {s.handle for kept in keep for s in manifests[kept.point].volumes}
    removals = [
        _removal(manifests[gone.id], tuple(gone.reasons), needed, handles)
        for gone in decision.remove
    ]
    return PrunePlan(instance, keep, tuple(removals))


def execute_prune(context: Context, plan: PrunePlan) -> PruneResult:
    """Repeated and interrupted runs converge: everything is delete-if-there."""
    removed, leftovers = [], []
    for removal in plan.remove:
        tombstone = Tombstone(removal.point, rfc3339(context.clock()), removal.reasons)
        record_tombstone(context.vault, plan.instance, tombstone)
        try:
            context.vault.store.delete(layout.manifest(plan.instance, removal.point))
        except Conflict as locked:  # then the point is whole, and stays until a later prune
            leftovers.append(f"not yet: {locked.message}")
            continue
        removed.append(removal.point)
        leftovers += _delete_snapshots(context, removal.snapshots)
        leftovers += _delete_blobs(context, removal)
    kept = len(plan.keep) + len(plan.remove) - len(removed)
    return PruneResult(tuple(removed), kept, tuple(leftovers))


def open_scopes(context: Context) -> list[Scope]:
    """Scopes of runs that have neither committed nor been given up: no manifest, no tombstone."""
    instance, vault = context.instance.id, context.vault
    settled = set(catalog.point_ids(vault, instance)) | removed_points(vault, instance)
    prefix = layout.scope(instance, "")
    return [
        vault.get_document(stat.key, Scope)
        for stat in vault.store.list(prefix)
        if layout.last_segment(stat.key) not in settled
    ]


def _bases_of_open_runs(context: Context, known: set[str]) -> set[str]:
    return {scope.previous for scope in open_scopes(context)} & known


def _removal(
    manifest: Manifest, reasons: tuple[str, ...], needed: set[str], handles: set[str]
) -> Removal:
    return Removal(
        point=manifest.point,
        captured_to=manifest.captured_to,
        reasons=reasons,
        snapshots=tuple(s for s in manifest.volumes if s.handle not in handles),
        packs=tuple(pack for pack in manifest.packs if pack not in needed),
    )


def _delete_snapshots(context: Context, snapshots: tuple[StoredSnapshot, ...]) -> list[str]:
    leftovers = []
    for snapshot in snapshots:
        try:
            context.disks.delete_snapshot(snapshot)
        except LifeboatError as error:
            title = snapshot.volume.title
            leftovers.append(f"snapshot {snapshot.handle} of {title}: {error.message}")
    return leftovers


def _delete_blobs(context: Context, removal: Removal) -> list[str]:
    instance, store = context.instance.id, context.vault.store
    keys = [stat.key for stat in store.list(layout.parts(instance, removal.point))]
    keys.append(layout.scope(instance, removal.point))
    keys += [pack_key(pack) for pack in removal.packs]
    leftovers = []
    for key in keys:
        try:
            store.delete(key)
        except Conflict as locked:
            leftovers.append(f"not yet: {locked.message}")
        except LifeboatError as error:
            leftovers.append(f"{key}: {error.message}")
    return leftovers
