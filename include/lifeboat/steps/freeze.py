"""Stills what the policy names around the cut of the snapshots, and thaws it, whatever happens.

What is about to be frozen is written to the vault before the first command runs: a thaw knows from
there, after any crash and any edit of the policy, what it has to run. Each attempt at freezing has
a number of its own, and one that was not thawed is thawed before the next one begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

import msgspec

from lifeboat.clock import parse_rfc3339, poll_until, rfc3339
from lifeboat.errors import HookFailed, LifeboatError, NotReady, Unsupported
from lifeboat.point import layout
from lifeboat.policy.hooks import Command, Exec
from lifeboat.ports.cluster import Json, Kind
from lifeboat.ports.disks import SnapshotTicket
from lifeboat.ports.pods import Target
from lifeboat.steps.context import Context
from lifeboat.steps.quiesce import quiesce, unquiesce
from lifeboat.steps.scope import Scope

_POD = Kind("", "v1", "pods", "Pod", namespaced=True)
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


class Step(msgspec.Struct, frozen=True):
    """One command, as it was when it was frozen. `seconds` is its time-out."""

    command: tuple[str, ...]
    seconds: float
    fails: bool


class Stilled(msgspec.Struct, frozen=True):
    """One container and what is run in it."""

    target: Target
    pre: Step | None
    post: Step | None


class Frozen(msgspec.Struct, frozen=True):
    """What one attempt is about to freeze. `began` is RFC 3339."""

    began: str
    stilled: tuple[Stilled, ...]


class Outcome(msgspec.Struct, frozen=True):
    """How a command went: `exit_code` is None where it is unknown, and `trouble` then says why."""

    what: str
    exit_code: int | None = None
    seconds: float = 0.0
    trouble: str = ""


class Thawed(msgspec.Struct, frozen=True):
    """The end of an attempt; `uncut` are volumes whose snapshots were not cut by then."""

    ended: str
    uncut: tuple[str, ...]


def freeze(context: Context, scope: Scope) -> list[str]:
    """Run the pre commands in the hooks' order, then stop the workloads; returns what was stilled.

    The caller thaws, also when this raises: HookFailed, NotReady, and what the ports raise.
    """
    thaw(context, scope)
    attempt = len(list(_attempts(context, scope)))
    hooks = [hook.exec_ for hook in context.instance.policy.hooks if hook.exec_]
    stilled = tuple(found for hook in hooks for found in _stilled(context, hook))
    key = layout.hook(scope.instance, scope.point, attempt, "frozen")
    context.vault.put_document(key, Frozen(rfc3339(context.clock()), stilled))
    for number, one in enumerate(stilled):
        if one.pre:
            outcome = _run(context, one.target, one.pre, "pre")
            _record(context, scope, attempt, f"pre-{number}", outcome)
            if outcome.trouble and one.pre.fails:
                raise HookFailed(f"hook: {outcome.trouble}")
    return [one.target.title for one in stilled] + quiesce(context)


def thaw(context: Context, scope: Scope, tickets: Iterable[SnapshotTicket] = ()) -> list[str]:
    """Bring back whatever is still frozen; returns what was thawed.

    `tickets` are snapshots that are not cut yet, to be remembered. Everything is tried before
    NotReady tells what would not thaw; a second call goes on with just that.
    """
    thawed, troubles = [], []
    try:
        thawed += unquiesce(context)
    except LifeboatError as error:
        troubles.append(error.message)
    for attempt, frozen in _attempts(context, scope):
        key = layout.hook(scope.instance, scope.point, attempt, "thawed")
        if context.vault.find_document(key, Thawed):
            continue
        failed = []
        for number, one in reversed(list(enumerate(frozen.stilled))):
            done = layout.hook(scope.instance, scope.point, attempt, f"post-{number}")
            if one.post is None or context.vault.find_document(done, Outcome) is not None:
                continue
            if not _lives(context, one.target):
                continue
            outcome = _run(context, one.target, one.post, "post")
            if outcome.trouble and one.post.fails:
                failed.append(outcome.trouble)
                continue
            _record(context, scope, attempt, f"post-{number}", outcome)
            thawed.append(one.target.title)
        if not failed:
            uncut = tuple(ticket.volume.title for ticket in tickets)
            ended = Thawed(rfc3339(context.clock()), uncut)
            context.vault.settle_document(key, ended, Thawed)
        troubles += failed
    if troubles:
        raise NotReady(f"not thawed: {'; '.join(troubles)}", hint="look at it now: it stands still")
    return thawed


def wait_cut(
    context: Context, scope: Scope, tickets: Iterable[SnapshotTicket]
) -> list[SnapshotTicket]:
    """Wait until every snapshot is cut, or the freeze has lasted its time; returns the uncut.

    Cut is what the driver calls created; a copy that goes on behind it needs no stillness. Raises
    nothing that a port raises: whoever waits has to thaw.
    """
    attempts = list(_attempts(context, scope))
    began = parse_rfc3339(attempts[-1][1].began) if attempts else context.clock()
    left = began + context.instance.policy.max_freeze - context.clock()
    waiting = {ticket.volume.title: ticket for ticket in tickets}

    def look() -> list[str]:
        for title, ticket in list(waiting.items()):
            try:
                state = context.disks.poll_snapshot(ticket)
            except LifeboatError as error:
                if not error.retryable:
                    del waiting[title]  # settle will meet the same and say so
                continue
            if state.ready or state.created or state.error:
                del waiting[title]
        return list(waiting)

    poll_until(look, seconds=max(left, timedelta(0)).total_seconds())
    return list(waiting.values())


def freeze_warnings(context: Context, scope: Scope) -> tuple[str, ...]:
    """What a point has to say of its hooks: commands that failed, volumes cut after the thaw."""
    told = []
    for attempt, frozen in _attempts(context, scope):
        for number in range(len(frozen.stilled)):
            for phase in ("pre", "post"):
                key = layout.hook(scope.instance, scope.point, attempt, f"{phase}-{number}")
                outcome = context.vault.find_document(key, Outcome)
                if outcome and outcome.trouble:
                    told.append(f"hook: {outcome.trouble}")
        key = layout.hook(scope.instance, scope.point, attempt, "thawed")
        thawed = context.vault.find_document(key, Thawed)
        told += [
            f"volume {title} was not cut when the freeze ended at its limit: its data is as after"
            " a power cut"
            for title in (thawed.uncut if thawed else ())
        ]
    return tuple(told)


def _attempts(context: Context, scope: Scope) -> Iterator[tuple[int, Frozen]]:
    attempt = 0
    while True:
        key = layout.hook(scope.instance, scope.point, attempt, "frozen")
        frozen = context.vault.find_document(key, Frozen)
        if frozen is None:
            return
        yield attempt, frozen
        attempt += 1


def _record(context: Context, scope: Scope, attempt: int, what: str, outcome: Outcome) -> None:
    key = layout.hook(scope.instance, scope.point, attempt, what)
    context.vault.settle_document(key, outcome, Outcome)


def _run(context: Context, target: Target, step: Step, phase: str) -> Outcome:
    what = f"{phase} in {target.title}"
    try:
        if context.pods is None:
            raise Unsupported(f"no command can be run in pods of {context.instance.cluster.name}")
        ran = context.pods.run(target, step.command, step.seconds)
    except LifeboatError as error:
        return Outcome(what, trouble=f"{what}: {error.message}")
    trouble = f"{what} ended with exit code {ran.exit_code}" if ran.exit_code else ""
    return Outcome(what, ran.exit_code, ran.seconds, trouble)


def _stilled(context: Context, hook: Exec) -> list[Stilled]:
    pods = sorted(_pods(context, hook.namespace, hook.labels), key=lambda p: p["metadata"]["name"])
    running = [p for p in pods if (p.get("status") or {}).get("phase") == "Running"]
    if not running:
        which = f"pods with labels {hook.labels}" if hook.labels else "pods"
        raise HookFailed(f"hook: no running {which} in {hook.namespace}")
    return [Stilled(_target(hook, pod), _step(hook.pre), _step(hook.post)) for pod in running]


def _pods(context: Context, namespace: str, labels: str) -> list[Json]:
    pages = context.cluster.list_pages(_POD, namespace=namespace, label_selector=labels)
    return [msgspec.json.decode(item) for page in pages for item in page.items]


def _lives(context: Context, target: Target) -> bool:
    """Whether the pod is there still: with it, whatever was frozen in it has gone."""
    try:
        pods = _pods(context, target.namespace, "")
    except LifeboatError:
        return True
    return any(pod["metadata"]["uid"] == target.uid for pod in pods)


def _target(hook: Exec, pod: Json) -> Target:
    meta = pod["metadata"]
    marked = (meta.get("annotations") or {}).get(_DEFAULT_CONTAINER)
    container = hook.container or marked or pod["spec"]["containers"][0]["name"]
    return Target(hook.namespace, meta["name"], meta["uid"], container)


def _step(command: Command | None) -> Step | None:
    if command is None:
        return None
    seconds = command.timeout.total_seconds()
    return Step(command.command, seconds, command.on_error == "Fail")
