"""A clock that a test turns, for stores whose locks run out."""

from __future__ import annotations

from datetime import datetime, timedelta

from lifeboat.clock import utc_now


class TurnedClock:
    """The real time, put forward by every pause instead of waiting for it."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.ahead

    def pause(self, seconds: float) -> None:
        """Stands in for lifeboat.clock.pause."""
        self.ahead += timedelta(seconds=seconds)
