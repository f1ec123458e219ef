"""Waiting without a worker: looks at something from time to time until it needs no more waiting.

LOOKS are the engine's own looks; a deferrable task looks with the same ones (waiting.py). The
engine is synchronous, so a look runs in a thread of the triggerer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from lifeboat.clock import parse_rfc3339, utc_now
from lifeboat.errors import LifeboatError
from lifeboat.pipeline.opening import open_flows, open_instance

if TYPE_CHECKING:
    from lifeboat.steps.context import Context

Plain = dict[str, Any]
"""Arguments of a look, as JSON: they lie in Airflow's database while a task waits."""

FIRST_LOOK_SECONDS = 4.0
"""An event within a second of deferring can find the task still marked as running, and Airflow then
fails it (Airflow issue 66374)."""

POLL_SECONDS = 5.0

SELDOM = {"region_copies": 60.0}
"""Seconds between two looks at what takes hours and costs its cloud's API many calls."""

_NAMED = 20

_log = logging.getLogger("lifeboat")


def snapshots(context: Context, arguments: Plain) -> list[str]:
    """Snapshots that are neither ready nor failed; `tickets` are plain SnapshotTickets."""
    from lifeboat.steps.settle import look, ticket_from

    return look(context, [ticket_from(plain) for plain in arguments["tickets"]])


def claims(context: Context, arguments: Plain) -> list[str]:
    """Restored claims that have no volume yet; `tickets` are plain RestoreTickets."""
    import msgspec

    from lifeboat.ports.disks import RestoreTicket
    from lifeboat.restore.volumes import unbound

    return unbound(context, msgspec.convert(arguments["tickets"], list[RestoreTicket]))


def workloads(context: Context, arguments: Plain) -> list[str]:
    """Restored workloads that are not ready, of the stored plan `restore`."""
    from lifeboat.restore.plan import stored_plan
    from lifeboat.restore.wait import not_ready

    plan = stored_plan(context, context.instance.id, arguments["restore"])
    return not_ready(context, plan)


def hooks(context: Context, arguments: Plain) -> list[str]:
    """What the hooks of the stored plan `restore` wait for."""
    from lifeboat.restore.hooks import awaited
    from lifeboat.restore.plan import stored_plan

    return awaited(context, stored_plan(context, context.instance.id, arguments["restore"]))


def unwatched(context: Context, arguments: Plain) -> list[str]:
    """Who does not yet watch over what is to be held (`what`) for the point `point`."""
    from lifeboat.steps.watch import is_on

    on = is_on(context, arguments["what"], arguments["point"])
    return [] if on else [f"the triggerer, to watch over the {arguments['what']}"]


def region_copies(context: Context, arguments: Plain) -> list[str]:  # noqa: ARG001 - as all looks
    """Copies into other regions that run or wait for their turn; those whose turn it is are
    started."""
    from lifeboat.steps.copy_regions import look_at_copies

    return list(look_at_copies(context).waiting)


def busy_dags(context: Context, arguments: Plain) -> list[str]:  # noqa: ARG001 - as all looks
    """What keeps the DAGs of the policy's `quiesce` from being quiet."""
    from lifeboat.steps.quiet import busy

    return busy(context, open_flows(context))


def still_waiting(waiting: list[str]) -> str:
    """A line of progress that names as many as a person reads."""
    if not waiting:
        return "nothing is waiting any more"
    more = len(waiting) - _NAMED
    rest = f"; and {more} more" if more > 0 else ""
    return f"{len(waiting)} still waiting: {'; '.join(waiting[:_NAMED])}{rest}"


def moves(context: Context, arguments: Plain) -> list[str]:
    """Volumes of `point` whose files are on the way into the vault; starts those whose turn it
    is."""
    from lifeboat.point import layout
    from lifeboat.steps.move import look
    from lifeboat.steps.scope import Scope

    key = layout.scope(context.instance.id, arguments["point"])
    return look(context, context.vault.get_document(key, Scope))


LOOKS: dict[str, Callable[[Context, Plain], list[str]]] = {
    "snapshots": snapshots,
    "claims": claims,
    "workloads": workloads,
    "hooks": hooks,
    "unwatched": unwatched,
    "region_copies": region_copies,
    "busy_dags": busy_dags,
    "moves": moves,
}


class LookTrigger(BaseTrigger):
    """Fires when the look names nothing any more, at `until` (RFC 3339), or when looking fails for
    good: the task that resumes looks itself and judges what it sees."""

    def __init__(self, look: str, instance: str, target: str, arguments: Plain, until: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.look, self.instance, self.target = look, instance, target
        self.arguments, self.until = arguments, until
        self._told: list[str] = []

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{__name__}.LookTrigger",
            {
                "look": self.look,
                "instance": self.instance,
                "target": self.target,
                "arguments": self.arguments,
                "until": self.until,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        delay = FIRST_LOOK_SECONDS
        while True:
            await asyncio.sleep(delay)
            delay = SELDOM.get(self.look, POLL_SECONDS)
            if utc_now() >= parse_rfc3339(self.until) or not await self._must_wait():
                yield TriggerEvent({})  # type: ignore[no-untyped-call]
                return

    async def _must_wait(self) -> bool:
        try:
            waiting = await asyncio.to_thread(self._look)
            if waiting != self._told:
                _log.info("%s", still_waiting(waiting))
            self._told = waiting
            return bool(waiting)
        except LifeboatError as error:
            _log.warning("%s", error)
            return error.retryable

    def _look(self) -> list[str]:
        context = open_instance(self.instance, self.target)
        return LOOKS[self.look](context, self.arguments)
