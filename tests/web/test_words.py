"""Durations as people say them."""

from __future__ import annotations

import pytest

from lifeboat.web.words import ago, count, duration, moment
from tests.support.fake_fleet import NOW


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 m"),
        (252, "4 m 12 s"),
        (3599, "59 m 59 s"),
        (18000, "5 h"),
        (7800, "2 h 10 m"),
        (86399, "23 h 59 m"),
        (86400, "1 d"),
        (273600, "3 d 4 h"),
        (4000 * 86400, "4000 d"),
    ],
)
def test_duration(seconds: float, words: str) -> None:
    assert duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == words


def test_ago_moment_count() -> None:
    assert ago(59) == "just now"
    assert ago(60) == "1\N{NO-BREAK SPACE}m ago"
    assert ago(119) == ago(60)
    assert moment(NOW) == "22 Nov 2026, 23:31 UTC"
    assert count(1, "volume") == "1 volume"
    assert count(1204, "object") == "1,204 objects"
