"""What a failback captures, and what the vault alone knows of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lifeboat.clock import rfc3339
from lifeboat.errors import Forbidden, PointIncomplete
from lifeboat.point import catalog
from lifeboat.point.manifest import read_policy
from lifeboat.point.standby import append
from lifeboat.policy.model import ClusterEntry
from lifeboat.standby.failback import capture_home, keep_primary
from lifeboat.standby.runbook import Wish, standing
from lifeboat.standby.sides import Sides
from tests.support.kinds import NAMESPACE
from tests.support.world import POLICY, World

WITH = f"{POLICY}standby: {{cluster: dr}}\n"


class Home(World):
    """An instance on its way home."""

    def __init__(self) -> None:
        super().__init__(WITH)
        self.said: list[str] = []
        sides = self.sides()
        for word in ("failing-over", "active", "failing-back"):
            now, at = standing(sides), rfc3339(self.now)
            append(sides.vault, "shop.local", "dr", now, word, at=at, since=at)

    def sides(self) -> Sides:
        context = self.context()
        entry = ClusterEntry(name="dr", in_cluster=True)
        return Sides(
            context.instance,
            entry,
            context.vault,
            lambda instance, _: replace(self.context(), instance=instance),
            lambda name: pytest.fail(name),
        )

    def points(self) -> list[str]:
        return catalog.point_ids(self.context().vault, "shop.local")

    def cannot_list(self) -> None:
        """For one capture: it counts first, and lists then."""
        self.cluster.fail_next("list_pages", Forbidden("no"), skip=1, resource="configmaps")


@pytest.fixture
def world() -> Home:
    return Home()


def test_a_primary_made_anew_leaves_no_point_of_nothing(world: Home) -> None:
    world.cluster.delete(NAMESPACE, None, "shop")
    assert keep_primary(world.sides(), world.said.append) == ""
    assert world.points() == []
    assert "it was made anew" in world.said[-1]


def test_an_incomplete_capture_is_made_anew_once_the_cause_is_mended(world: Home) -> None:
    world.cannot_list()
    with pytest.raises(PointIncomplete, match="configmaps"):
        keep_primary(world.sides(), world.said.append)
    world.tick(minutes=1)
    whole = keep_primary(world.sides(), world.said.append)
    assert keep_primary(world.sides(), world.said.append) == whole, "and only once"
    assert len(world.points()) == 2


def test_what_came_home_is_the_newest_point_or_it_is_told(world: Home) -> None:
    world.cannot_list()
    with pytest.raises(PointIncomplete):
        capture_home(world.sides(), Wish("home"), world.said.append)
    world.tick(minutes=1)
    world.cannot_list()
    (told,) = capture_home(world.sides(), Wish("home", accept=True), world.said.append)
    assert told.startswith("until the next backup a failover brings what was there before")
    world.tick(minutes=1)
    assert capture_home(world.sides(), Wish("home"), world.said.append) == []
    newest = catalog.find(world.context().vault, "shop.local")
    assert newest.point == world.points()[-1]


def test_the_newest_point_says_that_there_is_a_standby(world: Home) -> None:
    capture_home(world.sides(), Wish("home"), world.said.append)
    newest = catalog.find(world.context().vault, "shop.local")
    assert read_policy(world.context().vault, newest) == WITH
