"""Reads an instance's part of the vault again and says what is damaged, by point and by object.

Documents and trees are read every time, since they say what there is; packs wholly or a share of
them. Each pack is read once, with one request, however many points use it, and held by itself. It
never stops at the first damage.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import msgspec

from lifeboat.errors import BlobExists, BlobMissing, Damaged, NewerFormat, UsageError
from lifeboat.point import catalog, layout
from lifeboat.point.manifest import Manifest
from lifeboat.point.survey import UNREADABLE, Frame, Frames, losses, misplaced, shelves, survey
from lifeboat.vault.packs import check_magic, pack_key
from lifeboat.vault.records import Place
from lifeboat.vault.vault import Vault, check_opening

Say = Callable[[str], None]
_NAMED = 100  # objects that people are told of each point; the account has all
DOCUMENTED = '"Is the vault still sound?"'


class Sample(msgspec.Struct, frozen=True):
    """A share of the packs: those whose name falls on slot `slot` of `slots`."""

    slots: int = 1
    slot: int = 0

    def takes(self, pack: str) -> bool:
        """Names of packs are random digits."""
        return int(pack, 16) % self.slots == self.slot

    def __str__(self) -> str:
        return f"share {self.slot + 1} of {self.slots}" if self.slots > 1 else "everything"


class Damage(msgspec.Struct, frozen=True):
    """One blob that is not as it was written, and the points that lose something by it."""

    blob: str
    reason: str
    points: tuple[str, ...]


class DamagedPack(msgspec.Struct, frozen=True):
    """The record of a pack that does not read as it was written: the next point stores anew what
    it needs of it (steps/footing.py). Goes with the pack."""

    pack: str
    reason: str
    seen: str


class Scrubbed(msgspec.Struct, frozen=True, kw_only=True):
    """What a scrub read and found. `lost` names of each damaged point what it has lost;
    `newest_whole` is the newest complete point of which nothing that was read is damaged."""

    instance: str
    sample: str
    points: int
    packs: int
    frames: int
    bytes: int
    damage: tuple[Damage, ...]
    lost: dict[str, tuple[str, ...]]
    newest_whole: str


class _Account:
    """What was found so far."""

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.packs = self.frames = self.bytes = 0
        self.bad_frames: set[Frame] = set()
        self.bad_records: set[tuple[str, Place]] = set()
        self.lost: dict[str, dict[str, None]] = defaultdict(dict)
        self._reasons: dict[str, dict[str, None]] = defaultdict(dict)
        self._points: dict[str, dict[str, None]] = defaultdict(dict)

    def blob(self, key: str, reason: str, points: tuple[str, ...] = (), lost: str = "") -> None:
        self._reasons[key][reason] = None
        for point in points if lost else ():
            self._points[key][point] = None
            self.lost[point][lost] = None

    def loses(self, record: str, place: Place) -> bool:
        return place[:4] in self.bad_frames or (record, place) in self.bad_records

    def damage(self, there: set[str]) -> Iterator[Damage]:
        """Points that were removed meanwhile took their blobs with them: that is no damage."""
        for key, reasons in sorted(self._reasons.items()):
            points = tuple(sorted(self._points[key].keys() & there))
            if points or not self._points[key]:
                yield Damage(key, "; ".join(reasons), points)


def sample(percent: int, turn: int) -> Sample:
    """The share of this turn: turns that follow each other read everything in 100 / percent runs.

    Raises UsageError unless percent is 1 to 100.
    """
    if not 1 <= percent <= 100:
        raise UsageError(f"a sample of {percent}% is none: write 1% to 100%")
    slots = -(-100 // percent)
    return Sample(slots, turn % slots)


def turn_at(seconds: float, interval: float) -> int:
    """Which turn it is, at a moment and with the longest wait between two runs, both in seconds.

    No turn is ever left out, with nothing to remember: a stretch of time as long as the longest
    wait holds at least one run.
    """
    return int(seconds // interval)


def scrub(
    vault: Vault, instance: str, share: Sample, say: Say, points: Iterable[str] | None = None
) -> Scrubbed:
    """Read and verify all points, or these; reads only. Raises what the store raises when it does
    not answer."""
    account = _Account(instance)
    for key, reason in check_opening(vault.store):
        account.blob(key, reason)
    manifests, unreadable = catalog.readable(vault, instance, points)
    for point, reason in unreadable.items():
        account.blob(layout.manifest(instance, point), reason, (point,), "its manifest")
    _documents(vault, manifests, account)
    grouped, frames = shelves(manifests), Frames()
    for shelf in grouped:
        for broken in survey(vault, shelf, frames):
            account.blob(broken.key, broken.reason, broken.points, broken.lost)
    chosen = [pack for pack in frames.packs() if share.takes(pack)]
    say(f"{len(manifests)} points, {len(chosen)} of {len(frames.packs())} packs ({share})")
    reasons: dict[str, str] = {}
    for pack in chosen:
        reasons |= _pack(vault, pack, frames, account)
    if account.bad_frames or account.bad_records:
        for shelf in grouped:
            for loss in losses(vault, shelf, account.loses):
                key = pack_key(loss.pack)
                account.blob(key, reasons[key], (loss.point,), loss.title)
    return _told(vault, account, manifests, share)


def record_damage(vault: Vault, found: Scrubbed, now: str) -> tuple[str, ...]:
    """Put damaged packs on record, for the next backup; returns those that are new there."""
    fresh = []
    for one in found.damage:
        pack = layout.last_segment(one.blob)
        if one.blob != pack_key(pack):
            continue
        with suppress(BlobExists):
            key = layout.damaged_pack(found.instance, pack)
            vault.put_document(key, DamagedPack(pack, one.reason, now))
            fresh.append(pack)
    return tuple(fresh)


def damage_lines(found: Scrubbed) -> Iterator[str]:
    """The report, for people: a line for each blob, each point, and each object that is lost."""
    for one in found.damage:
        yield f"{one.blob}: {one.reason}"
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for point, lost in found.lost.items():
        alike[lost].append(point)
    for lost, (*others, last) in alike.items():
        yield from (f"point {point} has lost what {last} has lost" for point in others)
        yield from (f"point {last} has lost {what}" for what in lost[:_NAMED])
        if len(lost) > _NAMED:
            more = len(lost) - _NAMED
            yield f"point {last} has lost {more} more: see lifeboat scrub {found.instance} --json"


def ensure_sound(found: Scrubbed) -> None:
    """Raises Damaged with the numbers; `damage_lines` has the names, which may be many."""
    if not found.damage:
        return
    whole = found.newest_whole
    newest = f"the newest point that is still whole is {whole}" if whole else "no point is whole"
    raise Damaged(
        f"{found.instance}: damaged blobs: {len(found.damage)}, points that have lost something:"
        f" {len(found.lost)} of {found.points}",
        hint=f"{newest}; what to do: docs/operations.md, {DOCUMENTED}",
    )


def _documents(vault: Vault, manifests: list[Manifest], account: _Account) -> None:
    """Every document beside the manifests; a point's policy text is part of the point."""
    instance = account.instance
    readers: dict[str, list[str]] = defaultdict(list)
    for manifest in manifests:
        readers[layout.policy(instance, manifest.policy_digest)].append(manifest.point)
    listed = {stat.key for stat in vault.store.list(layout.instance_root(instance))}
    for key in sorted(listed | readers.keys()):
        if key.startswith(layout.points(instance)):
            continue
        points = tuple(readers.get(key, ()))
        try:
            vault.get_document(key, object)
        except UNREADABLE as error:
            if points or not isinstance(error, BlobMissing):  # else it was removed meanwhile
                account.blob(key, error.message, points, "the text of its policy")


def _pack(vault: Vault, pack: str, frames: Frames, account: _Account) -> dict[str, str]:
    """Verify the needed frames of one pack; returns its key with the first reason, if any."""
    key, wanted = pack_key(pack), frames.of(pack)
    end = max(offset + length for _, offset, length, _ in wanted)
    first = ""
    account.packs += 1
    try:
        body = vault.store.get_range(key, 0, end)
        check_magic(pack, body[:4])
    except BlobMissing as error:
        account.bad_frames.update(wanted)
        account.blob(key, error.message)
        return {key: error.message}
    except (Damaged, NewerFormat) as error:
        first = error.message
        account.blob(key, first)
    account.bytes += len(body)
    for frame in wanted:
        account.frames += 1
        reason = _frame(vault, frame, body, frames, account)
        if reason:
            account.blob(key, reason)
            first = first or reason
    return {key: first} if first else {}


def _frame(vault: Vault, frame: Frame, body: bytes, frames: Frames, account: _Account) -> str:
    """Verify one frame and the records that are needed of it; returns what is wrong."""
    pack, offset, _, _ = frame
    try:
        wrong = misplaced(vault.cipher, frame, body, frames)
    except UNREADABLE as error:
        account.bad_frames.add(frame)
        return error.message
    account.bad_records.update((record, Place(*frame, line)) for line, record in wrong)
    return f"pack {pack} at byte {offset}: is not record {wrong[-1][1]}" if wrong else ""


def _told(vault: Vault, account: _Account, manifests: list[Manifest], share: Sample) -> Scrubbed:
    there = set(catalog.point_ids(vault, account.instance))
    lost = {point: tuple(what) for point, what in sorted(account.lost.items()) if point in there}
    whole = [m.point for m in manifests if m.complete and m.point in there - lost.keys()]
    return Scrubbed(
        instance=account.instance,
        sample=str(share),
        points=len(there),
        packs=account.packs,
        frames=account.frames,
        bytes=account.bytes,
        damage=tuple(account.damage(there)),
        lost=lost,
        newest_whole=whole[-1] if whole else "",
    )
