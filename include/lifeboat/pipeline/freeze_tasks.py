"""The tasks around the cut of the snapshots: what asks to be stilled, stilling it, and the thaw."""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import DownstreamTasksSkipped
from typing_extensions import override

from lifeboat.errors import LifeboatError
from lifeboat.pipeline.backup_tasks import asked_for, scope_of
from lifeboat.pipeline.guard import GuardedOperator
from lifeboat.pipeline.opening import leaving_errors, open_instance, say, skip_if_stored


def find_hooks(instance: str, otherwise_skip: list[str]) -> list[str]:
    """What the policy and the pods themselves ask to still. Where nothing does, `otherwise_skip`
    is skipped: nothing has to be watched and thawed."""
    from lifeboat.steps.figures import capture_figures
    from lifeboat.steps.freeze import to_still

    with leaving_errors():
        opened = open_instance(instance)
        scope = scope_of(opened)
        skip_if_stored(opened, scope.point)
        asked = to_still(opened, scope)
        if not asked:
            capture_figures(opened, scope)
    if not asked:
        say("no hook asks for stillness")
        raise DownstreamTasksSkipped(tasks=otherwise_skip)  # type: ignore[no-untyped-call]
    say(f"to be stilled: {', '.join(asked)}")
    return asked


class QuiesceOperator(GuardedOperator):
    """Stills it, once the triggerer watches over maxFreeze; thaws it again if that fails."""

    what = "freeze"
    template_fields: tuple[str, ...] = ("instance",)

    def __init__(self, *, instance: str, **kwargs: Any) -> None:
        kwargs.setdefault("execution_timeout", None)  # it would cut the wait for the watch short
        super().__init__(**kwargs)
        self.instance = instance

    @override
    def hold(self, context: Any) -> list[str]:
        from lifeboat.steps.freeze import freeze, thaw

        with leaving_errors():
            opened = open_instance(self.instance)
            scope = scope_of(opened)
            skip_if_stored(opened, scope.point)
            try:
                stilled = freeze(opened, scope)
            except LifeboatError:
                thaw(opened, scope)
                raise
        say(f"stilled {', '.join(stilled) or 'nothing: no hook asks for it any more'}")
        return stilled


def unquiesce(instance: str) -> list[str]:
    """Brings back whatever is still frozen, once the snapshots are cut or the freeze took too long.

    The tickets are asked for by XCom: as arguments they would make a failed snapshot skip this.
    """
    from lifeboat.steps import watch
    from lifeboat.steps.freeze import thaw, wait_cut
    from lifeboat.steps.settle import ticket_from

    with leaving_errors():
        opened = open_instance(instance)
        scope = scope_of(opened)
        try:
            tickets = [ticket_from(plain) for left in asked_for() for plain in left["tickets"]]
            uncut = wait_cut(opened, scope, tickets)
            thawed = thaw(opened, scope, uncut)
        finally:  # whoever watches goes on for a while with what would not thaw
            watch.end(opened, "freeze", scope.point)
    for ticket in uncut:
        say(f"warning: {ticket.volume.title} was not cut when the freeze ended at its limit")
    say(f"brought back {', '.join(thawed) or 'nothing: nothing was stilled'}")
    return thawed
