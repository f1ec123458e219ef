"""Stills what the policy names around the cut of the snapshots, and thaws it, whatever happens.

What is about to be stilled is written to the vault before the first hook runs (hook_record.py): a
thaw knows from there, after any crash and any edit of the policy, what it has to do. An attempt
that was not thawed is thawed before the next one begins, also one of a run that died.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread

from lifeboat.clock import parse_rfc3339, pause, poll_until, rfc3339
from lifeboat.errors import HookFailed, LifeboatError, NotReady
from lifeboat.ports.disks import SnapshotTicket
from lifeboat.steps.context import Context
from lifeboat.steps.figures import capture_figures
from lifeboat.steps.hook_plan import plan_freeze
from lifeboat.steps.hook_pods import Alive
from lifeboat.steps.hook_record import (
    Action,
    Attempt,
    Frozen,
    Outcome,
    Phase,
    PodAction,
    Thawed,
    asked_by,
    attempts,
    is_over,
    next_attempt,
    unthawed,
)
from lifeboat.steps.hook_run import Turn, abandon, does, fails, run
from lifeboat.steps.scope import Scope

AT_LIMIT = "it had lasted as long as maxFreeze allows"
_BY_OTHERS = "another run found it left behind"
_GRACE = timedelta(seconds=10)
_GIVING_UP = timedelta(minutes=15)
_TRIES = 3
_BETWEEN_TRIES = 0.2


def freeze(context: Context, scope: Scope) -> list[str]:
    """Run the hooks one after the other, then take what test restores are held against; returns
    what was stilled.

    The caller thaws, also when this raises: HookFailed, NotReady, and what the ports raise. A
    pod's own hook that fails ends nothing: the point names it.
    """
    _thaw_point(context, scope.point)
    _thaw_what_others_left(context)
    stilled = _still(context, scope)
    capture_figures(context, scope)
    return stilled


def _still(context: Context, scope: Scope) -> list[str]:
    plan = plan_freeze(context.instance.policy, context.cluster, scope.namespaces)
    if not plan.actions:
        return []
    attempt = next_attempt(context.vault, scope.instance, scope.point)
    now = context.clock()
    until = now + context.instance.policy.max_freeze
    frozen = Frozen(rfc3339(now), rfc3339(until), plan.actions, plan.notes)
    attempt.begin(frozen)
    for number, action in enumerate(frozen.actions):
        left = (until - context.clock()).total_seconds()
        if left <= 0:
            raise HookFailed(
                f"the freeze had lasted {context.instance.policy.max_freeze} (maxFreeze) when"
                f" {number} of {len(frozen.actions)} hooks had run",
                hint="give the policy a longer maxFreeze, or its hooks less to do",
            )
        attempt.touch(number, rfc3339(context.clock()))
        if not does(action, "pre"):
            continue
        outcome = run(context, _turn(context, scope.point, attempt, number, frozen, "pre"), left)
        if outcome.trouble and isinstance(action, PodAction) and asked_by(action) == "pod":
            outcome = _unless_gone(context, action, outcome)
        attempt.keep("pre", number, outcome)
        if outcome.trouble and fails(action, "pre") and asked_by(action) == "policy":
            raise HookFailed(f"hook: {outcome.trouble}")
    return [action.title for action in frozen.actions]


def thaw(context: Context, scope: Scope, tickets: Iterable[SnapshotTicket] = ()) -> list[str]:
    """Bring back whatever this point still holds, the other way round; returns what was thawed.

    `tickets` are snapshots that are not cut yet, to be remembered. Everything is tried, a few
    times, before NotReady tells what would not thaw; a second call goes on with just that.
    """
    return _thaw_point(context, scope.point, tuple(ticket.volume.title for ticket in tickets))


def thaw_late(context: Context, point: str) -> list[str]:
    """As `thaw`, when maxFreeze is over before all snapshots were asked for."""
    return _thaw_point(context, point, early=AT_LIMIT)


def thaw_all(context: Context) -> list[str]:
    """Bring back whatever any run of this instance still holds; a person has seen that it died."""
    thawed = []
    for point in unthawed(context.vault, context.instance.id):
        thawed += _thaw_point(context, point, early="a person ended it")
    return thawed


def still_frozen(context: Context, point: str) -> list[str]:
    """What stands still for this point; nothing once it has been thawed."""
    return [
        action.title
        for attempt, frozen in attempts(context.vault, context.instance.id, point)
        if attempt.thawed() is None
        for action in frozen.actions
    ]


def to_still(context: Context, scope: Scope) -> list[str]:
    """What a freeze would still now, or a run that died has left still. Touches nothing."""
    plan = plan_freeze(context.instance.policy, context.cluster, scope.namespaces)
    left = unthawed(context.vault, scope.instance)
    return [*(action.title for action in plan.actions), *(f"point {point}" for point in left)]


def thaw_overdue(context: Context, point: str) -> list[str]:
    """As `thaw_late`, a little after the end of maxFreeze: until then it is for the run itself,
    which knows what was not cut. Nothing is done before."""
    now = context.clock()
    overdue = any(
        attempt.thawed() is None and now >= parse_rfc3339(frozen.until) + _GRACE
        for attempt, frozen in attempts(context.vault, context.instance.id, point)
    )
    return thaw_late(context, point) if overdue else []


def is_given_up(context: Context, point: str) -> bool:
    """Whether what stands still has stood so long that only a person can help."""
    now = context.clock()
    return any(
        attempt.thawed() is None and now >= parse_rfc3339(frozen.until) + _GIVING_UP
        for attempt, frozen in attempts(context.vault, context.instance.id, point)
    )


def how_ended(context: Context, point: str) -> str:
    """How the last freeze for this point ended, in words."""
    ends = [attempt.thawed() for attempt, _ in attempts(context.vault, context.instance.id, point)]
    last = ends[-1] if ends else None
    if last is None:
        return "nothing was stilled"
    return f"brought back at {last.ended}: {last.early or 'in time'}"


@contextmanager
def limited(context: Context, point: str) -> Iterator[None]:
    """Thaws from another thread when maxFreeze is over before the block is left. What goes wrong
    in it, the thaw that follows the block meets again."""
    done = Event()

    def watch() -> None:
        for _attempt, frozen in attempts(context.vault, context.instance.id, point):
            left = parse_rfc3339(frozen.until) - context.clock()
        if not done.wait(max(left.total_seconds(), 0)):
            try:
                thaw_late(context, point)
            except LifeboatError:
                return

    watcher = Thread(target=watch, name="freeze-limit")
    if still_frozen(context, point):
        watcher.start()
    try:
        yield
    finally:
        done.set()
        if watcher.ident is not None:
            watcher.join()


def wait_cut(
    context: Context, scope: Scope, tickets: Iterable[SnapshotTicket]
) -> list[SnapshotTicket]:
    """Wait until every snapshot is cut, or the freeze has lasted its time; returns the uncut.

    Cut is what the driver calls created; a copy that goes on behind it needs no stillness. Does not
    wait when nothing is frozen. Raises nothing that a port raises: whoever waits has to thaw.
    """
    until = None
    for attempt, frozen in attempts(context.vault, scope.instance, scope.point):
        until = None if attempt.thawed() else parse_rfc3339(frozen.until)
    if until is None:
        return []
    left = until - context.clock()
    waiting = {ticket.volume.title: ticket for ticket in tickets}

    def look() -> list[str]:
        asked = list(waiting.values())
        try:
            states = context.disks.look_at_snapshots(asked) if asked else ()
        except LifeboatError as error:
            if not error.retryable:
                waiting.clear()  # settle will meet the same and say so
            return list(waiting)
        for ticket, state in zip(asked, states, strict=True):
            if state.ready or state.created or state.error:
                del waiting[ticket.volume.title]
        return list(waiting)

    poll_until(look, seconds=max(left, timedelta(0)).total_seconds())
    return list(waiting.values())


def _unless_gone(context: Context, action: PodAction, outcome: Outcome) -> Outcome:
    """A hook before it may have stopped the pod's workload; then there is nothing to freeze."""
    if action.target in Alive(context.cluster):
        return outcome
    return Outcome(note=f"{action.title} had gone before its own hook could run")


def _thaw_what_others_left(context: Context) -> None:
    """Raises NotReady while another run of the instance may still need the stillness."""
    now = rfc3339(context.clock())
    for point, frozen in unthawed(context.vault, context.instance.id).items():
        if not is_over(frozen, now):
            raise NotReady(
                f"another run of {context.instance.id} stills things for point {point} until"
                f" {frozen.until}",
                hint=f"if that run is dead: lifeboat thaw {context.instance.id}",
            )
        _thaw_point(context, point, early=_BY_OTHERS)


def _thaw_point(
    context: Context, point: str, uncut: tuple[str, ...] = (), early: str = ""
) -> list[str]:
    thawed: list[str] = []
    troubles: list[str] = []
    for attempt, frozen in attempts(context.vault, context.instance.id, point):
        if attempt.thawed() is not None:
            continue
        failed = _thaw_attempt(context, point, attempt, frozen, thawed)
        if not failed:
            attempt.end(Thawed(rfc3339(context.clock()), uncut, early))
        troubles += failed
    if troubles:
        raise NotReady(
            f"not thawed: {'; '.join(troubles)}",
            hint="look at it now: it stands still. What the hook's post does can be done by hand;"
            f" lifeboat thaw {context.instance.id} tries again",
        )
    return thawed


def _thaw_attempt(
    context: Context, point: str, attempt: Attempt, frozen: Frozen, thawed: list[str]
) -> list[str]:
    """What would not thaw; `thawed` gets what did."""
    failed = []
    alive = Alive(context.cluster)
    for number, action in reversed(list(enumerate(frozen.actions))):
        if not attempt.touched(number) or attempt.outcome("post", number) is not None:
            continue  # its turn never came, or is over
        before = attempt.outcome("pre", number)
        if before is None and does(action, "pre"):
            left = abandon(context, _turn(context, point, attempt, number, frozen, "pre"))
            failed += [left] if left else []
        if before is not None and not before.started:
            continue
        if not does(action, "post"):
            continue
        if isinstance(action, PodAction) and action.target not in alive:
            continue
        turn = _turn(context, point, attempt, number, frozen, "post")
        outcome = _persist(context, turn)
        if _is_held(outcome, action):
            failed.append(outcome.trouble)
            continue
        attempt.keep("post", number, outcome)
        thawed.append(action.title)
    return failed


def _persist(context: Context, turn: Turn) -> Outcome:
    """Tries again: nothing else in a run costs as much as a thaw that one lost packet prevents."""
    outcome = Outcome()
    for number in range(_TRIES):
        outcome = run(context, turn, float("inf"))
        if not outcome.trouble:
            break
        if number < _TRIES - 1:
            pause(_BETWEEN_TRIES)
    return outcome


def _is_held(outcome: Outcome, action: Action) -> bool:
    """Whether the trouble means that it stands still and has to be tried again. A pod's own hook
    has had its tries: who annotates a pod must not be able to stop a policy's runs."""
    if not outcome.trouble or asked_by(action) == "pod":
        return False
    return fails(action, "post")


def _turn(
    context: Context, point: str, attempt: Attempt, number: int, frozen: Frozen, phase: Phase
) -> Turn:
    holder = f"{context.instance.id}/{point}"
    asker = f"{holder}/{attempt.number}/{number}/{phase}"
    return Turn(frozen.actions[number], phase, asker, holder)
