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
from lifeboat.point.manifest import Run, read_manifest
from lifeboat.policy.fires import Fires, offset_of
from lifeboat.steps.context import Context

NO_RUN = "no run captured it: Airflow was down, or the DAG paused or not there"
FAILED_RUN = "its run made no point"
LATE_RUN = "its run began when the interval was over"
_SECOND = timedelta(seconds=1)
_MOST = 1000  # of an outage at once; a backfill records the older ones


def fires_of(context: Context) -> Fires | None:
    """When the instance's backups are due; None where no time says so."""
    rhythm = context.instance.policy.rhythm
    return Fires(rhythm, offset_of(context.instance.id, rhythm.jitter)) if rhythm else None


def captured_in(context: Context, tick: datetime) -> str:
    """What was captured in the interval that begins at a tick, in words; empty for a gap."""
    fires, instance = fires_of(context), context.instance.id
    if fires is None:
        return ""
    begin, end = stamp(tick), stamp(fires.at_or_after(tick + _SECOND))
    for point in catalog.point_ids(context.vault, instance):
        if begin <= point < end and read_manifest(context.vault, instance, point).complete:
            return f"point {point}"
    removed = [p for p in removed_points(context.vault, instance) if begin <= p < end]
    return f"point {min(removed)}, which was removed since" if removed else ""


def is_open(context: Context, tick: datetime) -> bool:
    """Whether the interval that begins at a tick is not over: a point of now lies in it."""
    fires = fires_of(context)
    return fires is not None and fires.at_or_after(tick + _SECOND) > context.clock()


def record(context: Context, tick: datetime, cause: str, covered: str = "") -> None:
    """One gap; a second account of the same tick changes nothing."""
    points = catalog.point_ids(context.vault, context.instance.id)
    _record(context, points, tick, cause, covered)


def record_missed(context: Context, run: Run) -> int:
    """The ticks between the newest point and now, where a scheduled run captures; how many there
    are. None before the first point: nothing was promised then.

    Not those before the run's own tick alone: after an outage Airflow's first run may be that of
    the first tick it missed, and is followed by that of the newest.
    """
    fires, instance = fires_of(context), context.instance.id
    points = catalog.point_ids(context.vault, instance)
    if fires is None or not points:
        return 0
    own = parse_rfc3339(run.scheduled_for)
    # The clock of a worker may be behind that of the scheduler.
    newest = max(fires.before(context.clock() + _SECOND), own)
    missed = list(_between(fires, moment_of(points[-1]), newest))
    for tick in missed[:_MOST]:
        # Airflow's own name of the run; a run that never asked the vault left nothing in it.
        claim = layout.claim(instance, f"scheduled__{tick.isoformat()}")
        began = context.vault.store.stat(claim) is not None
        cause = FAILED_RUN if began else LATE_RUN if tick == own else NO_RUN
        _record(context, points, tick, cause)
    return len(missed)


def _between(fires: Fires, point: datetime, tick: datetime) -> Iterator[datetime]:
    """Ticks of intervals that hold neither the point nor the newest tick, newest first."""
    first = fires.before(point + _SECOND)
    return takewhile(lambda fire: fire > first, fires.backwards(tick - _SECOND))


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
