"""What a backfilled run of upkeep does: real work on the point that stood at its interval.

Reconcile and prune are about what there is now; nothing of them can be done for the past. The point
of then can be brought into every copy, read again from its first byte to its last, and reported on.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from lifeboat.clock import parse_rfc3339
from lifeboat.pipeline.opening import complain, open_copies, say, this_run

if TYPE_CHECKING:
    from lifeboat.report.standing import Standing
    from lifeboat.steps.context import Context, Custody


def past_moment() -> datetime | None:
    """The tick of a backfilled run; None in every other."""
    run = this_run()
    return parse_rfc3339(run.scheduled_for) if run.trigger == "backfill" else None


def look_back(opened: Context, moment: datetime) -> dict[str, Any]:
    """Reports how the instance stood, and brings that point into the copies that lack it. Raises
    Damaged for what could not be copied."""
    import msgspec

    from lifeboat.report.standing import standing_lines
    from lifeboat.steps.copy import copy_points, ensure_copied

    stood = _standing(opened, moment)
    for line in standing_lines(stood):
        say(line)
    copied = []
    first, copies = open_copies(opened.instance.id)
    for there in copies if stood.point else ():
        done = copy_points(first, there, say, stood.point)
        ensure_copied(done)
        copied.append(done.vault)
    return {**msgspec.to_builtins(stood), "copied": copied}


def _standing(opened: Context, moment: datetime) -> Standing:
    from lifeboat.report.standing import standing_at

    instance = opened.instance
    return standing_at(opened.vault, instance.id, moment, instance.policy.objectives.rpo)


def scrub_past(opened: Context, moment: datetime) -> dict[str, Any]:
    """Reads all of the point of then again, in the vault and in each copy that has it. Raises
    Damaged, and AirflowSkipException where no point stood."""
    from lifeboat.point import catalog
    from lifeboat.steps.scrub import Sample, Scrubbed, damage_lines, ensure_sound, scrub

    instance, point = opened.instance.id, _standing(opened, moment).point
    if not point:
        raise AirflowSkipException("no point stood then that is still there")

    def look(place: Custody) -> Scrubbed:
        found = scrub(place.vault, instance, Sample(), say, (point,))
        vault = place.instance.vault.name
        say(f"{vault}: read {found.bytes} bytes of point {point}")
        for line in damage_lines(found):
            complain(f"{vault}: {line}")
        return found

    looks = [look(opened)]
    for copy in open_copies(instance)[1]:
        if point in catalog.point_ids(copy.vault, instance):
            looks.append(look(copy))
    for found in looks:
        ensure_sound(found)
    return {"point": point, "packs": looks[0].packs, "bytes": looks[0].bytes, "places": len(looks)}
