"""The stand-in's time: turned by hand in tests, the machine's own in a demo."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol

from lifeboat.clock import utc_now


class Time(Protocol):
    """What every delay and limit of the stand-in is measured by."""

    def now(self) -> datetime: ...


class VirtualTime:
    """Stands still until somebody turns it."""

    def __init__(self, start: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)) -> None:
        self._now = start

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        """Turn it forward."""
        self._now += timedelta(seconds=seconds)


class RealTime:
    """The machine's clock, `speed` times as fast: an hour of Azure in a minute with 60."""

    def __init__(self, speed: float = 1.0) -> None:
        self._begin = utc_now()
        self._speed = speed

    def now(self) -> datetime:
        return self._begin + (utc_now() - self._begin) * self._speed
