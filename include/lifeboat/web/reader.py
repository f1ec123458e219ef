"""Reads the fleet for many open pages at once without asking the vaults for each of them.

It knows nothing of vaults; `FleetReader` is wired by lifeboat.wiring.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lifeboat.clock import Clock, monotonic, utc_now
from lifeboat.errors import LifeboatError
from lifeboat.report.clusters import FleetStanding

_log = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
NOTHING = FleetStanding()


class FleetReader(Protocol):
    """Tells how every instance and every cluster stands, from vaults alone."""

    def read(self) -> FleetStanding:
        """May block and may take long. One vault's trouble is a row in state `unreadable`.

        Raises LifeboatError when not even the rows can be known.
        """
        ...

    def problems(self) -> tuple[str, ...]:
        """What is wrong in policy files and clusters.yaml, one entry a mistake. Such a file gives
        no row, and its backups do not run."""
        ...


@dataclass(frozen=True)
class Snapshot:
    """The fleet as it was at `taken_at`; `failure` says why it could not be read."""

    taken_at: datetime
    fleet: FleetStanding = NOTHING
    problems: tuple[str, ...] = ()
    failure: str = ""


class CachedFleet:
    """Keeps an answer for a few seconds, and lets whoever asks meanwhile wait for the same one.

    Belongs to one event loop. A failure is kept as long as an answer: a vault that is down is not
    asked again by every page that is open.
    """

    def __init__(
        self,
        reader: FleetReader,
        *,
        fresh_seconds: float = FRESH_SECONDS,
        clock: Clock = utc_now,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        self._reader = reader
        self._fresh_seconds = fresh_seconds
        self._clock = clock
        self._timer = timer
        self._flight: asyncio.Task[Snapshot] | None = None
        self._landed = 0.0

    async def read(self) -> Snapshot:
        """The newest answer, at most `fresh_seconds` old. Raises nothing."""
        flight = self._flight
        if flight is None or (
            flight.done() and self._timer() - self._landed >= self._fresh_seconds
        ):
            flight = self._flight = asyncio.create_task(self._fetch())
        # Shielded: a page that is closed must not cancel the answer for the others.
        return await asyncio.shield(flight)

    async def _fetch(self) -> Snapshot:
        snapshot = await asyncio.to_thread(self._ask)
        self._landed = self._timer()
        return snapshot

    def _ask(self) -> Snapshot:
        try:
            problems, fleet = self._reader.problems(), self._reader.read()
        except LifeboatError as error:
            return Snapshot(self._clock(), failure=str(error))
        except Exception as error:
            _log.exception("The state of the fleet could not be read")
            failure = (
                f"An unexpected {type(error).__name__} came up.\n"
                "The log of Airflow's API server has the details."
            )
            return Snapshot(self._clock(), failure=failure)
        return Snapshot(self._clock(), fleet, problems)
