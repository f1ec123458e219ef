"""How often a wait looks."""

from __future__ import annotations

from itertools import pairwise

import pytest

from lifeboat import clock
from lifeboat.clock import poll_until
from tests.support.turned_clock import TurnedClock


@pytest.fixture
def turned(monkeypatch: pytest.MonkeyPatch) -> TurnedClock:
    turned = TurnedClock()
    monkeypatch.setattr(clock, "monotonic", lambda: turned.ahead.total_seconds())
    monkeypatch.setattr(clock, "pause", turned.pause)
    return turned


def looks(turned: TurnedClock, seconds: float) -> list[float]:
    """When a wait looks that nothing ends."""
    times: list[float] = []

    def look() -> list[str]:
        times.append(turned.ahead.total_seconds())
        return ["waits"]

    assert poll_until(look, seconds=seconds) == ["waits"]
    return times


def test_a_wait_ends_soon_after_what_it_waits_for(turned: TurnedClock) -> None:
    times = looks(turned, 300)
    gaps = [(after, after - before) for before, after in pairwise(times)]
    assert all(gap < max(0.16, at / 2) for at, gap in gaps if at < 3)
    assert max(gap for at, gap in gaps if at < 40) <= 1.01
    assert max(gap for _, gap in gaps) <= 2.01


def test_a_long_wait_asks_every_two_seconds(turned: TurnedClock) -> None:
    assert len([at for at in looks(turned, 300) if at > 100]) <= 101


def test_a_wait_looks_a_last_time_when_its_time_is_up(turned: TurnedClock) -> None:
    assert looks(turned, 60)[-1] >= 60
    assert looks(turned, 0) == [turned.ahead.total_seconds()]
