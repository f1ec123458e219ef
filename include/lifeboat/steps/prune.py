"""Removes expired points: plans, can be printed, then executes.

The order makes every crash harmless (P1): the tombstone says what is meant to happen, then the
manifest goes, and with it the point; only then its snapshots, its working documents and the packs
that no other point of the instance names. What could not be removed is written on the tombstone's
account or found by reconcile; it never keeps a manifest alive.
"""

from __future__ import annotations

from collections.abc import Set
from datetime import timedelta

import msgspec

from lifeboat.clock import rfc3339
from lifeboat.errors import Conflict, Damaged, LifeboatError
from lifeboat.point import catalog, layout
from lifeboat.point.context import unneeded_notes
from lifeboat.point.facts import Tombstone, record_tombstone, removed_points
from lifeboat.point.liveness import mentioned_by, needed_by
from lifeboat.point.manifest import FileCopy, Manifest, read_manifest
from lifeboat.point.standby import past_syncs
from lifeboat.policy.retention import decide
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.steps.context import Custody
from lifeboat.steps.edit import former_rules, spared
from lifeboat.steps.in_use import points_in_use
from lifeboat.steps.quiet import held_records
from lifeboat.steps.retained import retention_points
from lifeboat.steps.scope import Claim
from lifeboat.vault.vault import Vault

_SETTLED_AFTER = timedelta(days=1)
_SYNCS_KEPT = timedelta(days=30)
"""So long, what was brought to a standby can be looked up. Who decides on an event that old, and
found its number free, would not know what came after it: nobody sits a month over a decision."""


class Removal(msgspec.Struct, frozen=True):
    """One point to remove, why, and the snapshots and files of volumes that go with it."""

    point: str
    captured_to: str
    reasons: tuple[str, ...]
    snapshots: tuple[StoredSnapshot, ...]
    files: tuple[FileCopy, ...] = ()


class Keeping(msgspec.Struct, frozen=True):
    """One point that stays, and every rule that keeps it."""

    point: str
    captured_to: str
    reasons: tuple[str, ...]


class PrunePlan(msgspec.Struct, frozen=True):
    """What prune would do now; used once. `blobs` are keys of packs and trees that no point needs
    once these are removed; `damaged` are points that cannot be read: they stay, and so does every
    blob, since any may be theirs. `spared` are points of `keep` that stay for a day only because
    the policy was edited (steps/edit.py)."""

    instance: str
    keep: tuple[Keeping, ...]
    remove: tuple[Removal, ...]
    blobs: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()


class PruneResult(msgspec.Struct, frozen=True):
    """What it did: ids of the removed points, and what could not be removed with them."""

    removed: tuple[str, ...]
    kept: int
    leftovers: tuple[str, ...]


def plan_prune(
    context: Custody, wanted: Set[str] = frozenset(), *, at_once: bool = False
) -> PrunePlan:
    """Reads the catalog only. Points that a run or a restore under way needs are in use, and so are
    `wanted` ones, which a copy still lacks. Snapshots go with the point of the first vault alone.
    An edit of the policy lets points go a day after its first point, or `at_once`."""
    instance, vault = context.instance.id, context.vault
    readable, damaged = catalog.readable(vault, instance)
    manifests = {manifest.point: manifest for manifest in readable}
    points = retention_points(vault, instance, readable, points_in_use(context) | wanted)
    now = context.clock()
    decision = decide(points, context.instance.policy.retention, now)
    formers = [] if at_once else former_rules(vault, context.instance, readable, now)
    spare = spared(decision, formers, points, now)
    stays = {
        kept.id: (*kept.reasons, "a copy lacks it") if kept.id in wanted else kept.reasons
        for kept in decision.keep
    }
    stays |= {point: (reason,) for point, reason in spare.items()}
    staying = [manifest for manifest in reversed(readable) if manifest.point in stays]
    keep = tuple(Keeping(m.point, m.captured_to, stays[m.point]) for m in staying)
    handles = {s.handle for manifest in staying for s in manifest.volumes}
    gone_for_good = [gone for gone in decision.remove if gone.id not in spare]
    going = [manifests[gone.id] for gone in gone_for_good]
    removals = [
        Removal(
            manifest.point,
            manifest.captured_to,
            tuple(gone.reasons),
            tuple(s for s in manifest.volumes if context.disks and s.handle not in handles),
            (manifest.file_copies or ()) if context.repository else (),
        )
        for gone, manifest in zip(gone_for_good, going, strict=True)
    ]
    blobs = () if damaged else _freed(vault, staying, going)
    return PrunePlan(instance, keep, tuple(removals), blobs, tuple(damaged), tuple(sorted(spare)))


def going(plan: PrunePlan) -> str:
    """The points that go, in one line for the audit trail."""
    return ", ".join(removal.point for removal in plan.remove)


def execute_prune(context: Custody, plan: PrunePlan) -> PruneResult:
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
    leftovers += _forget_files(context, plan, removed)
    blobs = _freed_in_fact(context, plan, removed)
    leftovers += _delete_blobs(context, [*blobs, *working_documents(context)])
    kept = len(plan.keep) + len(plan.remove) - len(removed)
    return PruneResult(tuple(removed), kept, tuple(leftovers))


def _freed_in_fact(context: Custody, plan: PrunePlan, removed: list[str]) -> list[str]:
    """The blobs of the plan, but not those of a point that would not go yet, or came meanwhile: to
    a copy, a point may come that needs what only the points which go needed before."""
    vault, instance = context.vault, plan.instance
    expected = {*removed, *plan.damaged, *(kept.point for kept in plan.keep)}
    others = [p for p in catalog.point_ids(vault, instance) if p not in expected]
    if not others:
        return list(plan.blobs)
    needed = needed_by(vault, [read_manifest(vault, instance, point) for point in others]).keys
    return [key for key in plan.blobs if key not in needed]


def working_documents(context: Custody) -> list[str]:
    """Keys of what runs left that are over: scopes and parts of points that are removed, or were
    committed a day ago, the claims of such runs, notes that hold for no point, and syncs of a
    standby a month ago; not the record of DAGs that are still held. A task of such a run that is
    cleared later finds no claim and captures a new point."""
    instance, vault = context.instance.id, context.vault
    committed = set(catalog.point_ids(vault, instance))
    removed = removed_points(vault, instance) - committed  # a locked point outlives its tombstone
    old = context.clock() - _SETTLED_AFTER
    found = []
    held = held_records(vault, instance)
    for prefix in (layout.scope(instance, ""), layout.all_parts(instance)):
        for stat in vault.store.list(prefix):
            if stat.key in held:
                continue
            point = stat.key.removeprefix(prefix).split("/", 1)[0]
            if point in removed or (point in committed and stat.created < old):
                found.append(stat.key)
    if context.disks is not None:  # to a copy, the next run would bring them again
        found += unneeded_notes(vault, instance, committed)
    found += dict.fromkeys(past_syncs(vault, instance, context.clock() - _SYNCS_KEPT))
    for stat in vault.store.list(layout.claims(instance)):
        if stat.created < old and _is_over(vault, stat.key, removed | committed):
            found.append(stat.key)
    return found


def _is_over(vault: Vault, key: str, settled: set[str]) -> bool:
    try:
        claim = vault.find_document(key, Claim)
    except Damaged:
        return True  # it keeps its own run from going on, and is no use to any other
    return claim is not None and (not claim.point or claim.point in settled)


def _freed(vault: Vault, staying: list[Manifest], going: list[Manifest]) -> tuple[str, ...]:
    """Keys of packs and trees that only the points which go have mentioned."""
    if not going:
        return ()
    return tuple(sorted(mentioned_by(vault, going).keys - needed_by(vault, staying).keys))


def _delete_snapshots(context: Custody, snapshots: tuple[StoredSnapshot, ...]) -> list[str]:
    leftovers = []
    for snapshot in snapshots:
        assert context.disks is not None  # a plan for a copy names no snapshots
        try:
            context.disks.delete_snapshot(snapshot)
        except LifeboatError as error:
            title = snapshot.volume.title
            leftovers.append(f"snapshot {snapshot.handle} of {title}: {error.message}")
    return leftovers


def _forget_files(context: Custody, plan: PrunePlan, removed: list[str]) -> list[str]:
    """All at once: restic looks through the whole repository to find what nobody needs. What cannot
    be forgotten now is found by reconcile, and keeps no point."""
    gone = [copy for one in plan.remove if one.point in removed for copy in one.files]
    if not gone or context.repository is None:
        return []
    try:
        context.repository.forget(tuple(copy.id for copy in gone))
    except LifeboatError as error:
        return [f"files of {copy.volume.title} in the vault: {error.message}" for copy in gone]
    return []


def _delete_blobs(context: Custody, keys: list[str]) -> list[str]:
    leftovers = []
    for key in keys:
        try:
            context.vault.store.delete(key)
        except Conflict as locked:
            leftovers.append(f"not yet: {locked.message}")
        except LifeboatError as error:
            leftovers.append(f"{key}: {error.message}")
    return leftovers
