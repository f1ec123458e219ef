"""Compares a point with the cluster as it is now. Reads only: nothing is stored in the vault.

What is listed and what of it counts is decided as for a backup (`decide_scope`, `Sieve`), so an
object is "removed" when a backup of now would not hold it: it is gone, or no longer selected. Where
a backup would not even look, or is refused, nothing is said but that it was not compared.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from operator import attrgetter

from lifeboat.clock import rfc3339
from lifeboat.point.compare import Difference, across_versions
from lifeboat.point.contents import Contents
from lifeboat.point.ident import new_point_id
from lifeboat.point.manifest import LeftOut, Run
from lifeboat.point.wanted import EVERYTHING, Wanted
from lifeboat.policy.selection import opted_out
from lifeboat.steps.context import Context
from lifeboat.steps.dump import key_of, refusal
from lifeboat.steps.enumerate import decide_scope
from lifeboat.steps.listing import Arrived, Failed, list_all, worth_retrying
from lifeboat.steps.needs import Needs
from lifeboat.steps.related import Related
from lifeboat.steps.scope import Claim, Listing, Scope
from lifeboat.steps.sieve import Sieve
from lifeboat.steps.strip import Stripped, strip
from lifeboat.vault.rows import Entry, Key

_NOT_LOOKED_AT = "a backup of now would not look at them: not selected, or nothing needs them"


LiveDifference = Difference[bytes]
"""What the point holds (`before`) and the record that a backup of now would store (`after`)."""


@dataclass(frozen=True)
class LiveComparison:
    """`differences` in ascending order of key; `not_compared` names what could not be listed."""

    differences: list[LiveDifference]
    not_compared: tuple[LeftOut, ...]


@dataclass
class _Seen:
    """What came of one listing: ordinals of the point's rows that were met, and what differs."""

    ordinals: array[int] = field(default_factory=lambda: array("L"))
    differing: list[LiveDifference] = field(default_factory=list)


def compare_live(
    context: Context, contents: Contents, wanted: Wanted = EVERYTHING
) -> LiveComparison:
    """List what a backup would and compare it with the point. Raises what a retry may cure."""
    now = context.clock()
    scope = decide_scope(context, Claim(new_point_id(now), Run("", "cli"), rfc3339(now)))
    follow = not wanted.namespaces and any(wanted.names(k.group, k.kind) for k in scope.needed)
    listings = [
        one for shard in scope.shards for one in shard.listings if follow or _asked(wanted, one)
    ]
    comparison = _Comparison(context, scope, contents, wanted)
    comparison.look(listings)
    if follow:  # what is needed is known once everything that needs it was seen
        related = Related(context.cluster, scope)
        needed = related.listings(comparison.needs)
        comparison.look(needed)
        listings += needed
        comparison.not_told += related.left_out
    return comparison.finish(listings)


def _asked(wanted: Wanted, listing: Listing) -> bool:
    if not wanted.names(listing.kind.group, listing.kind.kind):
        return False
    if not wanted.namespaces:
        return True
    return listing.kind.namespaced and listing.namespace in (None, *wanted.namespaces)


class _Comparison:
    def __init__(self, context: Context, scope: Scope, contents: Contents, wanted: Wanted) -> None:
        self._context, self._contents, self._wanted = context, contents, wanted
        self._sieve = Sieve(context.instance.policy.select, scope.namespaces)
        self._seen: dict[Listing, _Seen] = {}
        self._failed: dict[Listing, LeftOut] = {}
        self.needs = Needs()
        self.not_told: list[LeftOut] = []

    def look(self, listings: Sequence[Listing]) -> None:
        most = self._context.instance.policy.requests_a_dump
        with closing(list_all(self._context.cluster, listings, most)) as arrivals:
            for arrived in arrivals:
                self._take(arrived)

    def _take(self, arrived: Arrived | Failed) -> None:
        listing = arrived.listing
        if isinstance(arrived, Failed):
            if worth_retrying(arrived.error):
                raise arrived.error
            self._failed[listing] = refusal(arrived)
            self._seen.pop(listing, None)
        elif arrived.restarted:
            self._seen.pop(listing, None)
        else:
            takes = self._sieve.of(listing)
            items = [strip(listing.kind, fields) for fields in arrived.items]
            taken = [i for i in items if takes(i) and not opted_out(i.labels, i.annotations)]
            self.needs.see(listing.kind, taken)
            for item in taken:
                self._compare(listing, item)

    def _compare(self, listing: Listing, item: Stripped) -> None:
        key = key_of(listing.kind, item)
        if not self._wanted.matches(key):
            return
        seen = self._seen.setdefault(listing, _Seen())
        known = self._contents.find(key)
        if known is not None:
            seen.ordinals.append(known[0])
        if known is None or known[1].record != self._context.vault.cipher.record_id(item.content):
            seen.differing.append(LiveDifference(key, known and known[1], item.content))

    def finish(self, listings: Sequence[Listing]) -> LiveComparison:
        met = bytearray(self._contents.overlay.space)
        differing: dict[Key, LiveDifference] = {}
        for seen in self._seen.values():
            differing.update((one.key, one) for one in seen.differing)
            for ordinal in seen.ordinals:
                met[ordinal] = 1
        judge = _Judge(self._context, listings, self._failed)
        untold: Counter[tuple[str, str]] = Counter()
        for ordinal, entry in self._contents.rows():
            if met[ordinal] or not self._wanted.matches(entry.key):
                continue
            reason = judge.why_unknown(entry)
            if reason:
                untold[entry.group_kind, reason] += 1
            else:
                differing[entry.key] = LiveDifference(entry.key, entry, None)
        not_compared = [
            LeftOut(f"{number} {kind} of the point", reason)
            for (kind, reason), number in sorted(untold.items())
        ]
        differences = sorted(differing.values(), key=attrgetter("key"))
        all_untold = (*self._failed.values(), *self.not_told, *not_compared)
        return LiveComparison(across_versions(differences), all_untold)


class _Judge:
    """Tells an object that is gone from one that could not be looked for."""

    def __init__(
        self, context: Context, listings: Sequence[Listing], failed: dict[Listing, LeftOut]
    ) -> None:
        discovery = context.cluster.discover()
        self._failures = discovery.failures
        self._served = {(kind.group, kind.kind) for kind in discovery.kinds}
        self._listed = {(one.kind.group, one.kind.kind) for one in listings}
        self._failed = {
            (one.kind.group, one.kind.kind, one.namespace): left.reason
            for one, left in failed.items()
        }

    def why_unknown(self, entry: Entry) -> str:
        """Why nobody can say whether the object is still there; empty when it is gone."""
        version = f"{entry.group}/{entry.version}" if entry.group else entry.version
        if version in self._failures:
            return f"cannot be discovered: {self._failures[version]}"
        kind = (entry.group, entry.kind)
        for namespace in (None, entry.namespace):
            if (*kind, namespace) in self._failed:
                return self._failed[(*kind, namespace)]
        if not entry.namespace and kind in self._served and kind not in self._listed:
            return _NOT_LOOKED_AT
        return ""
