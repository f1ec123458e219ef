"""What is under way keeps the points that it needs."""

from __future__ import annotations

from lifeboat.clock import rfc3339
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.run import report
from lifeboat.steps.prune import execute_prune, plan_prune
from tests.unit.test_holds import INSTANCE, World, ids, with_points


def removable(world: World) -> list[str]:
    return sorted(gone.point for gone in plan_prune(world.context()).remove)


def request(point: str) -> RestoreRequest:
    return RestoreRequest(instance=INSTANCE, point=point, mapping={"shop": "copy"}, volumes=False)


def test_a_point_that_is_being_restored_stays_until_that_is_over() -> None:
    world = with_points(4)
    first, second = ids(world)[:2]
    plan = plan_restore(world.context(), request(first), "restore-1")
    assert removable(world) == [second]
    kept = plan_prune(world.context()).keep[-1]
    assert (kept.point, kept.reasons) == (first, ("in use",))
    execute_prune(world.context(), plan_prune(world.context()))
    report(world.context(), plan, rfc3339(world.now))
    assert removable(world) == [first]


def test_a_restore_that_was_given_up_keeps_nothing() -> None:
    world = with_points(4)
    first, second = ids(world)[:2]
    plan_restore(world.context(), request(first), "restore-1")
    world.tick(hours=25)
    assert removable(world) == [first, second]


def test_a_dry_run_keeps_nothing_and_a_damaged_plan_neither() -> None:
    world = with_points(4)
    first, second = ids(world)[:2]
    dry = RestoreRequest(instance=INSTANCE, point=first, mapping={"shop": "copy"}, dry_run=True)
    plan_restore(world.context(), dry, "restore-1")
    assert removable(world) == [first, second]
    plan_restore(world.context(), request(second), "restore-2")
    [key] = [key for key in world.store.blobs if key.endswith("restore-2/plan")]
    world.store.blobs[key] = world.store.blobs[key][:-1]
    assert removable(world) == [first, second]
