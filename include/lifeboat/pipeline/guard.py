"""Watching over what a run holds still, from the triggerer: it goes on while the DAG is paused, its
file is broken, and no worker is free. docs/hooks.md says what it promises.

`GuardOperator` defers before anything is held; who holds is a `GuardedOperator` and waits until the
vault says that somebody watches. Whoever brings back at the end of the run ends the watch.
"""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, get_current_context
from airflow.triggers.base import BaseTrigger, TriggerEvent
from typing_extensions import override

from lifeboat.clock import monotonic, parse_rfc3339, poll_until, rfc3339, utc_now
from lifeboat.errors import LifeboatError, NotReady
from lifeboat.pipeline.opening import (
    leaving_errors,
    open_decided,
    open_flows,
    open_instance,
    pull,
    say,
)
from lifeboat.pipeline.triggers import FIRST_LOOK_SECONDS, POLL_SECONDS, LookTrigger, unwatched
from lifeboat.pipeline.waiting import PATIENCE_SECONDS

if TYPE_CHECKING:
    from lifeboat.steps.context import Context
    from lifeboat.steps.watch import What

_OVER = ("success", "failed", "skipped", "upstream_failed", "removed")
_UNWATCHED = timedelta(hours=1)
"""How long to wait for the triggerer before giving up; nothing is held meanwhile."""
_IDLE_SECONDS = 3600.0
"""After so long the task looks whether there is anything to watch for at all."""

_log = logging.getLogger("lifeboat")


class GuardTrigger(BaseTrigger):
    """Ends when the watch is over. Says in the vault that it is there, then brings back what was
    held too long; what went wrong with it is tried again, until only a person can help."""

    def __init__(
        self, what: What, instance: str, point: str, cluster: str, vault: str, number: int
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.what, self.number = what, number
        self.place = (instance, point, cluster, vault)
        self._let_go = False

    def serialize(self) -> tuple[str, dict[str, Any]]:
        instance, point, cluster, vault = self.place
        return (
            f"{__name__}.GuardTrigger",
            {
                "what": self.what,
                "instance": instance,
                "point": point,
                "cluster": cluster,
                "vault": vault,
                "number": self.number,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        began = monotonic()
        while True:
            try:
                idle = monotonic() - began > _IDLE_SECONDS
                if await asyncio.to_thread(self._look, idle):
                    break
            except LifeboatError as error:
                _log.warning("%s", error)  # also one that is permanent: a person may mend it
            await asyncio.sleep(POLL_SECONDS)
        # An event soon after deferring can find the task still marked as running.
        await asyncio.sleep(max(FIRST_LOOK_SECONDS - (monotonic() - began), 0))
        yield TriggerEvent({})  # type: ignore[no-untyped-call]

    def _look(self, idle: bool) -> bool:
        """One look; whether there is nothing more to watch."""
        from lifeboat.steps import watch

        opened, point = open_decided(*self.place), self.place[1]
        watch.begin(opened, self.what, point, self.number)
        held = self._freeze(opened) if self.what == "freeze" else self._hold(opened)
        if idle and not held:
            watch.end(opened, self.what, point)
        return not held and watch.is_over(opened, self.what, point, self.number)

    def _freeze(self, opened: Context) -> bool:
        from lifeboat.steps.freeze import is_given_up, still_frozen, thaw_overdue
        from lifeboat.steps.watch import is_over

        point = self.place[1]
        if is_over(opened, self.what, point, self.number) and is_given_up(opened, point):
            return False
        for title in thaw_overdue(opened, point):
            _log.warning("maxFreeze is over: brought back %s", title)
        return bool(still_frozen(opened, point))

    def _hold(self, opened: Context) -> bool:
        from lifeboat.steps.quiet import is_held, let_go, why_let_go
        from lifeboat.steps.watch import is_over

        flows, point = open_flows(opened), self.place[1]
        why = why_let_go(opened, flows, point)
        if why and not self._let_go:
            for dag in let_go(opened, flows, point, why):
                _log.warning("unpaused %s: %s", dag, why)
        self._let_go = bool(why)
        if is_over(opened, self.what, point, self.number):
            return False
        return is_held(opened, point) and not self._let_go


class GuardOperator(BaseOperator):
    """Waits in the triggerer beside what a run holds. `holder` is the task that holds, `ender` the
    one that brings back: once that is over, nothing is waited for."""

    template_fields: tuple[str, ...] = ("instance",)

    def __init__(
        self, *, instance: str, what: What, holder: str, ender: str, **kwargs: Any
    ) -> None:
        kwargs.setdefault("execution_timeout", None)  # it would end the watch
        super().__init__(**kwargs)
        self.instance, self.what, self.holder, self.ender = instance, what, holder, ender

    @override
    def execute(self, context: Any) -> None:
        self.resume(context)

    def resume(self, context: Any, event: Any = None) -> None:  # noqa: ARG002
        """Look again. Airflow calls it when the trigger fires."""
        from lifeboat.steps.freeze import how_ended, thaw_late
        from lifeboat.steps.watch import number_of

        with leaving_errors():
            opened, point = open_instance(self.instance), pull("enumerate", "point")
            number = number_of(opened, self.what, point)  # before the states: it may end meanwhile
            states, held = _states(), self._holds(opened, point)
            if states.get(self.ender) in _OVER and held and self.what == "freeze":
                thaw_late(opened, point)  # else it says what would not thaw
                held = False
            if states.get(self.ender if held else self.holder) in _OVER:
                say(how_ended(opened, point) if self.what == "freeze" else "nothing is held")
                return
        place = (opened.instance.cluster.name, opened.instance.vault.name)
        trigger = GuardTrigger(self.what, self.instance, point, *place, number)
        self.defer(trigger=trigger, method_name="resume")

    def _holds(self, opened: Context, point: str) -> bool:
        from lifeboat.steps.freeze import still_frozen
        from lifeboat.steps.quiet import is_held

        return is_held(opened, point) if self.what == "hold" else bool(still_frozen(opened, point))


class GuardedOperator(BaseOperator):
    """Holds something, once somebody watches over it."""

    what: What
    instance: str

    @override
    def execute(self, context: Any) -> Any:
        return self.guarded(context, None, since=rfc3339(utc_now()))

    def guarded(self, context: Any, event: Any, since: str) -> Any:  # noqa: ARG002
        """Look whether somebody watches by now. Airflow calls it when the trigger fires."""
        with leaving_errors():
            opened = open_instance(self.instance)
            arguments = {"point": pull("enumerate", "point"), "what": self.what}
            until = parse_rfc3339(since) + _UNWATCHED
            waiting = poll_until(lambda: unwatched(opened, arguments), seconds=PATIENCE_SECONDS)
            if waiting and utc_now() >= until:
                raise NotReady(
                    f"nobody watches after {_UNWATCHED}: {'; '.join(waiting)}, so nothing was held",
                    hint="does the triggerer run? Clear this task with those that follow it",
                )
        if not waiting:
            return self.hold(context)
        trigger = LookTrigger("unwatched", self.instance, "same", arguments, rfc3339(until))
        self.defer(trigger=trigger, method_name="guarded", kwargs={"since": since})
        return None

    @abstractmethod
    def hold(self, context: Any) -> Any:
        """Hold it."""


def _states() -> dict[str, str]:
    """The states of this run's tasks; mapped ones by `<task>_<index>`."""
    context = get_current_context()
    run = context["dag_run"]
    found = context["ti"].get_task_states(dag_id=run.dag_id, run_ids=[run.run_id])
    return dict(found.get(run.run_id, {}))
