"""The tasks that hold other DAGs while volumes are snapshotted, and let them go."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from lifeboat.clock import rfc3339, utc_now
from lifeboat.errors import LifeboatError
from lifeboat.pipeline.guard import GuardedOperator
from lifeboat.pipeline.opening import (
    leaving_errors,
    open_flows,
    open_instance,
    pull,
    say,
    skip_if_stored,
)
from lifeboat.pipeline.triggers import Plain
from lifeboat.pipeline.waiting import WaitingOperator

if TYPE_CHECKING:
    from lifeboat.steps.context import Context

HELD = ["hold_limit", "hold_dags", "release_dags"]


class HoldOperator(GuardedOperator, WaitingOperator):
    """Pauses the DAGs where the policy wants it, once the triggerer watches over that, and waits
    until they are quiet."""

    look = "busy_dags"
    what = "hold"

    @override
    def hold(self, context: Any) -> Any:
        return self.resume(context, None, began=rfc3339(utc_now()))

    @override
    def arguments(self, opened: Context) -> Plain:
        from lifeboat.steps.quiet import hold

        point = _point()
        skip_if_stored(opened, point)
        asked = hold(opened, open_flows(opened), point)
        return {"dags": list(asked.dags)}

    @override
    def limit(self, opened: Context) -> timedelta:
        wanted = opened.instance.policy.quiesce
        return wanted.timeout if wanted else timedelta(0)

    @override
    def finish(
        self, opened: Context, arguments: Plain, waiting: list[str], seconds: float
    ) -> list[str]:
        from lifeboat.steps.quiet import held

        for who in waiting:
            say(f"still busy after {seconds:.0f} s: {who}")
        held(opened, _point(), waiting)
        dags: list[str] = arguments["dags"]
        say(f"held {', '.join(dags)}")
        return dags


def confirm_quiet(opened: Context, point: str) -> None:
    """Whether they stayed quiet until the snapshots were there. Who cannot be asked is a warning of
    the point, and no reason to lose it."""
    from lifeboat.steps.quiet import confirm

    if opened.instance.policy.quiesce is None:
        return
    try:
        confirm(opened, open_flows(opened), point)
    except LifeboatError as error:
        say(f"cannot tell whether the held DAGs stayed quiet: {error.message}")


def release_dags(instance: str) -> list[str]:
    """Unpauses what `hold_dags` paused, whatever came of the run."""
    from lifeboat.steps import watch
    from lifeboat.steps.quiet import release

    with leaving_errors():
        point = pull("enumerate", "point")
        if not point:
            return []
        opened = open_instance(instance)
        try:
            released = release(opened, open_flows(opened), point)
        finally:
            watch.end(opened, "hold", point)
    say(f"unpaused {', '.join(released) or 'nothing: nothing was paused'}")
    return released


def _point() -> Any:
    return pull("enumerate", "point")
