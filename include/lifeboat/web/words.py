"""Durations, moments and counts as people read them on the pages."""

from __future__ import annotations

from datetime import datetime

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TIE = "\N{NO-BREAK SPACE}"
"""Between a figure and its unit."""


def duration(seconds: float) -> str:
    """`42 s`, `4 m 12 s`, `2 h 10 m`, `3 d 4 h`: two units at most, rounded down.

    A figure and its unit are tied by a no-break space.
    """
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole}{_TIE}s"
    if whole < _HOUR:
        return _two(whole, _MINUTE, "m", 1, "s")
    if whole < _DAY:
        return _two(whole, _HOUR, "h", _MINUTE, "m")
    return _two(whole, _DAY, "d", _HOUR, "h")


def _two(whole: int, big: int, big_name: str, small: int, small_name: str) -> str:
    first, rest = divmod(whole, big)
    second = rest // small
    return f"{first}{_TIE}{big_name}" + (f" {second}{_TIE}{small_name}" if second else "")


def ago(seconds: float) -> str:
    """`2 h 10 m ago`, to the minute; anything under one is `just now`."""
    whole = int(seconds) // _MINUTE * _MINUTE
    return "just now" if whole < _MINUTE else f"{duration(whole)} ago"


def moment(when: datetime) -> str:
    """`22 Nov 2026, 23:31 UTC`."""
    return f"{when.day} {when:%b %Y, %H:%M} UTC"


def count(number: int, singular: str) -> str:
    """`1 volume`, `1,204 objects`."""
    return f"{number:,} {singular}{'' if number == 1 else 's'}"
