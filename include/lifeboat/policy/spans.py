"""How long a point stays: a length of time that knows calendar months and years.

`P12M` of 2 February is 2 February of the next year, which no number of days says. Months are
counted on the UTC calendar, so that of two points the older one never outlives the newer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

from lifeboat.policy.fields import format_duration, refuse

_SHORT = re.compile(
    r"(?=.)(?:(\d+)y)?(?:(\d+)mo)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?"
)
_ISO = re.compile(
    r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?"
    r"(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
)
_MONTHS_OF_A_CENTURY = 1200
FOREVER = "forever"
SPELLING = "a duration such as 72h, 30d, 12w, 12mo, 3y or P12M"


@dataclass(frozen=True)
class Span:
    """Calendar months and, on top, a fixed time."""

    months: int = 0
    rest: timedelta = timedelta(0)

    def after(self, moment: datetime) -> datetime:
        """`moment` + this. Where that day does not exist (31 + 1 month), the first moment of the
        month that follows: a point is never dropped early for a short month."""
        if not self.months:
            return moment + self.rest
        utc = moment.astimezone(UTC)
        year, month = divmod(utc.year * 12 + utc.month - 1 + self.months, 12)
        try:
            shifted = utc.replace(year=year, month=month + 1)
        except ValueError:
            shifted = datetime(year, month + 2, 1, tzinfo=UTC)  # only day 29 to 31 of a short month
        return shifted + self.rest

    @property
    def roughly(self) -> timedelta:
        """For comparing two spans: a month as 30.44 days, a twelfth of the mean year."""
        return self.months * timedelta(days=30, hours=10, minutes=30) + self.rest

    def __str__(self) -> str:
        years, months = divmod(self.months, 12)
        text = (f"{years}y" if years else "") + (f"{months}mo" if months else "")
        return text + (format_duration(self.rest) if self.rest or not text else "")


def parse_span(text: str) -> Span:
    """`30d`, `12w`, `12mo`, `3y`, `1y6mo`, or ISO 8601: `P30D`, `P12M`, `PT4H`.

    Raises ValueError on anything else, on nothing at all and on more than a hundred years.
    """
    found = _SHORT.fullmatch(text) or _ISO.fullmatch(text)
    if not found or len(text) > 40:
        raise ValueError(SPELLING)
    years, months, weeks, days, hours, minutes, seconds = (int(n or 0) for n in found.groups())
    if max(years, months, weeks, days, hours, minutes, seconds) > 10**10:
        raise ValueError("at most a hundred years")
    calendar = years * 12 + months
    total = (weeks * 7 + days) * 86_400 + hours * 3_600 + minutes * 60 + seconds
    if calendar + total / 2_629_800 > _MONTHS_OF_A_CENTURY:
        raise ValueError("at most a hundred years")
    if not calendar and not total:
        raise ValueError(
            "a duration longer than 0s: a point that stays for no time protects nothing"
        )
    return Span(calendar, timedelta(seconds=total))


def _span(value: Any) -> Any:
    if isinstance(value, Span):
        return value
    if not isinstance(value, str):
        raise refuse(f"{SPELLING} (with its unit)")
    try:
        return parse_span(value)
    except ValueError as error:
        raise refuse(str(error)) from None


def _amount(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, (int, str, Span)):
        raise refuse(f"a whole number, such as 7, or {SPELLING}")
    if isinstance(value, int):
        if value < 1:
            raise refuse("1 or more; leave the key out for a tier that is not wanted")
        return value
    if isinstance(value, str) and value.isdecimal():
        raise refuse(f"a whole number without quotes, or a unit behind it: {value}d")
    return _span(value)


def _expiry(value: Any) -> Any:
    if value == FOREVER:
        return value
    if isinstance(value, str) and value.isalpha():
        raise refuse(f"{FOREVER}, or {SPELLING}")
    return _span(value)


_TEXT = {"type": "string", "pattern": f"^(?:{_SHORT.pattern}|{_ISO.pattern})$"}

SpanField = Annotated[
    Span,
    BeforeValidator(_span),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({**_TEXT, "x-type": "duration"}),
]
"""A length of time, in a file written like `30d` or `P12M`."""

Amount = Annotated[
    int | Span,
    BeforeValidator(_amount),
    PlainSerializer(lambda value: str(value) if isinstance(value, Span) else value),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1}, _TEXT], "x-type": "number or duration"}
    ),
]
"""So many points, or all points for so long."""

Expiry = Annotated[
    Span | str,
    BeforeValidator(_expiry),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"anyOf": [{"const": FOREVER}, _TEXT], "x-type": "duration or `forever`"}),
]
"""A length of time, or `forever`."""
