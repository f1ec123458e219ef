"""When a policy runs: by a cron, at equal distances or by the age of its points; and the longest
wait that this leaves.

Pure and without a wall clock: gaps are measured over a fixed span of four years (one leap cycle),
so the same file gets the same answer on every day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, CroniterError, croniter
from pydantic import Field, field_validator, model_validator

from lifeboat.policy.fields import Duration, Strict, format_duration, refuse
from lifeboat.policy.windows import Window, always, inside, occurrences

_BEGIN = datetime(2024, 1, 1)  # noqa: DTZ001 - local time of whatever zone the schedule names
_SPAN = timedelta(days=4 * 365 + 1)
_NONE = timedelta(0)  # stands for "not written"; never a valid duration
_SHORTEST = timedelta(minutes=5)
_LONGEST = timedelta(days=31)
_LONGEST_RESERVE = timedelta(minutes=30)
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
    repeated hour fires when the clock shows it again, and twice when the cron names every hour.
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
    return times, (0, 1) if hours == ["*"] else (1,)


def _apart(pair: tuple[time, time]) -> int:
    first, second = pair
    return (second.hour - first.hour) * 60 + second.minute - first.minute


def ordinary(day: date, zone: ZoneInfo) -> bool:
    """Whether the clocks of `zone` do not change on this day."""
    midnight = datetime.combine(day, time(), zone)
    next_midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    return midnight.utcoffset() == next_midnight.utcoffset()


def moments_of(day: date, times: Iterable[time], zone: ZoneInfo, fold: int = 1) -> list[datetime]:
    """Local times of a day, in UTC; one in a skipped hour comes an hour later, of one that the
    clock shows twice `fold` 0 is the first and 1 the second."""
    return [_moment(datetime.combine(day, at, zone), fold) for at in times]


def _moment(local: datetime, fold: int) -> datetime:
    moment = local.replace(fold=fold).astimezone(UTC)
    shown = moment.astimezone(local.tzinfo).replace(tzinfo=None)
    skipped = shown != local.replace(tzinfo=None)
    return local.replace(fold=0).astimezone(UTC) if skipped else moment


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default")


def _instead_of_cron(schema: dict[str, Any]) -> None:
    schema.pop("default")
    schema["x-instead"] = "cron"


class Schedule(Strict):
    """When something runs by itself: by one of `cron`, `every` and `noPointOlderThan`."""

    cron: str = Field(
        default="",
        description="Five cron fields: minute, hour, day of month, month, day of week (0 and 7 are"
        " Sunday; names such as MON work). Quote it in YAML. A cron that never fires is refused.",
        examples=["0 */4 * * *"],
        json_schema_extra=_without_default,
    )
    every: Duration = Field(
        default=_NONE,
        description="Instead of a cron: the distance between two runs, a duration from 5m to 31d,"
        " counted from the first midnight (UTC) of 2024 on and not from the last run, so that an"
        " outage moves nothing.",
        examples=["90m"],
        json_schema_extra=_instead_of_cron,
    )
    no_point_older_than: Duration = Field(
        default=_NONE,
        description="Instead of a cron: how old the newest point may become, a duration from 10m to"
        " 31d. Runs come an eighth of it earlier (at most 30m), so that a run has time to end; it"
        " is the RPO, too, unless objectives say otherwise.",
        examples=["4h"],
        json_schema_extra=_instead_of_cron,
    )
    except_: tuple[Window, ...] = Field(
        default=(),
        alias="except",
        description="With noPointOlderThan: windows of the week without runs. A run comes just"
        " before each and one at its end; a longer window makes points as old as it is long, and"
        " the RPO with it. Default none.",
        examples=[[{"days": ["mon"], "from": "08:00", "to": "12:00"}]],
        json_schema_extra={"x-instead": "cron"},
    )
    timezone: str = Field(
        default="UTC",
        description="The IANA time zone in which `cron` and windows are read. Default UTC, because"
        " it has no daylight saving: in other zones one night a year is an hour longer, and the gap"
        " of that night counts against the RPO.",
        examples=["Europe/Berlin"],
    )
    jitter: Duration = Field(
        default=_NONE,
        description="Spreads a fleet: each instance runs so much later than its tick, always by the"
        " same share of this duration, which follows from its id. Shorter than the longest wait."
        " Default none: all run at the tick.",
        examples=["20m"],
        json_schema_extra=_without_default,
    )
    blackout: tuple[Window, ...] = Field(
        default=(),
        description="Windows of the week in which a run is not wanted and still runs, with a"
        " warning in its point: a missing point is worse than a busy hour. Default none.",
        examples=[[{"from": "12:00", "to": "13:00"}]],
    )

    @field_validator("cron")
    @classmethod
    def _cron_fires(cls, cron: str) -> str:
        return _check_cron(cron) if cron else cron

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, timezone: str) -> str:
        return check_zone(timezone)

    @model_validator(mode="after")
    def _one_rhythm(self) -> Schedule:
        rhythms = [self.cron, self.every, self.no_point_older_than]
        written = sum(map(bool, rhythms))
        if written > 1 or (written < 1 and self.needs_rhythm):
            found = "several of them" if written else "none of them"
            raise refuse("one of cron, every and noPointOlderThan", found=found)
        if self.every and not _SHORTEST <= self.every <= _LONGEST:
            raise refuse(
                "a duration from 5m to 31d", found=format_duration(self.every), at=("every",)
            )
        age = self.no_point_older_than
        if age and not 2 * _SHORTEST <= age <= _LONGEST:
            raise refuse(
                "a duration from 10m to 31d", found=format_duration(age), at=("noPointOlderThan",)
            )
        if self.except_ and not age:
            raise refuse(
                "no except without noPointOlderThan: write the hours into the cron, or a blackout,"
                " which warns",
                found="windows",
                at=("except",),
            )
        if always(self.except_):
            raise refuse(
                "windows that leave some time for runs", found="the whole week", at=("except",)
            )
        if self.jitter and (not written or self.jitter >= self.gap.length):
            raise refuse(
                "a duration shorter than the longest wait between two runs",
                found=format_duration(self.jitter),
                at=("jitter",),
            )
        return self

    def __str__(self) -> str:
        """The rhythm as the file has it, for messages."""
        if self.cron:
            return f'cron "{self.cron}" ({self.timezone})'
        if self.every:
            return f"every {format_duration(self.every)}"
        if not self.no_point_older_than:
            return "no time"
        windows = "; ".join(map(str, self.except_))
        except_ = f", except {windows} ({self.timezone})" if windows else ""
        return f"noPointOlderThan {format_duration(self.no_point_older_than)}{except_}"

    @property
    def needs_rhythm(self) -> bool:
        """Whether nothing but the time makes it run."""
        return True

    @property
    def timed(self) -> bool:
        """Whether it has ticks."""
        return bool(self.cron or self.every or self.no_point_older_than)

    @property
    def reserve(self) -> timedelta:
        """How much earlier than `noPointOlderThan` a run begins, in whole minutes."""
        eighth = timedelta(minutes=self.no_point_older_than // timedelta(minutes=8))
        return min(eighth, _LONGEST_RESERVE)

    @property
    def step(self) -> timedelta:
        """The distance of ticks that are no cron's."""
        return self.every or self.no_point_older_than - self.reserve

    @property
    def gap(self) -> Gap:
        """The longest wait between two fires. Of a schedule that is timed."""
        if self.cron:
            return largest_gap(self.cron, self.timezone)
        return _widest_step(self.step, self.reserve, self.except_, self.timezone)

    def blackout_at(self, moment: datetime) -> Window | None:
        """The blackout window that this moment lies in."""
        return inside(self.blackout, ZoneInfo(self.timezone), moment)


@lru_cache(maxsize=256)
def _widest_step(
    step: timedelta, reserve: timedelta, windows: tuple[Window, ...], timezone: str
) -> Gap:
    """A step, or the longest window of the four years with the reserve before it."""
    zone = ZoneInfo(timezone)
    begin = _BEGIN.replace(tzinfo=UTC)
    waits = [(begin, begin + step)]
    for since, until in occurrences(windows, zone, begin, begin + _SPAN):
        waits.append((since - reserve, until))
    first, last = max(waits, key=lambda wait: wait[1] - wait[0])
    return Gap(last - first, first.astimezone(zone), last.astimezone(zone))
