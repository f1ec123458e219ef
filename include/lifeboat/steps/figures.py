"""What the checks `figure` and `file` of a test restore are held against: taken at every backup,
when all is stilled and before a snapshot is cut, and noted beside the point.

What cannot be taken costs no point: it is noted as that, and its check cannot pass.
"""

from __future__ import annotations

import math
import re

from lifeboat.errors import HookFailed, LifeboatError, Unsupported
from lifeboat.point import layout
from lifeboat.point.context import FIGURES, Figure, Figures, note, noted
from lifeboat.policy.checks import Captured, ExecCheck, FigureCheck
from lifeboat.policy.hooks import Command, Exec
from lifeboat.ports.pods import Ran, Target
from lifeboat.steps.context import Context
from lifeboat.steps.hook_pods import plan_exec
from lifeboat.steps.scope import Scope

_SHA256 = re.compile(r"\\?([0-9a-f]{64})\s")


def capture_figures(context: Context, scope: Scope) -> None:
    """Take what the policy wants taken. The last attempt of a run counts."""
    found = {title: _taken(context, check) for title, check in _wanted(context).items()}
    if found:
        number = len(_attempts(context, scope.point))
        key = layout.figures(scope.instance, scope.point, number)
        context.vault.settle_document(key, Figures(found), Figures)


def untaken(context: Context, scope: Scope) -> list[str]:
    """A warning for each that could not be taken. The vault is asked only where some are wanted."""
    figures = _last(context, scope.point)
    return [f"{name}: {one.unread}" for name, one in figures.figures.items() if one.unread]


def note_figures(context: Context, scope: Scope) -> None:
    """Put what was taken beside the point."""
    figures = _last(context, scope.point)
    if figures.figures:
        note(context.vault, scope.instance, FIGURES, scope.point, figures)


def captured_figure(context: Context, point: str, title: str) -> Figure:
    """What was noted for a point; `unread` says why there is none."""
    found = noted(context.vault, context.instance.id, FIGURES, point, Figures)
    figure = found[1].figures.get(title) if found else None
    return figure or Figure(unread="it was not captured with this point")


def measure(context: Context, check: Captured, namespace: str) -> str:
    """The number, or the digest, right now in this namespace.

    Raises HookFailed when the command says something else, and what running it raises.
    """
    command = check.command if isinstance(check, FigureCheck) else ("sha256sum", check.path)
    target = targets(context, check, namespace)[0]
    ran = run_in(context, target, command, check.seconds)
    if ran.exit_code:
        raise HookFailed(f"{target.title}: {command[0]} ended with exit code {ran.exit_code}")
    if isinstance(check, FigureCheck):
        return str(number_of(ran.output))
    digest = _SHA256.match(ran.output)
    if digest is None:
        raise HookFailed(f"{target.title}: sha256sum printed no digest")
    return f"sha256:{digest[1]}"


def targets(context: Context, check: Captured | ExecCheck, namespace: str) -> list[Target]:
    """The running pods that a check means, by name. Raises HookFailed when there is none."""
    command = Command(command=("true",))
    hook = Exec(namespace=namespace, labels=check.labels, container=check.container, pre=command)
    return [action.target for action in plan_exec(context.cluster, hook)]


def run_in(context: Context, target: Target, command: tuple[str, ...], seconds: float) -> Ran:
    """Raises Unsupported where no command can be run in pods, and what the port raises."""
    if context.pods is None:
        raise Unsupported("no command can be run in pods here")
    return context.pods.run(target, command, seconds)


def number_of(text: str) -> float:
    """The number that a text is. Raises HookFailed, which does not quote it: it may be a secret."""
    try:
        number = float(text.strip())
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise HookFailed("the command printed something other than one number")
    return number


def _taken(context: Context, check: Captured) -> Figure:
    try:
        return Figure(measure(context, check, check.namespace))
    except LifeboatError as error:
        return Figure(unread=error.message)


def _wanted(context: Context) -> dict[str, Captured]:
    test_restore = context.instance.policy.test_restore
    return test_restore.captured if test_restore else {}


def _last(context: Context, point: str) -> Figures:
    attempts = _attempts(context, point) if _wanted(context) else []
    return context.vault.get_document(attempts[-1], Figures) if attempts else Figures()


def _attempts(context: Context, point: str) -> list[str]:
    """Keys of what was taken, the first attempt first."""
    keys: list[str] = []
    while True:
        key = layout.figures(context.instance.id, point, len(keys))
        if context.vault.store.stat(key) is None:
            return keys
        keys.append(key)
