"""When a schedule fires, looked up forwards and backwards from any moment without walking there.

The same reckoning as `schedule.largest_gap`, which is Airflow's: a time in the skipped hour fires
an hour later, one in the repeated hour when it comes again, and twice when the cron names every
hour. Where clocks change by half an hour (Lord Howe Island) the two differ on those two days.
"""

from __future__ import annotations

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from hashlib import sha256
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter

from lifeboat.policy.schedule import Schedule, clock_times, moments_of, ordinary
from lifeboat.policy.ticks import Fenced, Grid, Ticks

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


class _Ordinary(Sequence[datetime]):
    """The fires of a day without a change of the clocks, none computed before it is asked for."""

    def __init__(self, midnight: datetime, minutes: list[int]) -> None:
        self._midnight = midnight
        self._minutes = minutes

    def __len__(self) -> int:
        return len(self._minutes)

    def __getitem__(self, place: Any) -> Any:
        return self._midnight + self._minutes[place] * _MINUTE


class Fires:
    """The moments at which one timed schedule fires, in UTC; those of one instance, whose jitter
    moves them by `offset`."""

    def __init__(self, schedule: Schedule, offset: timedelta = timedelta(0)) -> None:
        self._ticks, self._shift = _ticks(schedule, offset)

    def before(self, moment: datetime) -> datetime:
        """The last fire before `moment`."""
        return self._ticks.before(moment - self._shift) + self._shift

    def at_or_after(self, moment: datetime) -> datetime:
        """The first fire that is not before `moment`."""
        return self._ticks.at_or_after(moment - self._shift) + self._shift

    def backwards(self, moment: datetime) -> Iterator[datetime]:
        """Every fire at or before `moment`, newest first, without end."""
        return (fire + self._shift for fire in self._ticks.backwards(moment - self._shift))


def _ticks(schedule: Schedule, offset: timedelta) -> tuple[Ticks, timedelta]:
    """The ticks, and what moves each of them. A window stays where it is, so that its ticks move
    by themselves."""
    if schedule.cron:
        return _CronTicks(schedule), offset
    grid = Grid(schedule.step, offset)
    if not schedule.except_:
        return grid, timedelta(0)
    zone = ZoneInfo(schedule.timezone)
    fenced = Fenced(grid, schedule.except_, zone, schedule.reserve, offset)
    return fenced, timedelta(0)


def offset_of(instance: str, jitter: timedelta) -> timedelta:
    """The share of `jitter` that is this instance's, in whole seconds: always the same, and evenly
    spread over a fleet."""
    seconds = int(jitter.total_seconds())
    number = int.from_bytes(sha256(instance.encode()).digest()[:8], "big")
    return timedelta(seconds=number % seconds if seconds else 0)


class _CronTicks:
    """The moments at which a cron fires, in UTC."""

    def __init__(self, schedule: Schedule) -> None:
        self._zone = ZoneInfo(schedule.timezone)
        self._times, self._folds = clock_times(schedule.cron)
        self._minutes = [at.hour * 60 + at.minute for at in self._times]
        fields, nth = croniter.expand(schedule.cron)
        self._days, self._months, self._weekdays = fields[2:]
        self._nth: dict[Any, set[Any]] = dict(nth)  # of a weekday: which of the month, or "l"
        self._irregular = lru_cache(maxsize=64)(self._moments_of_irregular)

    def before(self, moment: datetime) -> datetime:
        """The last fire before `moment`."""
        for day in self._matching(moment, -1):
            fires = self._on(day)
            place = bisect_left(fires, moment)
            if place:
                return fires[place - 1]
        raise AssertionError("a checked cron fires")

    def at_or_after(self, moment: datetime) -> datetime:
        """The first fire that is not before `moment`."""
        for day in self._matching(moment, 1):
            fires = self._on(day)
            place = bisect_left(fires, moment)
            if place < len(fires):
                return fires[place]
        raise AssertionError("a checked cron fires")

    def backwards(self, moment: datetime) -> Iterator[datetime]:
        """Every fire at or before `moment`, newest first, without end."""
        for day in self._matching(moment, -1):
            fires = self._on(day)
            for place in range(len(fires) - 1, -1, -1):
                if fires[place] <= moment:
                    yield fires[place]

    def _matching(self, moment: datetime, step: int) -> Iterator[date]:
        """Days on which the cron fires, from the local day of `moment`, in one direction."""
        begin = moment.astimezone(self._zone).date()
        days = (begin + number * step * _DAY for number in count())
        return filter(self._matches, days)

    def _matches(self, day: date) -> bool:
        if self._months != ["*"] and day.month not in self._months:
            return False
        any_day, any_weekday = self._days == ["*"], self._weekdays == ["*"]
        if any_day or any_weekday:
            return (any_day or self._is_day(day)) and (any_weekday or self._is_weekday(day))
        return self._is_day(day) or self._is_weekday(day)  # cron's own rule: either will do

    def _is_day(self, day: date) -> bool:
        if day.day in self._days:
            return True
        return "l" in self._days and day.day == monthrange(day.year, day.month)[1]

    def _is_weekday(self, day: date) -> bool:
        weekday = (day.weekday() + 1) % 7
        if weekday not in self._weekdays:
            return False
        nth = self._nth.get(weekday)
        if not nth:
            return True
        last = day.day + 7 > monthrange(day.year, day.month)[1]
        return (day.day + 6) // 7 in nth or ("l" in nth and last)

    def _on(self, day: date) -> Sequence[datetime]:
        if not ordinary(day, self._zone):
            return self._irregular(day)
        midnight = datetime.combine(day, time(), self._zone).astimezone(UTC)
        return _Ordinary(midnight, self._minutes)

    def _moments_of_irregular(self, day: date) -> list[datetime]:
        """A day on which the clocks change."""
        folded = (moments_of(day, self._times, self._zone, fold) for fold in self._folds)
        return sorted({moment for moments in folded for moment in moments})
