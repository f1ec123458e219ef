"""Finds what a crash left behind, on both sides: blobs nobody names, snapshots without a point, and
points whose data is gone.

What nobody names is put on record first and deleted by a later look: only when it has been on
record for the grace age and still nobody names it. So a run under way is never robbed of what it
just wrote, and no single wrong listing or time costs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import (
    BlobExists,
    BlobMissing,
    Conflict,
    Damaged,
    LifeboatError,
    NewerFormat,
)
from lifeboat.point import catalog, layout
from lifeboat.point.liveness import bereft, needed_by, stored_blobs
from lifeboat.point.manifest import Manifest
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.ports.movers import Leftover
from lifeboat.ports.store import BlobStat
from lifeboat.steps.context import Custody
from lifeboat.steps.in_use import open_scopes
from lifeboat.steps.left_tests import left_tests
from lifeboat.steps.scrub import DOCUMENTED
from lifeboat.vault.packs import ROOT as PACKS
from lifeboat.vault.packs import pack_key

GRACE = timedelta(hours=24)
_UNSEEN = "files of volumes in the vault"
_LEFT = "under way, or killed before it was torn down"

CleanTest = Callable[[str], object]
"""Removes what a test restore left, by its id."""


class Orphan(msgspec.Struct, frozen=True):
    """Something nobody names: `since` when that was first put on record (empty: not yet), `ripe`
    once it may be deleted."""

    what: str
    reason: str
    ripe: bool
    since: str = ""
    key: str = ""
    snapshot: StoredSnapshot | None = None
    leftover: Leftover | None = None
    files: str = ""
    test: str = ""


class OrphanSeen(msgspec.Struct, frozen=True):
    """The record of an orphan: what, why, and when it was first seen. It goes with the orphan."""

    what: str
    reason: str
    seen: str


class Reconciliation(msgspec.Struct, frozen=True):
    """`damaged` maps a point to what is missing of it; such points are shown, never dropped.
    `settled` are keys of records of what is no orphan any more, or no damage."""

    orphans: tuple[Orphan, ...]
    damaged: dict[str, tuple[str, ...]]
    settled: tuple[str, ...] = ()


class _Records:
    """What is on record, and whether it has been for long enough."""

    def __init__(self, context: Custody, grace: timedelta) -> None:
        self._vault, self._instance = context.vault, context.instance.id
        self._now, self._grace = context.clock(), grace
        prefix = layout.orphans(self._instance)
        self._stats = {stat.key: stat for stat in context.vault.store.list(prefix)}
        self._met: set[str] = set()

    def seen(self, what: str) -> tuple[str, bool]:
        """When it was first seen, and whether that is the grace age ago by the record and by the
        store, whose clocks may differ."""
        key = layout.orphan(self._instance, what)
        self._met.add(key)
        if key not in self._stats:
            return "", False
        try:
            record = self._vault.get_document(key, OrphanSeen)
        except (Damaged, NewerFormat, BlobMissing):
            return "", False  # as if it had never been seen: it stays
        long_ago = self.old(parse_rfc3339(record.seen)) and self.old(self._stats[key].created)
        return record.seen, long_ago

    def old(self, moment: datetime) -> bool:
        return self._now - moment > self._grace

    def settled(self) -> tuple[str, ...]:
        """Records of nothing that was asked for."""
        return tuple(sorted(self._stats.keys() - self._met))


def reconcile(context: Custody, grace: timedelta = GRACE) -> Reconciliation:
    """Compare vault and cluster; in a copy, whose snapshots are the first vault's, only the vault.
    Reads only; `remove_orphans` acts on what it finds."""
    records = _Records(context, grace)
    manifests, unreadable = catalog.readable(context.vault, context.instance.id)
    stored = stored_blobs(context.vault)
    marked = context.disks.list_marked(context.instance.id) if context.disks else None
    damaged: dict[str, tuple[str, ...]] = {point: (why,) for point, why in unreadable.items()}
    gone = {} if marked is None else _gone(manifests, marked)
    for found in (bereft(context.vault, manifests, stored), gone):
        for point, what in found.items():
            damaged[point] = (*damaged.get(point, ()), *what)
    orphans = [
        *_orphan_blobs(context, stored, records),
        *_orphan_snapshots(context, manifests, marked or (), records),
        *_orphan_files(context, records),
        *_left_by_movers(context, records),
        *_left_by_tests(context, records),
    ]
    settled = (*records.settled(), *_damage_that_went(context, stored))
    return Reconciliation(tuple(orphans), damaged, settled)


def remove_orphans(
    context: Custody, found: Reconciliation, clean_test: CleanTest | None = None
) -> list[str]:
    """Put new orphans on record, delete the ripe ones with their records; returns what was removed.

    Without `clean_test`, what test restores left stays. Interrupted and repeated runs converge: a
    record is written once and goes after its orphan.
    """
    vault, instance = context.vault, context.instance.id
    removed = []
    ripe_files: dict[str, Orphan] = {}
    for orphan in found.orphans:
        key = layout.orphan(instance, orphan.what)
        if not orphan.ripe:
            if not orphan.since:
                _record(context, key, orphan)
        elif orphan.files:
            ripe_files[key] = orphan
        elif _remove(context, orphan, clean_test):
            vault.store.delete(key)
            removed.append(orphan.what)
    removed += _forget(context, ripe_files)
    for key in found.settled:
        vault.store.delete(key)
    return removed


def _remove(context: Custody, orphan: Orphan, clean_test: CleanTest | None) -> bool:
    """Whether it is gone now."""
    if orphan.test:
        if clean_test is not None:
            clean_test(orphan.test)
        return clean_test is not None
    if orphan.snapshot is not None:
        assert context.disks is not None  # in a copy no snapshot is looked for
        context.disks.delete_snapshot(orphan.snapshot)
    elif orphan.leftover is not None:
        assert context.movers is not None  # nor anything of movers
        context.movers.remove(orphan.leftover)
    else:
        try:
            context.vault.store.delete(orphan.key)
        except Conflict:  # locked: not yet
            return False
    return True


def _forget(context: Custody, ripe: dict[str, Orphan]) -> list[str]:
    """All at once: restic looks through the whole repository to find what nobody needs."""
    if not ripe or context.repository is None:
        return []
    context.repository.forget(tuple(orphan.files for orphan in ripe.values()))
    for key in ripe:
        context.vault.store.delete(key)
    return [orphan.what for orphan in ripe.values()]


def gone_lines(found: Reconciliation) -> Iterator[str]:
    """A line for everything that is gone of a point."""
    for point, what in found.damaged.items():
        yield from (f"point {point}: {one}" for one in what)


def ensure_nothing_gone(found: Reconciliation) -> None:
    """Raises Damaged with the number; `gone_lines` has the names."""
    if found.damaged:
        raise Damaged(
            f"points whose data is gone: {len(found.damaged)}",
            hint=f"what to do: docs/operations.md, {DOCUMENTED}",
        )


def _damage_that_went(context: Custody, stored: dict[str, BlobStat]) -> Iterator[str]:
    """Scrub's records of packs that are there no more."""
    for stat in context.vault.store.list(layout.damaged_packs(context.instance.id)):
        if pack_key(layout.last_segment(stat.key)) not in stored:
            yield stat.key


def _record(context: Custody, key: str, orphan: Orphan) -> None:
    seen = OrphanSeen(orphan.what, orphan.reason, rfc3339(context.clock()))
    try:
        context.vault.put_document(key, seen)
    except BlobExists:
        return  # another look was quicker, or a damaged record is there


def _orphan_blobs(
    context: Custody, stored: dict[str, BlobStat], records: _Records
) -> Iterator[Orphan]:
    needed = _needed(context)
    for key, stat in stored.items():
        if needed is not None and key in needed:
            continue
        what = f"{'pack' if key.startswith(PACKS) else 'tree'} {layout.last_segment(key)}"
        since, long_ago = records.seen(what)
        if needed is None:
            continue  # whether it is an orphan cannot be told: its record, if any, stays
        ripe = long_ago and records.old(stat.created)
        yield Orphan(what, "no point needs it", ripe, since, key=key)


def _needed(context: Custody) -> set[str] | None:
    """Keys of the blobs that any point of any instance of this vault needs; None when some point
    cannot be read and may need any of them."""
    keys: set[str] = set()
    for instance in catalog.instances(context.vault):
        manifests, unreadable = catalog.readable(context.vault, instance)
        if unreadable:
            return None
        try:
            keys |= needed_by(context.vault, manifests).keys
        except LifeboatError as error:
            if error.retryable:
                raise
            return None
    return keys


def _gone(
    manifests: list[Manifest], marked: tuple[StoredSnapshot, ...]
) -> dict[str, tuple[str, ...]]:
    """Snapshots that a point names and that nothing in the cluster stands for."""
    there = {(snapshot.driver, snapshot.handle) for snapshot in marked}
    found = {}
    for manifest in manifests:
        gone = tuple(
            f"snapshot {one.handle} of {one.volume.title} is gone from the cluster"
            for one in manifest.volumes
            if (one.driver, one.handle) not in there
        )
        if gone:
            found[manifest.point] = gone
    return found


def _orphan_snapshots(
    context: Custody,
    manifests: list[Manifest],
    marked: tuple[StoredSnapshot, ...],
    records: _Records,
) -> Iterator[Orphan]:
    points = set(catalog.point_ids(context.vault, context.instance.id))
    named = {m.point: {(s.volume.namespace, s.name) for s in m.volumes} for m in manifests}
    building = {scope.point for scope in open_scopes(context)}
    for snapshot in marked:
        name = (snapshot.volume.namespace, snapshot.name)
        if snapshot.point in points and name in named.get(snapshot.point, {name}):
            continue
        reason = "no point names it"
        if snapshot.point in building:
            reason = "its run never committed"
        elif snapshot.point in points:
            reason = "its point does not name it"
        what = f"snapshot {snapshot.name} of {snapshot.volume.title}"
        since, long_ago = records.seen(what)
        made = parse_rfc3339(snapshot.created) if snapshot.created else context.clock()
        yield Orphan(what, reason, long_ago and records.old(made), since, snapshot=snapshot)


def _orphan_files(context: Custody, records: _Records) -> Iterator[Orphan]:
    """Files of volumes in the vault's repository whose point is not there. Where it cannot be
    asked, that is told and the rest is looked at all the same."""
    if context.repository is None or context.vault.store.stat(layout.FILES_CONFIG) is None:
        return
    try:
        kept = context.repository.kept(context.instance.id)
    except LifeboatError as error:
        records.seen(_UNSEEN)
        yield Orphan(_UNSEEN, f"cannot be looked at: {error.message}", ripe=False, since="now")
        return
    points = set(catalog.point_ids(context.vault, context.instance.id))
    building = {scope.point for scope in open_scopes(context)}
    for one in kept:
        if one.point in points:
            continue
        what = f"files {one.id[:8]} of point {one.point}"
        since, long_ago = records.seen(what)
        reason = "its run never committed" if one.point in building else "no point names it"
        ripe = long_ago and records.old(parse_rfc3339(one.created))
        yield Orphan(what, reason, ripe, since, files=one.id)


def _left_by_movers(context: Custody, records: _Records) -> Iterator[Orphan]:
    """Pods, clones and Secrets: of a run under way, or left by one that was killed."""
    if context.movers is None:
        return
    for one in context.movers.leftovers(context.instance.id):
        what = f"{one.kind} {one.namespace}/{one.name}"
        since, long_ago = records.seen(what)
        ripe = long_ago and records.old(parse_rfc3339(one.created))
        yield Orphan(what, f"left by a mover of point {one.point}", ripe, since, leftover=one)


def _left_by_tests(context: Custody, records: _Records) -> Iterator[Orphan]:
    """Scratch namespaces, with the volumes and helpers that hang on them."""
    if context.cluster is None:
        return
    for one in left_tests(context.cluster, context.instance.id):
        what = f"test restore {one.test} in {', '.join(one.namespaces)}"
        since, long_ago = records.seen(what)
        ripe = long_ago and (not one.made or records.old(parse_rfc3339(one.made)))
        yield Orphan(what, _LEFT, ripe, since, test=one.test)
