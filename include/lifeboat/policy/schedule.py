"""When a policy runs: cron and time zone, and the longest wait that they leave.

Pure and without a wall clock: gaps are measured over a fixed span of four years (one leap cycle),
so the same file gets the same answer on every day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, CroniterError, croniter
from pydantic import Field, field_validator

from lifeboat.policy.fields import Strict, refuse

_BEGIN = datetime(2024, 1, 1)  # noqa: DTZ001 - local time of whatever zone the schedule names
_SPAN = timedelta(days=4 * 365 + 1)
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True)
class Gap:
    """The longest wait between two fires: `length`, from `begin` to `end` (aware, in the zone)."""

    length: timedelta
    begin: datetime
    end: datetime


def check_zone(timezone: str) -> str:
    """A validator: returns `timezone` when it is one that the IANA database knows."""
    try:
        ZoneInfo(timezone)
    except (ValueError, OSError, LookupError):
        raise refuse("an IANA time zone such as UTC or Europe/Berlin") from None
    return timezone


def _check_cron(cron: str) -> str:
    fields = cron.split()
    if cron in _NICKNAMES:
        raise refuse(f'five cron fields; for {cron} write "{_NICKNAMES[cron]}"')
    if len(fields) != 5:
        raise refuse(
            "five cron fields: minute, hour, day of month, month, day of week,"
            ' such as "0 */4 * * *" for every four hours'
        )
    if any(field.startswith(("H", "R", "h", "r")) for field in fields):
        raise refuse("a cron without random fields (H, R): every run of it must be foreseeable")
    normal = " ".join(fields)
    try:
        croniter(normal, _BEGIN).get_next(datetime)
    except CroniterBadDateError:
        raise refuse(
            "a cron that fires: this one names a day that no month of the calendar has"
        ) from None
    except (CroniterError, ValueError) as error:
        raise refuse(f'a valid cron such as "0 */4 * * *": {error}') from None
    return normal


def _days(cron: str) -> Iterator[date]:
    """The days of the span on which `cron` fires, and at least two; of daily ones, a year's."""
    if croniter.expand(cron)[0][2:] == [["*"], ["*"], ["*"]]:
        yield from (_BEGIN.date() + timedelta(days=number) for number in range(366))
        return
    day_of_month, month, day_of_week = cron.split()[2:]
    days = croniter(f"0 0 {day_of_month} {month} {day_of_week}", _BEGIN - timedelta(seconds=1))
    count = 0
    while (day := days.get_next(datetime)) < _BEGIN + _SPAN or count < 2:
        count += 1
        yield day.date()


@lru_cache(maxsize=256)
def largest_gap(cron: str, timezone: str) -> Gap:
    """The longest wait between two consecutive fires, daylight saving changes included.

    Takes a checked cron of five fields and an IANA zone. Around a change of the clocks it reckons
    as Airflow's cron timetables do: a time in the skipped hour fires an hour later, a time in the
    repeated hour fires once, or twice when the cron names every hour.
    """
    zone = ZoneInfo(timezone)
    times, folds = clock_times(cron)
    widest = max(pairwise(times), key=_apart, default=(times[0], times[0]))
    waits: list[tuple[datetime, datetime]] = []
    last: datetime | None = None
    for day in _days(cron):
        if ordinary(day, zone):
            # All such days are alike inside: the first, the last and the widest pair will do.
            first, low, high, final = moments_of(day, (times[0], *widest, times[-1]), zone)
            waits.append((low, high))
        else:
            moments = sorted({m for fold in folds for m in moments_of(day, times, zone, fold)})
            first, final = moments[0], moments[-1]
            waits += pairwise(moments)
        if last is not None:
            waits.append((last, first))
        last = final
    begin, end = max(waits, key=lambda wait: wait[1] - wait[0])
    return Gap(end - begin, begin.astimezone(zone), end.astimezone(zone))


def clock_times(cron: str) -> tuple[list[time], tuple[int, ...]]:
    """The times of day at which `cron` fires, sorted, and in which folds of a repeated hour."""
    minutes, hours = croniter.expand(cron)[0][:2]
    times = sorted(
        time(int(hour), int(minute))
        for hour in (range(24) if hours == ["*"] else hours)
        for minute in (range(60) if minutes == ["*"] else minutes)
    )
    return times, (0, 1) if hours == ["*"] else (0,)


def _apart(pair: tuple[time, time]) -> int:
    first, second = pair
    return (second.hour - first.hour) * 60 + second.minute - first.minute


def ordinary(day: date, zone: ZoneInfo) -> bool:
    """Whether the clocks of `zone` do not change on this day."""
    midnight = datetime.combine(day, time(), zone)
    next_midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    return midnight.utcoffset() == next_midnight.utcoffset()


def moments_of(day: date, times: Iterable[time], zone: ZoneInfo, fold: int = 0) -> list[datetime]:
    """Local times of a day, in UTC; one in a skipped hour comes an hour later."""
    return [datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC) for at in times]


class Schedule(Strict):
    """When something runs by itself."""

    cron: str = Field(
        description="Five cron fields: minute, hour, day of month, month, day of week (0 and 7 are"
        " Sunday; names such as MON work). Quote it in YAML. A cron that never fires is refused.",
        examples=["0 */4 * * *"],
    )
    timezone: str = Field(
        default="UTC",
        description="The IANA time zone in which `cron` is read. Default UTC, because it has no"
        " daylight saving: in other zones one night a year is an hour longer, and the gap of that"
        " night counts against the RPO.",
        examples=["Europe/Berlin"],
    )

    @field_validator("cron")
    @classmethod
    def _cron_fires(cls, cron: str) -> str:
        return _check_cron(cron)

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, timezone: str) -> str:
        return check_zone(timezone)

    @property
    def gap(self) -> Gap:
        """The longest wait between two fires."""
        return largest_gap(self.cron, self.timezone)
