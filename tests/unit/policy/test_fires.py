"""Fires of a schedule, forwards and backwards, against croniter walking there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter

from lifeboat.policy.fires import Fires
from lifeboat.policy.schedule import Schedule

CRONS = [
    "0 */4 * * *", "*/15 * * * *", "0 2 * * *", "30 22 * * FRI", "0 0 1,15 * *", "15 3 * 2 MON-FRI",
    "0 0 13 * 5", "0 0 L * *", "0 6 * * sat#1", "0 6 * * L5", "0 0 29 2 *", "5 4 * * 7",
]  # fmt: skip


@pytest.mark.parametrize("cron", CRONS)
def test_as_croniter_fires(cron: str) -> None:
    begin = datetime(2026, 12, 30, 23, 59, tzinfo=UTC)
    walk = croniter(cron, begin)
    forwards = [walk.get_next(datetime) for _ in range(40)]
    fires = Fires(Schedule(cron=cron))
    moment, found = begin, []
    for _ in range(40):
        moment = fires.at_or_after(moment + timedelta(seconds=1))
        found.append(moment)
    assert found == forwards
    assert list(islice(fires.backwards(forwards[-1]), 40)) == forwards[::-1]
    for earlier, later in pairwise(forwards):
        assert fires.before(later) == earlier
        assert fires.before(earlier + timedelta(seconds=1)) == earlier
        assert fires.at_or_after(later) == later


def test_around_a_change_of_the_clocks() -> None:
    """02:30 does not exist on 29 March and is shown twice on 25 October."""
    nightly = Fires(Schedule(cron="30 2 * * *", timezone="Europe/Berlin"))
    day = datetime(2026, 3, 29, tzinfo=UTC)
    assert nightly.at_or_after(day) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    evening = datetime(2026, 10, 25, 20, tzinfo=UTC)
    assert list(islice(nightly.backwards(evening), 2)) == [
        datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
        datetime(2026, 10, 24, 0, 30, tzinfo=UTC),
    ]
    hourly = Fires(Schedule(cron="30 * * * *", timezone="Europe/Berlin"))
    zone = ZoneInfo("Europe/Berlin")
    for date, hours in (("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)):
        begin = datetime.fromisoformat(date).replace(tzinfo=zone)
        end = (begin + timedelta(days=1)).astimezone(UTC)
        fired = [m for m in islice(hourly.backwards(end), 30) if m >= begin]
        assert len(fired) == hours
