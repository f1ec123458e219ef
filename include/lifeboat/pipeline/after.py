"""Backups after other pipelines: assets that somebody updates, and DAGs that only succeed.

Airflow schedules on assets alone. A DAG that updates none gets one that stands for its success:
its watcher, in the triggerer, asks Airflow's REST API for the newest run that succeeded. How far it
has looked lies in Airflow's store of the asset, so that a triggerer that was away misses nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, AssetAll, AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from typing_extensions import override

from lifeboat.adapters.flows_airflow import AirflowFlows
from lifeboat.clock import parse_rfc3339, rfc3339, utc_now
from lifeboat.errors import LifeboatError
from lifeboat.pipeline.connections import AirflowConnections
from lifeboat.policy.after import After

_SECONDS = 15.0
_OVERLAP = timedelta(minutes=5)
_SEEN = "seen"

_log = logging.getLogger("lifeboat")


def awaited(after: After) -> AssetAll:
    """All that a run waits for."""
    assets: list[Any] = [
        Asset.ref(uri=name) if "://" in name else Asset.ref(name=name) for name in after.assets
    ]
    return AssetAll(*assets, *(success_of(dag, after.connection) for dag in after.dags))


def success_of(dag: str, connection: str) -> Asset:
    """Stands for the runs of a DAG that succeed."""
    return Asset(
        name=f"lifeboat/success/{dag}",
        uri=f"x-lifeboat-dag://{dag}",
        group="success",
        watchers=[AssetWatcher(name="runs", trigger=SuccessTrigger(dag, connection))],
    )


class SuccessTrigger(BaseEventTrigger):
    """An event for each look that finds runs of a DAG that succeeded since the look before."""

    def __init__(self, dag: str, connection: str, seconds: float = _SECONDS) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._dag = dag
        self._connection = connection
        self._seconds = seconds

    @override
    def serialize(self) -> tuple[str, dict[str, Any]]:
        return (
            f"{__name__}.{type(self).__name__}",
            {"dag": self._dag, "connection": self._connection, "seconds": self._seconds},
        )

    @override
    async def run(self) -> AsyncIterator[TriggerEvent]:
        known = await self._known()
        while True:
            try:
                found = await asyncio.to_thread(self._look, min(known.values()))
            except LifeboatError as error:
                _log.warning("%s", error)  # also one that is permanent: a person mends it meanwhile
            else:
                runs = [run for run in found if run not in known]
                known = _recent(known | found)
                if runs:
                    await self._remember(known)
                    yield TriggerEvent({"runs": sorted(runs)})  # type: ignore[no-untyped-call]
            await asyncio.sleep(self._seconds)

    def _look(self, since: str) -> dict[str, str]:
        flows = AirflowFlows(AirflowConnections().airflow(self._connection))
        return flows.succeeded_since(self._dag, parse_rfc3339(since))

    async def _known(self) -> dict[str, str]:
        """Runs that were seen, with when they ended. The first look of all begins now."""
        store = self.asset_state_store
        known: Any = await store.aget(_SEEN) if store else None
        if known:
            return dict(known)
        began = {"": rfc3339(utc_now())}
        await self._remember(began)
        return began

    async def _remember(self, known: dict[str, str]) -> None:
        """Before the event: an event that Airflow loses is one late point, and the same event at
        every start of the triggerer would be a point each."""
        if self.asset_state_store:
            await self.asset_state_store.aset(_SEEN, {**known})


def _recent(known: dict[str, str]) -> dict[str, str]:
    """Runs of the last minutes before the newest: ends do not become visible in their order."""
    oldest = parse_rfc3339(max(known.values())) - _OVERLAP
    return {run: ended for run, ended in known.items() if parse_rfc3339(ended) >= oldest}
