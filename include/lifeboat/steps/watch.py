"""Who watches over what a run holds still: begun before anything is, over when it was brought back.

Airflow runs no task of a DAG that is paused or whose file is gone, and none while all workers are
busy; a watcher that waits already goes on. So nothing is held before the vault says that one does.
Watches of a point are numbered: a run that is cleared has another one.

    watch.<what>.<number>.begun   watch.<what>.<number>.over
"""

from __future__ import annotations

from itertools import count
from typing import Literal

from lifeboat.clock import rfc3339
from lifeboat.point import layout
from lifeboat.steps.context import Context

What = Literal["freeze", "hold"]


def number_of(context: Context, what: What, point: str) -> int:
    """Of the watch that is on, or the next to begin."""
    return next(number for number in count() if not is_over(context, what, point, number))


def begin(context: Context, what: What, point: str, number: int) -> None:
    """The watcher is there. A second time changes nothing."""
    _note(context, _key(context, what, point, number, "begun"))


def is_on(context: Context, what: What, point: str) -> bool:
    """Whether somebody watches."""
    number = number_of(context, what, point)
    return context.vault.find_document(_key(context, what, point, number, "begun"), str) is not None


def is_over(context: Context, what: What, point: str, number: int) -> bool:
    return context.vault.find_document(_key(context, what, point, number, "over"), str) is not None


def end(context: Context, what: What, point: str) -> None:
    """Nothing has to be watched any more; also the end of a watch that never began."""
    number = number_of(context, what, point)
    _note(context, _key(context, what, point, number, "over"))


def _note(context: Context, key: str) -> None:
    context.vault.settle_document(key, rfc3339(context.clock()), str)


def _key(context: Context, what: What, point: str, number: int, word: str) -> str:
    return layout.part(context.instance.id, point, f"watch.{what}.{number}.{word}")
