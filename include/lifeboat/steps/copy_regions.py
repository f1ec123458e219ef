"""Copies the snapshots of points into the regions that the policy names, and removes old copies.

One look, without waiting: what may start is started, what must wait its turn is named, and the next
look goes on. So it can run after every backup, and a copy that takes an hour holds nobody up.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from lifeboat.clock import poll_until
from lifeboat.errors import LifeboatError, NotReady, SnapshotFailed, Throttled
from lifeboat.point import catalog
from lifeboat.point.manifest import Manifest
from lifeboat.policy.azure import CopyRule
from lifeboat.policy.retention import decide
from lifeboat.ports.copies import Copies, CopyRegion, StoredCopy
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.steps.context import Context
from lifeboat.steps.retained import retention_points

_Key = tuple[str, str]  # point, uid of the claim


class CopyLook(msgspec.Struct, frozen=True):
    """What one look found and did, by names of snapshots and places. `ready` copies are whole,
    `waiting` ones run or wait for their turn, `passed` ones never will be: a later cut of their
    disk is there already. `removed` copies were of points that the rule no longer keeps."""

    ready: int = 0
    started: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    def told(self) -> Iterator[tuple[str, str]]:
        """What happened to which copy, for people: a word, and the copy."""
        for word in ("started", "waiting", "passed", "removed"):
            yield from ((word, title) for title in getattr(self, word))


def look_at_copies(context: Context) -> CopyLook:
    """Start, look and remove. Raises what may pass (DisksUnavailable), never a single copy's
    failure: that is a problem of the look."""
    rules = context.instance.policy.volumes.azure.copies
    if context.copies is None or not rules:
        return CopyLook()
    manifests, damaged = catalog.readable(context.vault, context.instance.id)
    looks = [
        _Place(context, rule, place, manifests, frozenset(damaged)).look()
        for rule, place in zip(rules, context.copies.places, strict=True)
    ]
    return CopyLook(
        ready=sum(look.ready for look in looks),
        started=_all(look.started for look in looks),
        waiting=_all(look.waiting for look in looks),
        passed=_all(look.passed for look in looks),
        removed=_all(look.removed for look in looks),
        problems=_all(look.problems for look in looks),
    )


def finish_copies(context: Context, timeout: timedelta) -> CopyLook:
    """Look until nothing waits or the time is up; returns the last look."""
    last = CopyLook()

    def look() -> tuple[str, ...]:
        nonlocal last
        last = look_at_copies(context)
        return last.waiting

    poll_until(look, seconds=timeout.total_seconds())
    return last


def ensure_copied(look: CopyLook) -> None:
    """Raises SnapshotFailed naming every copy that failed."""
    if look.problems:
        raise SnapshotFailed("copies that failed:\n" + "\n".join(f"  {p}" for p in look.problems))


def _all(parts: Iterator[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(one for part in parts for one in part)


class _Place:
    """One region of one policy."""

    def __init__(
        self,
        context: Context,
        rule: CopyRule,
        place: CopyRegion,
        manifests: list[Manifest],
        damaged: frozenset[str],
    ) -> None:
        assert context.copies is not None
        self._copies: Copies = context.copies
        self._place = place
        self._instance = context.instance.id
        self._kept = _kept(context, rule, manifests)
        self._manifests = manifests
        self._damaged = damaged
        self._started: list[str] = []
        self._waiting: list[str] = []
        self._passed: list[str] = []
        self._removed: list[str] = []
        self._problems: list[str] = []

    def look(self) -> CopyLook:
        there = self._copies.list_copies(self._instance, self._place)
        copied = {_key(copy.snapshot): copy for copy in there}
        newest: dict[str, str] = {}
        for copy in there:
            uid = copy.snapshot.volume.claim_uid
            newest[uid] = max(newest.get(uid, ""), copy.snapshot.created)
            if not copy.ready:
                self._waiting.append(self._title(copy.snapshot))
        busy: set[str] = {c.snapshot.volume.claim_uid for c in there if not c.ready}
        for snapshot in self._wanted():
            if _key(snapshot) not in copied:
                self._start(snapshot, newest.get(snapshot.volume.claim_uid, ""), busy)
        self._remove(there)
        return CopyLook(
            sum(copy.ready for copy in there),
            tuple(self._started),
            tuple(self._waiting),
            tuple(self._passed),
            tuple(self._removed),
            tuple(self._problems),
        )

    def _wanted(self) -> Iterator[StoredSnapshot]:
        """Oldest first: Azure copies a disk's snapshots in the order of their cuts."""
        for manifest in self._manifests:
            if manifest.point in self._kept:
                yield from (one for one in manifest.volumes if one.maker == "azure")

    def _start(self, snapshot: StoredSnapshot, newest: str, busy: set[str]) -> None:
        title, uid = self._title(snapshot), snapshot.volume.claim_uid
        if snapshot.created < newest:
            self._passed.append(title)
        elif uid in busy:
            self._waiting.append(title)
        else:
            busy.add(uid)
            try:
                self._copies.start_copy(snapshot, self._place)
                self._started.append(title)
            except (NotReady, Throttled):
                pass  # its turn comes
            except LifeboatError as error:
                if error.retryable:
                    raise
                self._problems.append(f"{title}: {error.message}")
                return
            self._waiting.append(title)

    def _remove(self, there: tuple[StoredCopy, ...]) -> None:
        for copy in there:
            if copy.snapshot.point in self._kept | self._damaged or not copy.ready:
                continue
            try:
                self._copies.delete_copy(copy)
                self._removed.append(self._title(copy.snapshot))
            except LifeboatError as error:
                if error.retryable:
                    raise
                self._problems.append(f"{self._title(copy.snapshot)}: {error.message}")

    def _title(self, snapshot: StoredSnapshot) -> str:
        return f"{snapshot.volume.title} of {snapshot.point} into {self._place.title}"


def _kept(context: Context, rule: CopyRule, manifests: list[Manifest]) -> frozenset[str]:
    rules = context.instance.policy.retention.model_copy(update={"keep": rule.keep})
    points = retention_points(context.vault, context.instance.id, manifests)
    return frozenset(kept.id for kept in decide(points, rules, context.clock()).keep)


def _key(snapshot: StoredSnapshot) -> _Key:
    return snapshot.point, snapshot.volume.claim_uid
