"""Which packs the next point should empty (docs/format.md, "Compaction").

A point that is kept for a year keeps alive every pack that one of its objects lies in. Where much
changes, those are hundreds of packs, each with a few objects that nobody has changed since. So the
first point of a month (or of the longest period that the policy counts) stores anew what lives in
mostly dead packs. They die with the hourly points that wrote them, and nothing was ever rewritten.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from lifeboat.clock import parse_rfc3339
from lifeboat.point import catalog
from lifeboat.point.ident import stamp
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import Manifest, open_contents, read_manifest
from lifeboat.policy.periods import Calendar
from lifeboat.policy.rules import Retention, Tier
from lifeboat.steps.context import Context
from lifeboat.vault.packs import stat_packs

_MOSTLY_DEAD = 0.7  # simulated: 0.5 leaves a third more behind, 0.85 writes more than it frees
_LONG: tuple[Tier, ...] = ("monthly", "yearly", "weekly")


def sparse_packs(context: Context, point: str) -> tuple[str, ...]:
    """Names of the packs whose live records the one after `point` stores anew; for most none."""
    rules, now = context.instance.policy.retention, context.clock()
    tier = _long_period(rules)
    if tier is None or not point:
        return ()
    previous = read_manifest(context.vault, context.instance.id, point)
    calendar, before = Calendar(rules), parse_rfc3339(previous.captured_to)
    if calendar.key(tier, now) == calendar.key(tier, before):
        return ()
    live = _live_bytes(context, previous)
    # What the period's first point holds stays as long as that does, whatever is stored anew.
    held = _held_by_first(context, calendar.start(tier, before))
    stats = stat_packs(context.vault.store, live.keys() - held)
    return tuple(pack for pack, stat in stats.items() if live[pack] < _MOSTLY_DEAD * stat.size)


def _long_period(rules: Retention) -> Tier | None:
    """Months where they are kept, else years or weeks."""
    if rules.select != "first":
        return None  # the last point of a period is not known to be one when it is made
    return next((tier for tier in _LONG if tier in rules.keep.tiers), None)


def _live_bytes(context: Context, manifest: Manifest) -> dict[str, float]:
    """What the rows of a point make up of each pack, in stored bytes."""
    live: defaultdict[str, float] = defaultdict(float)
    for _, entry in open_contents(context.vault, manifest).rows():
        live[entry.place.pack] += entry.place.length / entry.place.lines
    return live


def _held_by_first(context: Context, since: datetime) -> set[str]:
    instance = context.instance.id
    for point in catalog.point_ids(context.vault, instance):
        if point >= stamp(since):
            manifest = read_manifest(context.vault, instance, point)
            return needed_by(context.vault, [manifest]).packs
    return set()
