"""What is under way keeps the points that it needs."""

from __future__ import annotations

import pytest

from lifeboat.clock import rfc3339
from lifeboat.errors import NotApproved
from lifeboat.restore.approval import approve
from lifeboat.restore.choice import Choice
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.run import apply_plan, prepare, report
from lifeboat.steps.prune import execute_prune, plan_prune
from tests.support.kinds import NAMESPACE
from tests.unit.test_holds import INSTANCE, World, ids, with_points


def removable(world: World) -> list[str]:
    return sorted(gone.point for gone in plan_prune(world.context()).remove)


def request(point: str) -> RestoreRequest:
    return RestoreRequest(
        instance=INSTANCE,
        point=point,
        mapping={"shop": "copy"},
        choice=Choice(objects=("configmap/settings",)),
        approval="required",
    )


def quiet(_: str) -> None: ...


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
    world.tick(hours=25, minutes=1)
    assert removable(world) == [first, second]


def test_an_approved_plan_keeps_its_point_until_it_is_applied() -> None:
    world = with_points(4)
    first, second = ids(world)[:2]
    plan = plan_restore(world.context(), request(first), "restore-1")
    world.tick(hours=23, minutes=59)
    approve(world.context(), plan, by="ada", how="terminal")
    world.tick(hours=23, minutes=59)
    assert removable(world) == [second]
    execute_prune(world.context(), plan_prune(world.context()))
    assert apply_plan(world.context(), plan, quiet, rfc3339(world.now)).ok
    assert removable(world) == [first]


def test_an_approval_lapses_and_nothing_is_changed_then() -> None:
    world = with_points(4)
    first, second = ids(world)[:2]
    plan = plan_restore(world.context(), request(first), "restore-1")
    world.tick(hours=12)
    approve(world.context(), plan, by="ada", how="terminal")
    world.tick(hours=24, minutes=31)
    assert removable(world) == [second]  # who looked before is still at it
    with pytest.raises(NotApproved, match="lapsed"):
        apply_plan(world.context(), plan, quiet, rfc3339(world.now))
    assert world.cluster.objects(NAMESPACE).keys().isdisjoint({"copy"})
    world.tick(minutes=30)
    assert removable(world) == [first, second]


def test_a_plan_that_is_old_cannot_be_approved() -> None:
    world = with_points(4)
    plan = plan_restore(world.context(), request(ids(world)[0]), "restore-1")
    world.tick(hours=24, minutes=31)
    with pytest.raises(NotApproved, match="lapsed"):
        approve(world.context(), plan, by="ada", how="terminal")


def test_a_restore_that_began_keeps_its_point_and_goes_on_whenever() -> None:
    world = with_points(4)
    first, second = ids(world)[:2]
    plan = plan_restore(world.context(), request(first), "restore-1")
    approve(world.context(), plan, by="ada", how="terminal")
    world.tick(hours=24)
    prepare(world.context(), plan, quiet)
    world.tick(hours=24)
    assert removable(world) == [second]
    world.tick(hours=2)
    assert removable(world) == [first, second]
    prepare(world.context(), plan, quiet)  # a task that is cleared
    assert removable(world) == [second]


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
