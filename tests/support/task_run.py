"""What Airflow tells a task of its run."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock


def run_context(kind: str = "manual", tick: datetime | None = None) -> dict[str, Any]:
    """The context of a task; `kind` is Airflow's run type."""
    run = SimpleNamespace(
        run_id=f"{kind}__1",
        dag_id="dag",
        run_type=SimpleNamespace(value=kind),
        logical_date=tick,
        run_after=tick,
    )
    return {"ti": Mock(), "dag_run": run}
