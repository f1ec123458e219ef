"""Prune and reconcile where a lock outlives the policy: "not yet", never a failure."""

from __future__ import annotations

from datetime import timedelta

from lifeboat.clock import rfc3339
from lifeboat.point import catalog, layout
from lifeboat.point.manifest import Run
from lifeboat.steps.backup import backup
from lifeboat.steps.prune import PruneResult, execute_prune, plan_prune
from lifeboat.steps.reconcile import reconcile, remove_orphans
from tests.support.world import World

INSTANCE = "shop.local"


def with_points(number: int) -> World:
    world = World()
    for turn in range(number):
        world.change(f"colour-{turn}")
        assert backup(world.context(), Run(f"run-{turn}", "manual"), lambda line: None)
        world.tick(hours=1)
    return world


def prune(world: World) -> PruneResult:
    context = world.context()
    return execute_prune(context, plan_prune(context))


def test_a_locked_point_stays_whole_and_goes_when_its_lock_has_run_out() -> None:
    world = with_points(3)
    oldest = catalog.point_ids(world.context().vault, INSTANCE)[0]
    key = layout.manifest(INSTANCE, oldest)
    until = world.clock() + timedelta(days=1)
    world.store.extend_immutability(key, until)
    before = dict(world.store.blobs)

    result = prune(world)
    assert (result.removed, result.kept) == ((), 3)
    assert result.leftovers == (f"not yet: {key} is locked until {rfc3339(until)}",)
    assert before.items() <= world.store.blobs.items()

    world.tick(days=2)
    assert prune(world).removed == (oldest,)


def test_locked_packs_of_a_removed_point_are_left_to_reconcile() -> None:
    world = with_points(4)
    plan = plan_prune(world.context())
    until = world.clock() + timedelta(days=3)
    locked = [key for key in plan.blobs if key.startswith("packs/")]
    assert locked
    for key in locked:
        world.store.extend_immutability(key, until)

    result = prune(world)
    assert result.removed == tuple(removal.point for removal in plan.remove)
    assert result.leftovers == tuple(
        f"not yet: {key} is locked until {rfc3339(until)}" for key in locked
    )
    world.tick(days=2)
    assert remove_orphans(world.context(), reconcile(world.context())) == []
    assert all(key in world.store.blobs for key in locked)
    world.tick(days=2)
    assert remove_orphans(world.context(), reconcile(world.context()))
    assert not any(key in world.store.blobs for key in locked)
