"""What Airflow tells a task of its run."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock


def run_context(
    kind: str = "manual", tick: datetime | None = None, user: str = "ada"
) -> dict[str, Any]:
    """The context of a task; `kind` is Airflow's run type, `user` who triggered it."""
    run = SimpleNamespace(
        run_id=f"{kind}__1",
        dag_id="dag",
        run_type=SimpleNamespace(value=kind),
        logical_date=tick,
        run_after=tick,
        start_date=datetime(2026, 11, 22, 11, 59, tzinfo=UTC),
        triggering_user_name=user,
    )
    return {"ti": Mock(try_number=1), "dag_run": run}


def answer(who: str, chosen: str = "Approve") -> dict[str, Any]:
    """What Airflow hands over, and what the task returns, when somebody answered."""
    return {
        "chosen_options": [chosen],
        "params_input": {},
        "responded_at": datetime(2026, 11, 22, 12, 30, tzinfo=UTC),
        "responded_by_user": {"id": who, "name": who},
        "timedout": False,
    }
