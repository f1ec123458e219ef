"""The tasks that only a standby has: choose, prepare, report. Between them are a restore's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import DownstreamTasksSkipped

from lifeboat.errors import NotStandingBy, RestoreIncomplete
from lifeboat.pipeline.opening import errors_of, leaving_errors, open_sides, pull, say
from lifeboat.pipeline.restore_tasks import RESTORE_KEY
from lifeboat.pipeline.trail import by_a_person, leave_at

if TYPE_CHECKING:
    from lifeboat.point.standby import StandbyEvent
    from lifeboat.steps.context import Context

SKIPPED_KEY = "skipped"
_TASKS = ["choose", "prepare", "volumes", "resources", "ready"]


def choose(instance: str, point: str, otherwise_skip: list[str]) -> None:
    """Takes the turn to bring a point there. Where there is nothing to do, `otherwise_skip` is
    skipped. Raises NotStandingBy while the standby runs the application."""
    from lifeboat.standby.sync import Asked, begin, points_waiting

    context = get_current_context()
    run = context["dag_run"]
    with leaving_errors():
        sides = open_sides(instance)
        opened = sides.standby()
        every, waiting = sides.wanted.every_points, points_waiting(opened)
        told = ""
        if run.run_type.value == "asset_triggered" and waiting < every:
            told = f"{waiting} points are newer than the one that lies there, of {every}"
        else:
            by = run.triggering_user_name or "" if by_a_person() else ""
            asked = Asked(run.run_id, by)
            began = begin(opened, point or "latest", asked, sides.read_transform)
            if began.event == "synced":
                told = f"point {began.point} is there since {began.at}"
    if told:
        say(f"nothing to bring: {told}")
        context["ti"].xcom_push(key=SKIPPED_KEY, value=told)
        raise DownstreamTasksSkipped(tasks=otherwise_skip)  # type: ignore[no-untyped-call]
    say(f"bringing point {began.point} of {instance} to {began.cluster}")
    if by_a_person():
        leave_at(opened, "standby", began.point, f"to {began.cluster}")
    context["ti"].xcom_push(key=RESTORE_KEY, value=began.restore)


def prepare(instance: str, restore: str) -> None:
    """Plans it, and makes definitions, namespaces and cluster-wide settings."""
    from lifeboat.standby.sync import start

    with leaving_errors():
        opened = open_sides(instance).standby()
        start(opened, _turn(opened, restore), say)


def report(instance: str) -> dict[str, Any]:
    """Writes what lies there now, also when an earlier task failed. Raises RestoreIncomplete,
    naming what was not brought."""
    from lifeboat.clock import rfc3339
    from lifeboat.standby.sync import came_through, ensure_whole, finish, record_failure

    skipped = pull("choose", SKIPPED_KEY)
    if skipped:
        say(f"nothing was brought: {skipped}")
        return {"skipped": skipped}
    restore, run = pull("choose", RESTORE_KEY), get_current_context()["dag_run"]
    told = errors_of(_TASKS)
    if not restore:
        raise RestoreIncomplete("nothing was brought\n" + "\n".join(told))
    assert run.start_date is not None  # this run has started
    opened = open_sides(instance).standby()
    began = _turn(opened, restore)
    if not told and not came_through(opened, began):
        told = ["a task failed without a message; its log says more"]
    if began.event == "syncing" and told:
        record_failure(opened, began, "; ".join(told))
        raise RestoreIncomplete(
            "\n".join([f"point {began.point} is not there", *told]),
            hint="mend the cause and trigger this DAG again: what is there is not brought twice",
        )
    ended = finish(opened, began, rfc3339(run.start_date))
    for line in ended.notes:
        say(f"warning: {line}")
    ensure_whole(ended)
    say(f"point {ended.point} lies in {ended.cluster}")
    return {"point": ended.point, "captured": ended.captured}


def _turn(opened: Context, restore: str) -> StandbyEvent:
    """The newest event, which is this run's. Raises NotStandingBy when it is not any more."""
    from lifeboat.standby.sync import standing_of

    head = standing_of(opened).head
    if head is None or head.restore != restore:
        raise NotStandingBy("the standby moved on while this run brought a point there")
    return head
