"""The task of the replay DAG."""

from __future__ import annotations

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import LifeboatError, UsageError
from lifeboat.pipeline.opening import leaving_errors, open_copies, say


def replay(instance: str, point: str, dags: list[str], connection: str) -> dict[str, list[str]]:
    """Asks for one backfill a DAG; returns of each DAG from when to when. One that is refused keeps
    no other from it.

    Raises UsageError naming those that were refused and why.
    """
    from lifeboat.adapters.flows_airflow import AirflowFlows
    from lifeboat.pipeline.connections import AirflowConnections
    from lifeboat.point import catalog

    asked: dict[str, list[str]] = {}
    refused: list[str] = []
    with leaving_errors():
        restored = catalog.find(open_copies(instance)[0], instance, point)
        since = parse_rfc3339(restored.captured_from)
        say(f"point {restored.point} was captured from {restored.captured_from} on")
        flows = AirflowFlows(AirflowConnections().airflow(connection))
        for dag in dags:
            try:
                first, last = flows.redo(dag, since)
            except LifeboatError as error:
                refused.append(f"  {dag}: {error.message}")
                continue
            asked[dag] = [rfc3339(first), rfc3339(last)]
            say(f"{dag} runs again from {rfc3339(first)} to {rfc3339(last)}")
        if refused:
            raise UsageError(
                f"{len(refused)} of {len(dags)} DAGs do not run again:\n" + "\n".join(refused),
                hint="without a schedule, under way already, or not there: run those by hand",
            )
    return asked
