"""Copies the points of an instance to another place of its vault (docs/copies.md).

The same bytes in the same order as a writer's: packs and trees, the policy's text, the manifest
last. So a point is there only when it is whole there (P1). Needs no cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

import msgspec

from lifeboat.clock import parse_rfc3339
from lifeboat.errors import Damaged, Unsupported, UsageError
from lifeboat.point import catalog, layout
from lifeboat.point.manifest import Manifest, read_manifest
from lifeboat.point.survey import UNREADABLE
from lifeboat.steps.context import Custody
from lifeboat.steps.copy_blobs import blobs_of, frames_of, newest_frames, unproven
from lifeboat.steps.copy_plan import CopyPlan, plan_copy
from lifeboat.steps.transfer import IN_FLIGHT, Transfer
from lifeboat.vault.vault import Vault

Say = Callable[[str], None]
_BESIDE = (layout.holds, layout.releases, layout.verdicts, layout.gaps, layout.notes)
_NAMED = 20  # blobs that a message names of one point


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """What one copying did. `points` are ids that are whole in the copy now and were not before, or
    were asked for; `failed` says of each other what keeps it from the copy, by point or document.
    `blobs` and `bytes` count what was written; `volumes` how many snapshots the points name, whose
    data is in no vault."""

    vault: str
    points: tuple[str, ...]
    there: int
    failed: dict[str, str]
    blobs: int
    bytes: int
    volumes: int
    warnings: tuple[str, ...] = ()


def copy_points(
    source: Vault, copy: Custody, say: Say, point: str = "", in_flight: int = IN_FLIGHT
) -> Copied:
    """Copy every point that the copy lacks, or the one that is named, and what lies beside points.

    Interrupted, repeated and racing runs converge. What is damaged is in `failed` and does not stop
    the rest. Raises UsageError when the two are not one vault or there is no such point, and what
    the stores raise when they do not answer.
    """
    transfer = Transfer(source, copy.vault, in_flight)
    failed = _beside(transfer, copy.instance.id)
    if point:
        wanted = [catalog.find(source, copy.instance.id, point).point]
    else:
        plan = plan_copy(source, copy)
        wanted = list(plan.lacks)
        failed |= {f"point {one}": why for one, why in plan.unreadable.items()}
        say(_told(plan))
    run = _Run(transfer, copy)
    for one in wanted:
        run.copy(one, say)
    run.look_again(say)
    return Copied(
        vault=copy.instance.vault.name,
        points=tuple(run.whole),
        there=len(catalog.point_ids(copy.vault, copy.instance.id)),
        failed=failed | run.failed,
        blobs=transfer.blobs,
        bytes=transfer.bytes,
        volumes=sum(len(manifest.volumes) for manifest in run.whole.values()),
        warnings=tuple(run.warnings),
    )


def bring_again(source: Vault, copy: Custody, points: Iterable[str], say: Say) -> None:
    """Copy again what the copy lost of these points; those that the first vault does not have
    either stay as they are."""
    for point in points:
        try:
            ensure_copied(copy_points(source, copy, say, point))
        except (UsageError, Damaged) as error:
            say(f"point {point} cannot be mended: {error.message}")


def ensure_copied(copied: Copied) -> None:
    """Raises Damaged, naming every point and document that could not be copied, and why."""
    if copied.failed:
        lines = "\n".join(f"  {what}: {why}" for what, why in copied.failed.items())
        raise Damaged(
            f"{len(copied.failed)} things could not be copied to {copied.vault}:\n{lines}",
            hint="every other point is there; see docs/operations.md for damage in a vault",
        )


def _told(plan: CopyPlan) -> str:
    return f"{plan.vault} has {len(plan.there)} points and lacks {len(plan.lacks)}"


def _beside(transfer: Transfer, instance: str) -> dict[str, str]:
    """Copy what lies beside points: holds first, so that a prune of the copy sees them. Returns
    what could not be copied."""
    failed: dict[str, str] = {}
    for prefix in _BESIDE:
        missing, differing = transfer.missing_documents(prefix(instance))
        checks = {key: partial(_check_document, transfer.source, key) for key in missing}
        failed |= differing | transfer.move(checks)
    return failed


def _check_document(vault: Vault, key: str, stored: bytes) -> None:
    vault.open_document(key, stored, object)


class _Run:
    """One copying. `proven` are the frames of a point that lies whole in the copy: what another
    point needs beyond them is verified, also where its pack is there already."""

    def __init__(self, transfer: Transfer, copy: Custody) -> None:
        self.whole: dict[str, Manifest] = {}
        self.failed: dict[str, str] = {}
        self.warnings: dict[str, None] = {}
        self._transfer = transfer
        self._copy = copy
        self._instance = copy.instance.id
        self._relied: dict[str, set[str]] = {}
        self._proven = newest_frames(copy.vault, self._instance)

    def copy(self, point: str, say: Say) -> None:
        """Copy one point, unless it is damaged; then `failed` says so."""
        before = self._transfer.bytes
        try:
            manifest = read_manifest(self._transfer.source, self._instance, point)
            self._bring(manifest)
        except UsageError:
            return  # a prune removed it meanwhile
        except UNREADABLE as error:
            key = layout.manifest(self._instance, point)
            if self._transfer.source.store.stat(key) is not None:
                self.failed[f"point {point}"] = error.message
                say(f"point {point} cannot be copied: {error.message}")
            return
        self.whole[point] = manifest
        say(f"copied point {point}, {self._transfer.bytes - before} bytes new")

    def look_again(self, say: Say) -> None:
        """A prune of the copy that ran meanwhile may have taken blobs that were there, since no
        point needed them yet: they are brought again."""
        relied = set[str]().union(*self._relied.values())
        if not relied:
            return
        vanished = relied - self._transfer.there(relied, anew=True).keys()
        for point in [p for p, keys in self._relied.items() if keys & vanished]:
            self.copy(point, say)

    def _bring(self, manifest: Manifest) -> None:
        """Raises Damaged naming every blob of the point that is, and what the stores raise."""
        source = self._transfer.source
        frames = frames_of(source, manifest)
        blobs = blobs_of(source, manifest, frames)
        there = self._transfer.there(blobs)
        bad = {
            key: self._transfer.differs(key, blobs[key].size, size).message
            for key, size in there.items()
            if not blobs[key].fits(size)
        }
        bad |= self._transfer.move({k: b.check for k, b in blobs.items() if k not in there})
        bad |= self._transfer.verify(unproven(source, frames, self._proven, there.keys() - bad))
        if bad:
            more = f"; and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
            raise Damaged("; ".join(list(bad.values())[:_NAMED]) + more)
        self._finish(manifest, set(blobs))
        self._relied[manifest.point] = set(there)
        self._proven = frames

    def _finish(self, manifest: Manifest, blobs: set[str]) -> None:
        """The policy's text, the locks, and last the manifest."""
        source = self._transfer.source
        policy = layout.policy(self._instance, manifest.policy_digest)
        key = layout.manifest(self._instance, manifest.point)
        text, stored = source.store.get(policy), source.store.get(key)
        _check_document(source, policy, text)
        if source.open_document(key, stored, Manifest) != manifest:
            raise Damaged(f"{key}: changed while it was copied")
        self._transfer.put(policy, text)
        self._transfer.put(key, stored, self._lock(manifest, {*blobs, policy}))

    def _lock(self, manifest: Manifest, keys: set[str]) -> datetime | None:
        """Lock what the point needs by the copy's own retention; returns until when."""
        retention = self._copy.instance.policy.retention
        until = retention.locked_until(parse_rfc3339(manifest.captured_to))
        if until is None or until <= self._copy.clock():
            return None
        store = self._copy.vault.store
        try:
            if store.traits().immutability is False:
                raise Unsupported(f"{store.describe()} cannot lock blobs")
            self._transfer.lock(keys, until)
        except Unsupported as error:
            told = f"only the retention's lock keeps points in this copy: {error.message}"
            self.warnings[told] = None
            return None
        return until
