"""Tasks that wait: they look first, stay for a few seconds, and then wait in the triggerer."""

from __future__ import annotations

from abc import abstractmethod
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from typing_extensions import override

from lifeboat.clock import parse_rfc3339, poll_until, rfc3339, utc_now
from lifeboat.pipeline.opening import SAME_CLUSTER, leaving_errors, open_instance
from lifeboat.pipeline.triggers import LOOKS, LookTrigger, Plain, still_waiting

if TYPE_CHECKING:
    from lifeboat.steps.context import Context

PATIENCE_SECONDS = 5.0
"""Deferring and resuming costs about as much; a shorter wait is done on the spot."""


class WaitingOperator(BaseOperator):
    """Looks (`look` of triggers.LOOKS) until nothing is waiting or the time is up, then finishes.

    Subclasses say what to look at, for how long, and what to do at the end. A resumed or retried
    task does the same from the beginning: every engine call below is idempotent.
    """

    look: str
    template_fields: tuple[str, ...] = ("instance", "target")

    def __init__(self, *, instance: str, target: str = SAME_CLUSTER, **kwargs: Any) -> None:
        kwargs.setdefault("execution_timeout", None)  # it would cut the wait short, too
        super().__init__(**kwargs)
        self.instance = instance
        self.target = target

    @abstractmethod
    def arguments(self, opened: Context) -> Plain:
        """Start what is to be waited for; returns the arguments of the look."""

    @abstractmethod
    def limit(self, opened: Context) -> timedelta:
        """How long to wait in all."""

    @abstractmethod
    def finish(self, opened: Context, arguments: Plain, waiting: list[str], seconds: float) -> Any:
        """What to do when nothing is waiting, or with what still is; `seconds` have passed."""

    @override
    def execute(self, context: Any) -> Any:
        return self.resume(context, None, began=rfc3339(utc_now()))

    def resume(self, context: Any, event: Any, began: str) -> Any:  # noqa: ARG002
        """Look again. Airflow calls it when the trigger fires."""
        with leaving_errors():
            opened = open_instance(self.instance, self.target)
            arguments = self.arguments(opened)
            until = parse_rfc3339(began) + self.limit(opened)
            left = (until - utc_now()).total_seconds()
            waiting = list(
                poll_until(
                    lambda: LOOKS[self.look](opened, arguments),
                    seconds=min(PATIENCE_SECONDS, left),
                )
            )
            if not waiting or utc_now() >= until:
                seconds = (utc_now() - parse_rfc3339(began)).total_seconds()
                return self.finish(opened, arguments, waiting, seconds)
        self.log.info("%s", still_waiting(waiting))
        trigger = LookTrigger(self.look, self.instance, self.target, arguments, rfc3339(until))
        self.defer(trigger=trigger, method_name="resume", kwargs={"began": began})
        return None
