"""The primary comes home: what the standby has written meanwhile is captured and restored there.

Nothing is deleted that is not in a point first: what the primary holds is captured before it is
replaced, and an object that the standby does not have stays in the primary. What came home is
captured too: without it the newest point would be of what was replaced, and the next failover would
bring that. `warm` is written before the first replica of the primary runs.
"""

from __future__ import annotations

from lifeboat.clock import monotonic, rfc3339, utc_now
from lifeboat.errors import (
    ClusterUnreachable,
    NotReady,
    PointIncomplete,
    RestoreIncomplete,
    UsageError,
)
from lifeboat.point import catalog
from lifeboat.point.facts import Phase
from lifeboat.point.manifest import Manifest, open_contents, read_manifest
from lifeboat.point.standby import StandbyEvent, Standing
from lifeboat.restore.model import RestoreReport, RestoreRequest
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.run import (
    bring_volumes,
    prepare,
    report,
    resources,
    restore_id,
    summary,
)
from lifeboat.standby.runbook import (
    Say,
    Wish,
    capture,
    fence_primary,
    own,
    seconds_since,
    standing,
    take_in,
    turn,
)
from lifeboat.standby.sides import Sides, texts_of, why_unreachable
from lifeboat.standby.sync import bounded
from lifeboat.standby.workloads import everything, fence, release
from lifeboat.steps.sight import look

_CLAIMS = "persistentvolumeclaims"
STEPS = (
    "hold what runs in the primary and in the standby: nothing runs from here on",
    "capture the primary as it is, so that nothing it holds is lost",
    "capture the standby",
    "restore that point onto the primary, volumes too; nothing is pruned there",
    "capture what came home: the newest point again",
    "write down that the primary runs the application",
    "let the primary run: StatefulSets, then the others, CronJobs and Jobs last",
)
"""For people, in order."""

_GIVEN_UP = "the failover was given up: the primary runs on as it was"


def failback(sides: Sides, wish: Wish, say: Say) -> StandbyEvent:
    """Every step in one process; the report, which is the last event of the log."""
    if begin(sides, wish).mode == "failing-back":
        hold_both(sides, say)
        keep_primary(sides, say)
        point = capture_standby(sides, say)
        notes = bring_home(sides, wish, point, say)
        notes += capture_home(sides, wish, say)
        hand_over(sides, wish, point, notes)
    return start_primary(sides, wish, say)


def begin(sides: Sides, wish: Wish) -> Standing:
    """Take the turn. Goes on with a failback that did not end; gives up a failover whose standby
    does not run yet. Raises UsageError when the primary runs already."""
    now = standing(sides)
    if now.mode == "active":
        assert now.turned is not None
        return turn(sides, now, "failing-back", wish, since=now.turned.since)
    if now.mode == "failing-over":
        return turn(sides, now, "warm", wish, notes=(_GIVEN_UP,))
    if now.mode == "warm" and not (now.head and now.head.event == "warm"):
        raise UsageError(f"{sides.title} runs nothing: there is nothing to bring home")
    return now


def hold_both(sides: Sides, say: Say) -> None:
    """Nothing runs anywhere from here on. Raises ClusterUnreachable, NotReady."""
    for name, opened in (("primary", sides.primary), ("standby", sides.standby)):
        why = why_unreachable(opened)
        if why:
            raise ClusterUnreachable(f"the {name} does not answer: {why}")
    running = fence_primary(sides, say)
    if running:
        raise NotReady("the primary does not stand still: " + "; ".join(running))
    now, context = standing(sides), sides.standby()
    brought, turned = now.brought, now.turned
    assert brought is not None
    assert turned is not None  # something runs there
    take_in(context, brought, turned.since, say)
    mine = own(brought.instance)
    running = fence(context.cluster, brought.namespaces.values(), mine, say)
    if running:
        raise NotReady("the standby does not stand still: " + "; ".join(running))


def keep_primary(sides: Sides, say: Say) -> str:
    """A point of what the primary holds, before it is replaced: it may have written something after
    its last point that never reached the standby. None (empty) of one that was made anew: a point
    of nothing would be the newest."""
    context = sides.still_primary()
    if not look(context.instance.policy, context.cluster).namespaces.names:
        say("the primary holds nothing that the policy protects: it was made anew")
        return ""
    made = capture(context, f"{_run_of(sides)} primary", say)
    say(f"what the primary held is point {made.point} of {made.instance}")
    return made.point


def capture_standby(sides: Sides, say: Say) -> str:
    """A point of what the standby holds, of the instance `<policy>.<standby>`."""
    brought = standing(sides).brought
    assert brought is not None
    made = capture(sides.still_standby(brought.namespaces), f"{_run_of(sides)} standby", say)
    say(f"what the standby holds is point {made.point} of {made.instance}")
    return made.point


def bring_home(sides: Sides, wish: Wish, point: str, say: Say) -> list[str]:
    """Restore that point onto the primary, held; what is missing there, a line each. Raises
    RestoreIncomplete unless that is accepted."""
    now = standing(sides)
    brought = now.brought
    assert brought is not None
    context = sides.way_home(brought.namespaces)
    manifest = read_manifest(context.vault, context.instance.id, point)
    started = rfc3339(utc_now())
    request = _request(sides, manifest, brought)
    plan = plan_restore(context, request, restore_id(manifest.instance, f"failback {now.number}"))
    say(summary(plan))
    prepare(context, plan, say)
    bring_volumes(context, plan, say)
    resources(context, plan, say)
    account: RestoreReport = report(context, plan, started)
    if account.failed and not wish.accept:
        lines = "\n".join(f"  {line}" for line in account.failed)
        # The next attempt plans anew: what is in the way may have been mended.
        turn(sides, now, "failing-back", wish, point=point, failed=bounded(account.failed))
        raise RestoreIncomplete(
            f"the primary lacks {len(account.failed)} things of point {point}:\n{lines}",
            hint="mend the cause and fail back again; --accept goes on without them; lifeboat"
            f" failover {sides.instance.id} lets the standby run on",
        )
    return [f"not at home: {line}" for line in (*account.failed, *account.warnings)]


def capture_home(sides: Sides, wish: Wish, say: Say) -> list[str]:
    """A point of what the primary holds now, while nothing runs: from here on that is what a
    failover brings. Raises PointIncomplete unless that is accepted; then what it lacks is told."""
    try:
        made = capture(sides.still_primary(), f"{_run_of(sides)} home", say)
    except PointIncomplete as error:
        if not wish.accept:
            raise
        return [f"until the next backup a failover brings what was there before: {error.message}"]
    say(f"what came home is point {made.point} of {made.instance}")
    return []


def hand_over(sides: Sides, wish: Wish, point: str, notes: list[str]) -> Standing:
    """From here on the primary is what counts; `notes` are what a person has to know of it."""
    now = standing(sides)
    if now.mode != "failing-back":
        return now
    assert now.turned is not None
    until = (Phase("until it may run", seconds_since(now.turned.at)),)
    return turn(sides, now, "warm", wish, point=point, notes=bounded(notes), phases=until)


def start_primary(sides: Sides, wish: Wish, say: Say) -> StandbyEvent:
    """Let the primary run, wait, write the report. A second attempt after it returns it."""
    now = standing(sides)
    assert now.head is not None
    assert now.turned is not None
    if now.head.event == "failed-back":
        return now.head
    began, context = monotonic(), sides.primary()
    spaces = _primary_spaces(sides)
    late = release(context.cluster, spaces, everything, say, lambda: None)
    ended = turn(
        sides,
        now,
        "failed-back",
        wish,
        point=now.turned.point,
        notes=now.turned.notes,
        failed=bounded(late),
        phases=(*now.turned.phases, Phase("ready", monotonic() - began)),
    )
    assert ended.head is not None
    return ended.head


def _primary_spaces(sides: Sides) -> tuple[str, ...]:
    newest = catalog.newest(sides.vault, sides.instance.id, complete=False)
    return open_contents(sides.vault, newest).namespaces() if newest else ()


def _run_of(sides: Sides) -> str:
    """One name for all attempts at this failback, from the event that began it."""
    turned = standing(sides).turned
    assert turned is not None
    return f"failback {turned.number}"


def _request(sides: Sides, manifest: Manifest, brought: StandbyEvent) -> RestoreRequest:
    """No prune: what the standby does not have may never have reached it."""
    wanted = sides.wanted
    home = {target: source for source, target in brought.namespaces.items()}
    texts = texts_of(wanted.transforms_back, sides.read_transform, brought.transforms)
    held = open_contents(sides.vault, manifest).namespaces()
    volumes = wanted.volumes != "none"
    return RestoreRequest(
        instance=manifest.instance,
        point=manifest.point,
        mapping={name: home.get(name, name) for name in held},
        mode="replace",
        mode_of={_CLAIMS: "recreate"} if volumes else {},
        volumes=volumes,
        from_vault=wanted.volumes == "vault",
        cluster_scoped=wanted.cluster_scoped,
        transforms=tuple(texts.values()),
        standby=sides.entry.name,
        hold="all",
        swap=volumes,
    )
