"""Which hour, day, week, month or year a moment belongs to, in one time zone.

Daylight saving: hours are those of the clock on the wall, and the one that is shown twice is two,
so the day that is set back has 25 of them and the other 23. A day begins the first time the clock
shows its start; where that is skipped, as much later as the clocks jump (as a cron then fires).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from lifeboat.policy.rules import WEEKDAYS, Retention, Tier

_DAY = timedelta(days=1)


class Calendar:
    """The periods of one policy's retention. Keys of one tier grow with time."""

    def __init__(self, rules: Retention) -> None:
        self._zone = ZoneInfo(rules.timezone or "UTC")
        self._day_begins = rules.day_begins
        self._week_start = WEEKDAYS.index(rules.week_start)
        self._month_start = rules.month_start
        self._year_start = rules.year_start
        self._begin = lru_cache(maxsize=4096)(self._begin_of)

    def key(self, tier: Tier, moment: datetime) -> date:
        """What names the period of `moment`: two moments of one period have equal keys."""
        if tier == "hourly":
            return self._hour(moment)
        return self._first_day(tier, self._day(moment))

    def start(self, tier: Tier, moment: datetime) -> datetime:
        """The first moment of the period that `moment` is in, in UTC."""
        if tier == "hourly":
            return self._hour(moment)
        return self._begin(self._first_day(tier, self._day(moment)))

    def _hour(self, moment: datetime) -> datetime:
        local = moment.astimezone(self._zone)
        into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        return moment.astimezone(UTC) - into

    def _day(self, moment: datetime) -> date:
        day = moment.astimezone(self._zone).date()
        if moment < self._begin(day):
            return day - _DAY
        return day

    def _begin_of(self, day: date) -> datetime:
        return datetime.combine(day, self._day_begins, self._zone).astimezone(UTC)

    def _first_day(self, tier: Tier, day: date) -> date:
        if tier == "daily":
            return day
        if tier == "weekly":
            return day - timedelta(days=(day.weekday() - self._week_start) % 7)
        year, month = day.year, day.month - (day.day < self._month_start)
        if tier == "yearly":
            year, month = year - (month < self._year_start), self._year_start
        if month == 0:
            year, month = year - 1, 12
        return date(year, month, self._month_start)
