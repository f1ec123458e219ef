"""What Lifeboat needs of who runs other pipelines: whether they are busy, and a brake.

Guarantees every adapter keeps (tests/support/flows.py): setting what is set already is no error;
a pipeline that does not exist raises NotFound, whatever is asked. Also raises Unauthorized,
Forbidden, Throttled, AirflowUnreachable.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol


class Flows(Protocol):
    """The DAGs of one Airflow, by their ids."""

    def is_paused(self, dag: str) -> bool: ...

    def set_paused(self, dag: str, *, paused: bool) -> None: ...

    def busy(self, dag: str) -> tuple[str, ...]:
        """Who may be writing: of a DAG that is not paused its runs that are queued or running; of
        a paused one the tasks that are under way, for its runs go no further."""
        ...

    def trigger(self, dag: str, run: str, conf: Mapping[str, Any]) -> None:
        """Start a run of this id; one that is there already is left as it is."""
        ...

    def state(self, dag: str, run: str) -> str:
        """queued, running, success or failed. Raises NotFound for a run that is not there."""
        ...

    def began_since(self, dag: str, moment: datetime) -> tuple[str, ...]:
        """Runs that started at this moment or later."""
        ...

    def succeeded_since(self, dag: str, moment: datetime) -> dict[str, str]:
        """Runs that ended at this moment or later, and well: when each ended (RFC 3339)."""
        ...

    def redo(self, dag: str, since: datetime) -> tuple[datetime, datetime]:
        """Have every interval run again whose run ended after `since`, or that has none, up to now;
        oldest first, one after the other. Returns the intervals' range.

        Raises Invalid where nothing is scheduled that could run again, AlreadyExists where that is
        under way already."""
        ...
