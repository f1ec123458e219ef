"""The standby takes over: fence the primary, bring the point, let the standby run, check it.

Each step may be done again after a crash, by the same run or by another: the log says how far it
came. `active` is written before the first replica runs, so that no sync can follow it.
"""

from __future__ import annotations

import msgspec

from lifeboat.clock import monotonic, rfc3339, utc_now
from lifeboat.errors import ClusterUnreachable, NotReady, RestoreIncomplete, UsageError
from lifeboat.point import layout
from lifeboat.point.facts import Phase
from lifeboat.point.standby import StandbyEvent, Standing
from lifeboat.policy.checks import Check
from lifeboat.proof.checks import Checked, run_checks
from lifeboat.proof.finding import OpenFlows, Tested
from lifeboat.restore.model import RestorePlan, VolumesResult
from lifeboat.restore.plan import stored_plan
from lifeboat.restore.run import after
from lifeboat.restore.volumes import release_volumes
from lifeboat.standby.runbook import (
    Say,
    Wish,
    capture,
    fence_primary,
    own,
    seconds_since,
    standing,
    turn,
)
from lifeboat.standby.sides import Sides, why_unreachable
from lifeboat.standby.sync import TAKING_OVER, Asked, bounded, sync
from lifeboat.standby.workloads import release
from lifeboat.steps.context import Context

STEPS = (
    "hold what runs in the primary, if it answers",
    "with --planned: capture the primary, which stands still then",
    "bring the standby to the point",
    "write down that the standby runs the application: no point is brought there any more",
    "let the standby run: StatefulSets, then the others, CronJobs and Jobs last",
    "run the policy's restore hooks and checks, and write the report",
)
"""For people, in order."""

_OF_THE_POINT = ("objectsComplete", "volumeBytesEqual")
_GIVEN_UP = "the failback was given up: the standby runs on as it was"


def failover(sides: Sides, wish: Wish, say: Say, flows: OpenFlows | None = None) -> StandbyEvent:
    """Every step in one process; the report, which is the last event of the log."""
    if begin(sides, wish).mode == "failing-over":
        notes = fence_or_tell(sides, say)
        point = last_point(sides, wish, say)
        notes += bring(sides, wish, point, say)
        take_over(sides, wish, notes)
    return activate(sides, wish, say, flows)


def begin(sides: Sides, wish: Wish) -> Standing:
    """Take the turn. Goes on with a failover that did not end; gives up a failback whose primary
    does not run yet. Raises UsageError when the standby runs the application already."""
    now = standing(sides)
    if now.mode == "warm":
        return turn(sides, now, "failing-over", wish, point=wish.point, planned=wish.planned)
    if now.mode == "failing-back":
        assert now.turned is not None
        notes = (_GIVEN_UP,)
        return turn(sides, now, "active", wish, notes=notes, since=now.turned.since)
    if now.head is not None and now.head.event == "failed-over":
        raise UsageError(
            f"{sides.instance.id} runs in its standby {sides.entry.name} since {now.head.at}",
            hint=f"bring it home: lifeboat failback {sides.instance.id}",
        )
    return now


def fence_or_tell(sides: Sides, say: Say) -> list[str]:
    """Hold the primary. A planned failover needs it to stand still: raises ClusterUnreachable or
    NotReady. Else what could not be held is told."""
    turned = standing(sides).turned
    planned = bool(turned and turned.planned)
    why = why_unreachable(sides.primary)
    if why and planned:
        raise ClusterUnreachable(
            f"the primary does not answer, so it cannot be captured: {why}",
            hint="if it is lost, fail over without --planned: lifeboat failback gives this one up",
        )
    if why:
        say(f"the primary is NOT held: {why}")
        return [f"the primary was not held, it does not answer ({why}): if it comes back, it runs"]
    running = fence_primary(sides, say)
    if running and planned:
        raise NotReady("the primary does not stand still: " + "; ".join(running))
    return [f"in the primary: {line}" for line in running]


def last_point(sides: Sides, wish: Wish, say: Say) -> str:
    """The point to bring; of a planned failover one that is captured now, while nothing runs.
    Empty: none is brought."""
    turned = standing(sides).turned
    if turned and turned.planned:
        return capture(sides.still_primary(), f"failover {turned.number}", say).point
    return "" if wish.as_it_is else wish.point


def bring(sides: Sides, wish: Wish, point: str, say: Say) -> list[str]:
    """Bring the standby to the point; what is not there then, a line each. Raises UsageError when
    nothing lies there at all."""
    context = sides.standby()
    if point:
        try:
            asked = Asked(wish.run, wish.by, TAKING_OVER)
            sync(context, point, asked, say, sides.read_transform)
        except RestoreIncomplete as error:
            say(error.message)
    now = standing(sides)
    if now.brought is None:
        raise UsageError(
            f"there is nothing in {sides.title}: no point was ever brought there",
            hint="fail over without --as-it-is",
        )
    told = [f"not there: {line}" for line in now.brought.missing]
    if now.touched:
        told.append("what lies there is between two points: the last one did not come through")
    return told


def take_over(sides: Sides, wish: Wish, notes: list[str]) -> Standing:
    """From here on the standby is what counts."""
    now = standing(sides)
    if now.mode != "failing-over":
        return now
    brought, turned = now.brought, now.turned
    assert brought is not None
    assert turned is not None  # `bring` and `begin` saw to it
    lost = [] if turned.planned else [f"lost: what was written after {brought.captured}"]
    return turn(
        sides,
        now,
        "active",
        wish,
        point=brought.point,
        captured=brought.captured,
        planned=turned.planned,
        since=rfc3339(utc_now()),
        notes=bounded([*lost, *notes]),
        phases=(Phase("until it may run", seconds_since(turned.at)),),
    )


def activate(sides: Sides, wish: Wish, say: Say, flows: OpenFlows | None = None) -> StandbyEvent:
    """Let the standby run, wait, run the restore hooks and the policy's checks, write the report.
    A second attempt after the report returns it."""
    now = standing(sides)
    assert now.head is not None
    if now.head.event == "failed-over":
        return now.head
    active, brought = now.turned, now.brought
    assert active is not None
    assert brought is not None  # `take_over` wrote the one after the other
    began, context = monotonic(), sides.standby()
    plan = stored_plan(context, brought.instance, brought.restore)
    hooks: list[str] = []

    def between() -> None:
        hooks.extend(after(context, plan, say).failed)

    spaces = brought.namespaces.values()
    late = release(context.cluster, spaces, own(brought.instance), say, between)
    _release_volumes(context, brought)
    ready = monotonic() - began
    checked = _checks(context, plan, late, flows, active.number)
    for check in checked.results:
        say(f"{check.outcome} {check.name}: {check.detail}")
    for seen in checked.evidence:
        say(f"{seen.what}:\n{seen.text}")
    bad = [one for one in checked.results if one.outcome != "passed"]
    failed = [f"check {one.name}: {one.detail}" for one in bad]
    ended = turn(
        sides,
        now,
        "failed-over",
        wish,
        point=brought.point,
        captured=brought.captured,
        planned=active.planned,
        since=active.since,
        notes=(*active.notes, *_unchecked(context)),
        failed=bounded([*late, *hooks, *failed]),
        checks=checked.results,
        phases=(
            *active.phases,
            Phase("ready", ready),
            Phase("checks", sum(one.seconds for one in checked.results)),
        ),
    )
    assert ended.head is not None
    return ended.head


def ensure_up(ended: StandbyEvent) -> None:
    """Raises NotReady naming what did not come up. The takeover itself stands."""
    if ended.failed:
        lines = "\n".join(f"  {line}" for line in ended.failed)
        raise RestoreIncomplete(
            f"{ended.instance}: the clusters have changed places, but not everything is well"
            f" there:\n{lines}",
            hint="nothing is taken back: mend what is named in the cluster itself",
        )


def _release_volumes(context: Context, brought: StandbyEvent) -> None:
    """Helpers of claims that waited for their pod."""
    key = layout.restore_part(brought.instance, brought.restore, "volumes")
    found = context.vault.find_document(key, VolumesResult)
    if found is not None:
        release_volumes(context, found)


def _checks(
    context: Context, plan: RestorePlan, late: list[str], flows: OpenFlows | None, turn: int
) -> Checked:
    """Those of the policy that look at what runs, once a takeover: what they saw is stored beside
    the plan, with the ends of logs."""
    key = layout.restore_part(plan.request.instance, plan.restore, f"failover-{turn}")
    done = context.vault.find_document(key, Checked)
    if done is not None:
        return done
    named = msgspec.structs.replace(plan, volumes=())
    tested = Tested(context, named, VolumesResult((), (), 0.0), tuple(late), flows)
    checks = [one for one in _wanted_checks(context) if one.builtin not in _OF_THE_POINT]
    return context.vault.settle_document(key, run_checks(checks, tested), Checked)


def _unchecked(context: Context) -> list[str]:
    """Objects and bytes were held against the point when they were brought, and change from now
    on."""
    names = [one.title for one in _wanted_checks(context) if one.builtin in _OF_THE_POINT]
    return [f"not checked: {name}, which compares with the point" for name in names]


def _wanted_checks(context: Context) -> tuple[Check, ...]:
    wanted = context.instance.policy.test_restore
    return wanted.checks if wanted else ()
