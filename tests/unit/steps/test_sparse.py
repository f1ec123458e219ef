"""Compaction: the first point of a month empties mostly dead packs, and only then."""

from __future__ import annotations

from datetime import UTC, datetime

from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import Manifest, Run, open_contents
from lifeboat.ports.cluster import Json
from lifeboat.steps.backup import backup
from lifeboat.steps.prune import execute_prune, plan_prune
from tests.support.kinds import CONFIG_MAP
from tests.support.world import POLICY, World

MONTHLY = POLICY.replace("{last: 2}", "{hourly: 2, monthly: 12}")


def config(number: int) -> Json:
    meta = {"name": f"config-{number:03d}"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"n": "0" * 400}}


def world_of(policy: str) -> World:
    world = World(policy, now=datetime(2026, 10, 1, 1, tzinfo=UTC))
    for number in range(60):
        world.cluster.create(CONFIG_MAP, "shop", config(number))
    return world


def point(world: World) -> Manifest:
    context = world.context()
    made = backup(context, Run(f"run-{world.now:%FT%H}", "scheduled"), lambda _: None)
    assert made is not None
    return made


def change(world: World, numbers: range) -> None:
    for number in numbers:
        body = {"data": {"n": f"{world.now:%d%H}" * 100}}
        world.cluster.patch(CONFIG_MAP, "shop", f"config-{number:03d}", body)


def packs(world: World, manifest: Manifest) -> set[str]:
    return needed_by(world.context().vault, [manifest]).packs


def live_a_month(world: World) -> tuple[Manifest, Manifest, Manifest]:
    """First point of October, the last one, and the first of November; what changes in October
    leaves a few objects behind in every pack."""
    first = point(world)
    for step in range(8):
        world.tick(hours=48)
        change(world, range(step * 2, 40))
        last = point(world)
    world.now = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)
    return first, last, point(world)


def test_the_first_point_of_a_month_stores_anew_what_lives_in_mostly_dead_packs() -> None:
    world = world_of(MONTHLY)
    first, last, opening = live_a_month(world)
    assert len(packs(world, last)) > 7
    new = packs(world, opening) - packs(world, last)
    assert len(new) == 1
    assert opening.new_objects > 10
    # The first point of October keeps its own packs alive: nothing of them is stored twice.
    assert packs(world, opening) & packs(world, first)
    context = world.context()
    reader = open_contents(context.vault, opening).reader()
    for entry in open_contents(context.vault, opening):
        assert reader.read(entry.record, entry.place)
    world.tick(hours=1)
    later = point(world)
    assert later.new_objects == 0
    world.tick(hours=1)
    point(world)
    execute_prune(world.context(), plan_prune(world.context()))
    held = {stat.key.rsplit("/", 1)[1] for stat in world.store.list("packs/")}
    assert held == packs(world, first) | packs(world, opening)


def test_without_long_periods_nothing_is_stored_twice() -> None:
    for keep in ("{hourly: 999}", "{last: 999}"):
        world = world_of(POLICY.replace("{last: 2}", keep))
        _, _, opening = live_a_month(world)
        assert opening.new_objects == 0
