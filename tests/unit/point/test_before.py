"""Which point is the newest one before a moment."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lifeboat.clock import parse_rfc3339
from lifeboat.errors import UsageError
from lifeboat.point import catalog
from lifeboat.point.manifest import Manifest, Run
from lifeboat.steps.backup import backup
from tests.support.world import World

INSTANCE = "shop.local"


def captured(world: World, run: str) -> Manifest:
    made = backup(world.context(), Run(run, "manual"), lambda _: None)
    assert made is not None
    world.tick(hours=1)
    return made


@pytest.mark.parametrize(
    ("since_the_first", "found"),
    [
        (timedelta(seconds=1), 0),
        (timedelta(hours=1), 0),  # captured then is not captured before
        (timedelta(hours=1, seconds=1), 1),
        (timedelta(hours=2, seconds=1), 1),  # the one of then is incomplete
        (timedelta(hours=3, seconds=1), 3),
        (timedelta(days=1), 3),
    ],
)
def test_the_newest_complete_point_before_a_moment(since_the_first: timedelta, found: int) -> None:
    world = World()
    points = [captured(world, "run-0"), captured(world, "run-1")]
    world.cluster.failures["things.example/v1"] = "nobody answers"
    points.append(captured(world, "run-2"))
    world.cluster.failures.clear()
    points.append(captured(world, "run-3"))
    assert [one.complete for one in points] == [True, True, False, True]
    moment = parse_rfc3339(points[0].captured_to) + since_the_first
    assert catalog.find(world.context().vault, INSTANCE, before=moment).point == points[found].point


def test_before_the_first_point_there_is_none() -> None:
    world = World()
    first = captured(world, "run-0")
    moment = parse_rfc3339(first.captured_to) - timedelta(seconds=1)
    with pytest.raises(UsageError, match="no complete recovery point captured before 2026-11-22"):
        catalog.find(world.context().vault, INSTANCE, before=moment)
