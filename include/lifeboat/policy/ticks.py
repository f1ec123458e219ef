"""The ticks of schedules that are not cron: at equal distances, and around windows without any.

Both count from one fixed moment, so that the same file has the same ticks on every machine and
after every outage. `offset` moves the ticks of one instance; it is shorter than a distance.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from lifeboat.policy.windows import Span, Window, occurrences

_ORIGIN = datetime(2024, 1, 1, tzinfo=UTC)
_INSTANT = timedelta(microseconds=1)
_LOOK = timedelta(days=9)  # a week of windows, and the edges of the next one


class Ticks(Protocol):
    """Moments in UTC, without begin and end."""

    def before(self, moment: datetime) -> datetime: ...

    def at_or_after(self, moment: datetime) -> datetime: ...

    def backwards(self, moment: datetime) -> Iterator[datetime]:
        """Every tick at or before `moment`, newest first, without end."""
        ...


class Grid:
    """Every so long, from the first midnight (UTC) of 2024 on."""

    def __init__(self, step: timedelta, offset: timedelta = timedelta(0)) -> None:
        self._step = step
        self._origin = _ORIGIN + offset

    def before(self, moment: datetime) -> datetime:
        return self.at_or_after(moment) - self._step

    def at_or_after(self, moment: datetime) -> datetime:
        return self._origin + -((self._origin - moment) // self._step) * self._step

    def backwards(self, moment: datetime) -> Iterator[datetime]:
        tick = self.before(moment + _INSTANT)
        while True:
            yield tick
            tick -= self._step


class Fenced:
    """A grid that leaves windows out: a tick `reserve` before each window, so that a run is over
    when it begins, none inside, and one at its end."""

    def __init__(
        self,
        grid: Grid,
        windows: tuple[Window, ...],
        zone: ZoneInfo,
        reserve: timedelta,
        offset: timedelta = timedelta(0),
    ) -> None:
        self._grid = grid
        self._windows = windows
        self._zone = zone
        self._reserve = reserve
        self._offset = offset

    def before(self, moment: datetime) -> datetime:
        found = self._between(moment - _LOOK, moment)
        return found[-1]

    def at_or_after(self, moment: datetime) -> datetime:
        found = self._between(moment, moment + _LOOK)
        return found[0]

    def backwards(self, moment: datetime) -> Iterator[datetime]:
        until = moment + _INSTANT
        while True:
            yield from reversed(self._between(until - _LOOK, until))
            until -= _LOOK

    def _between(self, since: datetime, until: datetime) -> list[datetime]:
        """In order, [since, until); of nine days there are always some."""
        margin = self._reserve + self._offset
        spans = occurrences(self._windows, self._zone, since - margin, until + margin)
        begins = [begin for begin, _ in spans]
        found = {tick for tick in self._plain(since, until) if not _in(tick, begins, spans)}
        for begin, end in spans:
            late = end + self._offset
            edges = (begin - self._reserve, end if _in(late, begins, spans) else late)
            found |= {edge for edge in edges if not _in(edge, begins, spans)}
        return sorted(tick for tick in found if since <= tick < until)

    def _plain(self, since: datetime, until: datetime) -> Iterator[datetime]:
        tick = self._grid.at_or_after(since)
        while tick < until:
            yield tick
            tick = self._grid.at_or_after(tick + _INSTANT)


def _in(moment: datetime, begins: list[datetime], spans: list[Span]) -> bool:
    place = bisect_right(begins, moment) - 1
    return place >= 0 and moment < spans[place][1]
