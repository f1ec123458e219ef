"""Windows of the week: days and times of a clock on the wall, in the schedule's zone.

Pure: `occurrences` says when they are, daylight saving changes included; nothing here knows what a
window is for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from lifeboat.policy.fields import Strict, refuse, unique

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
_DAY = timedelta(days=1)
_WEEK = 7 * 24 * 60


def _check_clock(text: str) -> str:
    if not _CLOCK.fullmatch(text):
        raise refuse('a time of day in quotes, from "00:00" to "24:00"')
    return text


Clock = Annotated[
    str, AfterValidator(_check_clock), Field(json_schema_extra={"pattern": f"^({_CLOCK.pattern})$"})
]


class Window(Strict):
    """A stretch of some days of the week."""

    days: Annotated[tuple[Day, ...], AfterValidator(unique)] = Field(
        default=DAYS,
        min_length=1,
        description="The days on which it begins: mon, tue, wed, thu, fri, sat, sun. Default all.",
        examples=[["mon", "fri"]],
    )
    from_: Clock = Field(
        alias="from",
        description="When it begins, by the clock of the schedule's time zone.",
        examples=["22:00"],
    )
    to: Clock = Field(
        description="When it ends; a time that is not after `from` is one of the next day.",
        examples=["06:00"],
    )

    def __str__(self) -> str:
        days = "daily" if len(self.days) == len(DAYS) else ", ".join(self.days)
        return f"{days} {self.from_}-{self.to}"

    @property
    def minutes(self) -> tuple[int, int]:
        """Begin and end in minutes of the day; the end may be one of the next day."""
        begin, end = _minutes(self.from_), _minutes(self.to)
        return begin, end if end > begin else end + 24 * 60


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)


Span = tuple[datetime, datetime]
"""Begin and end in UTC; the end is not part of it."""


def occurrences(
    windows: Iterable[Window], zone: ZoneInfo, since: datetime, until: datetime
) -> list[Span]:
    """What of the windows touches [since, until), in order; those that touch are one."""
    found = []
    day = since.astimezone(zone).date() - 2 * _DAY
    last = until.astimezone(zone).date() + _DAY
    while day <= last:
        for window in windows:
            if DAYS[day.weekday()] in window.days:
                begin, end = (_moment(day, minute, zone) for minute in window.minutes)
                found.append((begin, end))
        day += _DAY
    return [span for span in _joined(found) if span[1] > since and span[0] < until]


def _moment(day: date, minute: int, zone: ZoneInfo) -> datetime:
    days, rest = divmod(minute, 24 * 60)
    at = time(rest // 60, rest % 60)
    return datetime.combine(day + days * _DAY, at, zone).astimezone(UTC)


def _joined(spans: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for begin, end in sorted(span for span in spans if span[1] > span[0]):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def inside(windows: Sequence[Window], zone: ZoneInfo, moment: datetime) -> Window | None:
    """The first of the windows that this moment lies in."""
    for window in windows:
        if occurrences([window], zone, moment, moment + timedelta(microseconds=1)):
            return window
    return None


def always(windows: Iterable[Window]) -> bool:
    """Whether the windows leave no minute of the week."""
    taken = set()
    for window in windows:
        begin, end = window.minutes
        for day in window.days:
            first = DAYS.index(day) * 24 * 60
            taken |= {minute % _WEEK for minute in range(first + begin, first + end)}
    return len(taken) == _WEEK
