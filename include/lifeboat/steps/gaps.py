"""Intervals without a point: which there are, how long nothing was captured, and why.

The vault alone is asked: ids of points and of removed ones say when something was captured, a
claim says that a run began to.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.point import catalog, layout
from lifeboat.point.facts import Gap, record_gap, removed_points
from lifeboat.point.ident import moment_of, stamp
from lifeboat.point.manifest import Manifest, read_manifest
from lifeboat.policy.fires import Fires, offset_of
from lifeboat.steps.context import Context

NO_RUN = "no run captured it: Airflow was down, or the DAG paused or not there"
FAILED_RUN = "its run made no point"
_SECOND = timedelta(seconds=1)
_BY_A_PERSON = ("manual", "cli")
_MOST = 1000  # of an outage at once; a backfill records the older ones


def fires_of(context: Context) -> Fires | None:
    """When the instance's backups are due; None where no time says so."""
    rhythm = context.instance.policy.rhythm
    return Fires(rhythm, offset_of(context.instance.id, rhythm.jitter)) if rhythm else None


def captured_in(context: Context, tick: datetime) -> str:
    """What was captured in the interval that begins at a tick, in words; empty for a gap."""
    fires = fires_of(context)
    if fires is None:
        return ""
    for manifest in _whole_in(context, fires, tick):
        return f"point {manifest.point}"
    begin, end = _bounds(fires, tick)
    gone = removed_points(context.vault, context.instance.id)
    removed = [point for point in gone if begin <= point < end]
    return f"point {min(removed)}, which was removed since" if removed else ""


def is_caught_up(context: Context, tick: datetime) -> bool:
    """Whether the interval that begins at a tick holds the catch-up point of an earlier one."""
    fires = fires_of(context)
    return fires is not None and any(
        parse_rfc3339(manifest.run.scheduled_for) < tick
        for manifest in _whole_in(context, fires, tick)
        if manifest.run.scheduled_for
    )


def _whole_in(context: Context, fires: Fires, tick: datetime) -> Iterator[Manifest]:
    begin, end = _bounds(fires, tick)
    for point in catalog.point_ids(context.vault, context.instance.id):
        if begin <= point < end:
            manifest = read_manifest(context.vault, context.instance.id, point)
            if manifest.complete:
                yield manifest


def _bounds(fires: Fires, tick: datetime) -> tuple[str, str]:
    """Between which ids the points of an interval lie."""
    return stamp(tick), stamp(fires.at_or_after(tick + _SECOND))


def is_over(context: Context, tick: datetime) -> bool:
    """Whether the next tick has come: then no point of now lies in the interval that begins at
    this one. Never, of what no time fires."""
    fires = fires_of(context)
    return fires is not None and fires.at_or_after(tick + _SECOND) <= context.clock()


def record(context: Context, tick: datetime, cause: str, covered: str = "") -> None:
    """One gap; a second account of the same tick changes nothing."""
    points = catalog.point_ids(context.vault, context.instance.id)
    _record(context, points, tick, cause, covered)


def record_missed(context: Context) -> int:
    """The ticks that are over since the newest point of a schedule, but for those whose interval
    holds one that a person asked for; how many there are. None before the first point: nothing
    was promised then."""
    fires, instance = fires_of(context), context.instance.id
    points = catalog.point_ids(context.vault, instance)
    if fires is None or not points:
        return 0
    first, held = _kept_up(context, fires, points)
    now = fires.before(context.clock() + _SECOND)
    over = takewhile(lambda tick: tick > first, fires.backwards(now - _SECOND))
    missed = [tick for tick in over if tick not in held]
    for tick in missed[:_MOST]:
        # Airflow's own name of the run; a run that never asked the vault left nothing in it.
        claim = layout.claim(instance, f"scheduled__{tick.isoformat()}")
        began = context.vault.store.stat(claim) is not None
        _record(context, points, tick, FAILED_RUN if began else NO_RUN)
    return len(missed)


def _kept_up(
    context: Context, fires: Fires, points: list[str]
) -> tuple[datetime, frozenset[datetime]]:
    """The tick up to which everything is told, which is that of the newest point that no person
    asked for (else of the first of all), and later ticks whose interval holds a whole point."""
    held: set[datetime] = set()
    for point in reversed(points):
        tick = fires.before(moment_of(point) + _SECOND)
        manifest = read_manifest(context.vault, context.instance.id, point)
        if manifest.run.trigger not in _BY_A_PERSON:
            break
        if manifest.complete:
            held.add(tick)
    return tick, frozenset(held)


def _record(
    context: Context, points: list[str], tick: datetime, cause: str, covered: str = ""
) -> None:
    now = context.clock()
    earlier = [point for point in points if point < stamp(tick)]
    later = points[len(earlier) : len(earlier) + 1]
    begin = moment_of(earlier[-1]) if earlier else tick
    end = moment_of(later[0]) if later else now
    seconds = round((end - begin).total_seconds())
    gap = Gap(rfc3339(tick), rfc3339(now), cause, covered, seconds)
    record_gap(context.vault, context.instance.id, stamp(tick), gap)
