"""The tasks of upkeep: reconcile, scrub, prune."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context

from lifeboat.pipeline.backup_tasks import prune
from lifeboat.pipeline.opening import complain, leaving_errors, open_instance, say

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["prune", "reconcile", "scrub"]


def reconcile(instance: str) -> dict[str, Any]:
    """Puts orphans on record and removes those that were long enough. Raises Damaged for points
    whose data is gone, once that is done."""
    from lifeboat.steps.reconcile import ensure_nothing_gone, gone_lines, remove_orphans
    from lifeboat.steps.reconcile import reconcile as compare

    with leaving_errors():
        opened = open_instance(instance)
        found = compare(opened)
        removed = remove_orphans(opened, found)
        for orphan in found.orphans:
            since = f"on record since {orphan.since}" if orphan.since else "put on record"
            say(f"orphan {orphan.what}: {orphan.reason} ({since})")
        for what in removed:
            say(f"removed {what}")
        say(f"orphans: {len(found.orphans)}, of which removed: {len(removed)}")
        for line in gone_lines(found):
            complain(line)
        ensure_nothing_gone(found)
    return {"orphans": len(found.orphans), "removed": len(removed)}


def scrub(instance: str, percent: str) -> dict[str, Any]:
    """Reads this turn's share again. Raises Damaged once blobs, points and objects are named."""
    from lifeboat.steps.scrub import damage_lines, ensure_sound, sample, turn_at
    from lifeboat.steps.scrub import scrub as read_again

    with leaving_errors():
        opened = open_instance(instance)
        interval = opened.instance.policy.upkeep.schedule.gap.length.total_seconds()
        turn = turn_at(_tick().timestamp(), interval)
        found = read_again(opened.vault, instance, sample(int(percent), turn), say)
        say(f"read {found.bytes} bytes in {found.frames} frames (turn {turn})")
        say(f"the newest whole point is {found.newest_whole or 'none'}")
        for line in damage_lines(found):
            complain(line)
        ensure_sound(found)
    return {"points": found.points, "packs": found.packs, "bytes": found.bytes}


def _tick() -> datetime:
    """The moment that the run stands for: a run that starts late has the turn of its tick."""
    run = get_current_context()["dag_run"]
    moment = run.logical_date or run.run_after
    assert moment is not None  # every run is due at some moment
    return moment
