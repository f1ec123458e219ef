"""Which points are to be proven, and when: the point that stood at a moment, the newest of each
period, every so many points, and a calendar of drills over all instances.

Decides from ids and verdicts; starts nothing.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from lifeboat.clock import parse_rfc3339
from lifeboat.errors import UsageError
from lifeboat.point import catalog
from lifeboat.point.facts import readable_verdicts
from lifeboat.policy.instance import Instance
from lifeboat.policy.periods import Calendar
from lifeboat.policy.rules import PERIODS, Tier
from lifeboat.vault.vault import Vault

_SOON = timedelta(days=1)
_EARLY = 0.8
"""A drill comes before its time is up: a point that fails is proven again within it."""
_FRESH = 0.25


def stood_at(vault: Vault, instance: str, moment: datetime) -> str:
    """The newest complete point that was captured before a moment, of those that are still there;
    empty when there is none."""
    try:
        return catalog.find(vault, instance, before=moment).point
    except UsageError:
        return ""


def is_proven(vault: Vault, instance: str, point: str) -> bool:
    return any(verdict.proven for verdict in readable_verdicts(vault, instance, point))


def points_since_test(vault: Vault, instance: str) -> int:
    """Points that are newer than the newest one that a test restore tried; all when none did."""
    points = catalog.point_ids(vault, instance)
    tried = [verdict.point for verdict in readable_verdicts(vault, instance)]
    return len(points) - (bisect_right(points, max(tried)) if tried else 0)


def newest_of_each(
    vault: Vault, found: Instance, every: str, since: datetime, until: datetime
) -> list[str]:
    """The newest complete point of each period (`monthly`, …) in the zone of the policy's
    retention, oldest first, of those captured from `since` until `until`.

    Raises UsageError for an unknown period.
    """
    tier = _tier(every)
    calendar = Calendar(found.policy.retention)
    manifests, _ = catalog.readable(vault, found.id)
    captured = [(parse_rfc3339(one.captured_to), one.point) for one in manifests if one.complete]
    wanted = sorted(one for one in captured if since <= one[0] < until)
    keyed = [(calendar.key(tier, moment), point) for moment, point in wanted]
    last = keyed[-1:]
    return [one[1] for one, after in pairwise(keyed) if one[0] != after[0]] + [p for _, p in last]


def _tier(every: str) -> Tier:
    for tier in PERIODS:
        if tier == every:
            return tier
    raise UsageError(f"unknown period {every!r}", hint=f"known are {', '.join(PERIODS)}")


@dataclass(frozen=True)
class Drill:
    """An instance whose points have to be proven at least every `within`; `proven` is when one was,
    None for never."""

    instance: str
    within: timedelta
    proven: datetime | None


def drill_of(vault: Vault, found: Instance) -> Drill | None:
    """None for a policy without `testRestore.within`."""
    wanted = found.policy.test_restore
    if wanted is None or wanted.within is None:
        return None
    ended = [one.ended for one in readable_verdicts(vault, found.id) if one.proven]
    return Drill(found.id, wanted.within, parse_rfc3339(max(ended)) if ended else None)


def due_today(drills: Iterable[Drill], now: datetime, at_most: int) -> list[str]:
    """The instances to prove today, those that used up most of their time first, never more than
    `at_most`.

    An instance's turn comes every 0.8 of its time, on a day that its name decides, so that a fleet
    spreads over the calendar; who is nearly late, or was never proven, has its turn every day.
    """
    ranked = sorted(
        ((_used(drill, now), _number(drill.instance), drill.instance) for drill in drills
         if _is_due(drill, now)),
        key=lambda one: (-one[0], one[1]),
    )  # fmt: skip
    return [instance for _, _, instance in ranked[:at_most]]


def _is_due(drill: Drill, now: datetime) -> bool:
    if drill.proven is None or now - drill.proven >= drill.within - _SOON:
        return True
    every = max(1, int(drill.within * _EARLY / timedelta(days=1)))
    turn = (now.toordinal() + _number(drill.instance)) % every == 0
    return turn and _used(drill, now) >= _FRESH


def _used(drill: Drill, now: datetime) -> float:
    """The share of its time that has passed; without end for one that was never proven."""
    return (now - drill.proven) / drill.within if drill.proven else float("inf")


def _number(instance: str) -> int:
    return int.from_bytes(hashlib.sha256(instance.encode()).digest()[:4])
