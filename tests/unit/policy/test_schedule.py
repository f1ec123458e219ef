"""The longest wait that a schedule leaves, and durations."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest

from lifeboat.policy.fields import format_duration, parse_duration
from lifeboat.policy.schedule import Schedule

GAPS = {
    # cron, zone -> hours; the night on which clocks go back is an hour longer
    ("0 */4 * * *", "UTC"): 4,
    ("0 */5 * * *", "UTC"): 5,
    ("0 2 * * *", "UTC"): 24,
    ("0 3 * * *", "Europe/Berlin"): 25,
    ("0 * * * *", "Europe/Berlin"): 1,
    ("0 */2 * * *", "Europe/Berlin"): 3,
    ("0 1,2 * * *", "UTC"): 23,
    ("0 9-17 * * 1-5", "UTC"): 64,
    ("0 0 * * 0", "UTC"): 7 * 24,
    ("0 0 1 * *", "UTC"): 31 * 24,
    ("0 0 29 2 *", "UTC"): 1461 * 24,
    ("0 0 1 1 *", "UTC"): 366 * 24,
    ("0 0 L * *", "UTC"): 31 * 24,
    ("30 12 1 * MON", "UTC"): 7 * 24,  # cron's own rule: day of month or day of week
}


@pytest.mark.parametrize(("cron", "zone"), GAPS)
def test_largest_gap(cron: str, zone: str) -> None:
    gap = Schedule(cron=cron, timezone=zone).gap
    assert gap.length == timedelta(hours=GAPS[cron, zone])
    assert gap.end.astimezone(UTC) - gap.begin.astimezone(UTC) == gap.length


def test_minutes_count_too() -> None:
    assert Schedule(cron="0,45 * * * *").gap.length == timedelta(minutes=45)
    assert Schedule(cron="7 0 * * *", timezone="Asia/Kolkata").gap.length == timedelta(hours=24)


def test_a_skipped_hour_leaves_no_hole() -> None:
    """30 2 * * * does not exist on the day of the spring change; it then fires an hour later."""
    assert Schedule(cron="30 2 * * *", timezone="Europe/Berlin").gap.length == timedelta(hours=25)


def test_white_space_in_a_cron_is_normal_form() -> None:
    assert Schedule(cron=" 0  2 * *  * ").cron == "0 2 * * *"


@pytest.mark.parametrize(
    ("text", "seconds"),
    {
        "90s": 90,
        "30m": 1800,
        "4h30m": 16200,
        "2d": 172800,
        "1w": 604800,
        "1w2d3h4m5s": 788645,
    }.items(),
)
def test_durations(text: str, seconds: int) -> None:
    duration = parse_duration(text)
    assert duration == timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    "text", ["", "5", "h", "5 h", "1.5h", "-1h", "30m4h", "1h1h", "0s", "9999w", "1H", "٣h", "5h\n"]
)
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError):
        parse_duration(text)
