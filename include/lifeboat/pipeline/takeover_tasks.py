"""The tasks of failover and failback. Each opens what it needs anew and may run again after a
crash: the standby's log in the vault says how far it came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import DownstreamTasksSkipped

from lifeboat.clock import rfc3339, utc_now
from lifeboat.errors import NotApproved
from lifeboat.pipeline.approving import APPROVE_TASK, ASKED_KEY, REJECTED_KEY, answer_of
from lifeboat.pipeline.frame import FAILBACK_DAG
from lifeboat.pipeline.opening import (
    errors_of,
    leaving_errors,
    open_flows_of,
    open_sides,
    pull,
    say,
)
from lifeboat.pipeline.trail import leave

if TYPE_CHECKING:
    from lifeboat.standby.runbook import Wish

SHOWN_KEY = "shown"


def check(otherwise_skip: list[str]) -> None:
    """Asks both clusters and the vault, and changes nothing. A dry run ends here: the approval and
    `otherwise_skip` are skipped. Where nobody has to approve, nobody is asked. Raises NotApproved
    for what nobody could ever approve."""
    from lifeboat.standby.approval import ensure_answerable
    from lifeboat.standby.situation import look
    from lifeboat.standby.sync import bounded
    from lifeboat.standby.undone import not_undone

    context = get_current_context()
    params, run = context["params"], context["dag_run"]
    asked_by, now = run.triggering_user_name or "", utc_now()
    with leaving_errors():
        sides = open_sides(str(params["instance"]))
        lines = list(look(sides, now).lines())
        if run.dag_id == FAILBACK_DAG:
            lines += bounded(list(not_undone(sides)))
        if not params["dry_run"]:
            ensure_answerable(sides, asked_by)
    for line in lines:
        say(line)
    if params["dry_run"]:
        skipped = [APPROVE_TASK, "approved", *otherwise_skip]
        raise DownstreamTasksSkipped(tasks=skipped)  # type: ignore[no-untyped-call]
    leave(sides.vault, sides.instance, run.dag_id, now, sides.entry.name)
    push = context["ti"].xcom_push
    push(key=ASKED_KEY, value=[asked_by, rfc3339(now)])
    if sides.wanted.approval == "none":
        raise DownstreamTasksSkipped(tasks=[APPROVE_TASK])  # type: ignore[no-untyped-call]
    push(key=SHOWN_KEY, value="\n".join(f"- {line}" for line in lines))


def approved(instance: str) -> str:
    """Records in the vault's trail who agreed. Raises NotApproved when whoever answered may not."""
    from lifeboat.standby.approval import ensure_may_agree

    with leaving_errors():
        sides = open_sides(instance)
        if sides.wanted.approval == "none":
            return "nobody has to approve it"
        said, (asked_by, _) = answer_of(pull(APPROVE_TASK)), pull("check", ASKED_KEY)
        ensure_may_agree(sides, asked_by, said.who)
        dag = get_current_context()["dag_run"].dag_id
        place, now = sides.entry.name, utc_now()
        leave(sides.vault, sides.instance, "approve", now, place, dag, said.who, said.at)
    say(f"approved by {said.who} at {said.at}")
    return said.who


def fence(instance: str) -> list[str]:
    """Takes the turn and holds the primary, if it answers; what runs on there."""
    from lifeboat.standby import failover

    with leaving_errors():
        sides = open_sides(instance)
        began = failover.begin(sides, _wish())
        over = began.mode == "failing-over"
        notes = failover.fence_or_tell(sides, say) if over else []
    for note in notes:
        say(note)
    return notes


def capture(instance: str) -> str:
    """The point to bring: of a planned failover a new one of the primary, which stands still."""
    from lifeboat.standby import failover

    with leaving_errors():
        sides = open_sides(instance)
        over = _mode(instance) == "failing-over"
        return failover.last_point(sides, _wish(), say) if over else ""


def bring(instance: str, point: str) -> list[str]:
    """Brings it to the standby, where it is not there yet; what is missing then."""
    from lifeboat.standby import failover

    with leaving_errors():
        sides = open_sides(instance)
        over = _mode(instance) == "failing-over"
        return failover.bring(sides, _wish(), point, say) if over else []


def take_over(instance: str, fenced: list[str], missing: list[str]) -> None:
    """Writes down that the standby is what counts from here on."""
    from lifeboat.standby import failover

    with leaving_errors():
        failover.take_over(open_sides(instance), _wish(), [*fenced, *missing])


def activate(instance: str) -> None:
    """Lets the standby run, and checks it; what failed stands in the vault, and `report` tells."""
    from lifeboat.standby import failover

    with leaving_errors():
        failover.activate(open_sides(instance), _wish(), say, open_flows_of)


def hold_both(instance: str) -> None:
    """Takes the turn, and nothing runs anywhere."""
    from lifeboat.standby import failback

    with leaving_errors():
        sides = open_sides(instance)
        if failback.begin(sides, _wish()).mode == "failing-back":
            failback.hold_both(sides, say)


def keep_primary(instance: str) -> str:
    """A point of what the primary holds."""
    from lifeboat.standby import failback

    with leaving_errors():
        sides = open_sides(instance)
        return failback.keep_primary(sides, say) if _mode(instance) == "failing-back" else ""


def capture_standby(instance: str) -> str:
    """A point of what the standby holds."""
    from lifeboat.standby import failback

    with leaving_errors():
        sides = open_sides(instance)
        return failback.capture_standby(sides, say) if _mode(instance) == "failing-back" else ""


def bring_home(instance: str, point: str) -> list[str]:
    """Restores it onto the primary; what is missing there."""
    from lifeboat.standby import failback

    with leaving_errors():
        sides = open_sides(instance)
        return (
            failback.bring_home(sides, _wish(), point, say)
            if _mode(instance) == "failing-back"
            else []
        )


def capture_home(instance: str) -> list[str]:
    """A point of what came home; what it lacks."""
    from lifeboat.standby import failback

    with leaving_errors():
        sides = open_sides(instance)
        back = _mode(instance) == "failing-back"
        return failback.capture_home(sides, _wish(), say) if back else []


def hand_over(instance: str, point: str, missing: list[str], lacking: list[str]) -> None:
    """Writes down that the primary is what counts from here on."""
    from lifeboat.standby import failback

    with leaving_errors():
        failback.hand_over(open_sides(instance), _wish(), point, [*missing, *lacking])


def start_primary(instance: str) -> None:
    """Lets the primary run."""
    from lifeboat.standby import failback

    with leaving_errors():
        failback.start_primary(open_sides(instance), _wish(), say)


def report(instance: str) -> dict[str, Any]:
    """What happened, from the vault. Raises RestoreIncomplete naming what did not come up."""
    from lifeboat.standby.failover import ensure_up
    from lifeboat.standby.runbook import standing

    if get_current_context()["params"]["dry_run"]:
        say("dry run, nothing was changed")
        return {"dry_run": True}
    rejected = pull(APPROVE_TASK, REJECTED_KEY)
    if rejected:
        raise NotApproved(f"it was rejected by {rejected}, and nothing was changed")
    ended = standing(open_sides(instance)).head
    assert ended is not None  # the tasks before wrote it
    for line in (*ended.notes, *errors_of(["activate", "start_primary"])):
        say(line)
    for check in ended.checks:
        say(f"{check.outcome} {check.name}: {check.detail}")
    for phase in ended.phases:
        say(f"{phase.name}: {phase.seconds:.1f} s")
    ensure_up(ended)
    say(f"{instance}: {ended.event} at {ended.at}, point {ended.point}")
    return {"event": ended.event, "point": ended.point}


def _mode(instance: str) -> str:
    """What the standby is: a step that comes before what was done, or given up, does nothing."""
    from lifeboat.standby.runbook import standing

    return standing(open_sides(instance)).mode


def _wish() -> Wish:
    from lifeboat.standby.runbook import Wish

    context = get_current_context()
    params, run = context["params"], context["dag_run"]
    return Wish(
        run=run.run_id,
        by=run.triggering_user_name or "",
        point=str(params.get("point") or "latest"),
        planned=bool(params.get("planned")),
        as_it_is=bool(params.get("as_it_is")),
        accept=bool(params.get("accept")),
    )
