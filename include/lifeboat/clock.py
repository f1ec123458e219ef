"""The only place that reads the wall clock.

Everything else takes a `Clock`, so that tests can turn it and no step asks twice what time it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

_LONG_SECONDS = 40.0

Clock = Callable[[], datetime]
"""Returns the present moment as an aware UTC datetime."""


def utc_now() -> datetime:
    """The present moment, aware, in UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds on a clock that never goes back; for durations and deadlines only."""
    return time.monotonic()


def pause(seconds: float) -> None:
    """Sleep. Steps poll through this door so that tests can see every wait."""
    time.sleep(seconds)


def poll_until(look: Callable[[], Sequence[str]], *, seconds: float) -> Sequence[str]:
    """Call `look` until it names nothing any more or the time is up; returns what it named last.

    The first looks follow each other quickly, later ones every second, and every two when it takes
    long: what comes after ten seconds is not to be seen after twelve.
    """
    began = monotonic()
    delay = 0.1
    waiting = look()
    while waiting and monotonic() < began + seconds:
        pause(delay)
        delay = min(delay * 1.5, 1.0 if monotonic() < began + _LONG_SECONDS else 2.0)
        waiting = look()
    return waiting


def rfc3339(moment: datetime) -> str:
    """`2026-11-22T23:31:53Z`: how every time in a vault or a report is written."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_rfc3339(text: str) -> datetime:
    """The inverse of `rfc3339`; raises ValueError on anything without a time zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)
