"""Copying the files of volumes into the vault, as tasks: `move` waits in the triggerer while mover
pods work, `clear_movers` removes what they leave, whatever happened (docs/decisions, "Movers")."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from typing_extensions import override

from lifeboat.pipeline.backup_tasks import POINT_KEY, scope_of
from lifeboat.pipeline.opening import leaving_errors, open_instance, pull, say
from lifeboat.pipeline.triggers import Plain
from lifeboat.pipeline.waiting import WaitingOperator

if TYPE_CHECKING:
    from lifeboat.steps.context import Context


class MoveOperator(WaitingOperator):
    """Starts mover pods, as many at once as the policy says, until every volume is accounted for.
    What is carried between attempts is the point's id: the rest lies in the vault."""

    look = "moves"

    @override
    def arguments(self, opened: Context) -> Plain:
        return {"point": pull("enumerate", POINT_KEY)}

    @override
    def limit(self, opened: Context) -> timedelta:
        from lifeboat.steps.move import limit

        return limit(opened, scope_of(opened))

    @override
    def finish(
        self, opened: Context, arguments: Plain, waiting: list[str], seconds: float
    ) -> dict[str, int]:
        from lifeboat.steps.move import finish_moves, told

        moved = finish_moves(opened, scope_of(opened))
        for one in moved:
            say(told(one))
        return {"volumes": len(moved), "copied": sum(one.copy is not None for one in moved)}


def clear_movers(instance: str) -> None:
    """Removes pods, clones and Secrets of this run that are there still."""
    from lifeboat.steps.move import clear_moves

    if not pull("enumerate", POINT_KEY):
        return
    with leaving_errors():
        opened = open_instance(instance)
        clear_moves(opened, scope_of(opened))
