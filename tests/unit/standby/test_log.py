"""The standby's log: one at a time, and the newest event tells everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from lifeboat.clock import rfc3339
from lifeboat.errors import NotStandingBy, UsageError
from lifeboat.point import layout
from lifeboat.point.manifest import Run
from lifeboat.point.standby import Standing, append, newest_number, read_standing
from lifeboat.policy.alerts import AlertsFile
from lifeboat.report.concerns import concerns, look
from lifeboat.report.metrics import samples
from lifeboat.report.standby import standby_row, standbys_in
from lifeboat.steps.backup import backup
from lifeboat.steps.prune import execute_prune, plan_prune
from tests.support.world import POLICY, World

WITH = f"{POLICY}standby: {{cluster: dr, maxLag: 2h}}\n"


@pytest.fixture
def world() -> World:
    return World(WITH)


def write(world: World, before: Standing, word: str, **fields: object) -> Standing:
    vault = world.context().vault
    return append(vault, "shop.local", "dr", before, word, at=rfc3339(world.now), **fields)  # type: ignore[arg-type]


def brought(world: World, before: Standing, point: str) -> Standing:
    began = write(world, before, "syncing", point=point)
    now = rfc3339(world.now)
    return write(world, began, "synced", point=point, captured=now, whole=True)


def test_the_newest_event_tells_what_lies_there_and_who_runs(world: World) -> None:
    one = brought(world, Standing(), "p1")
    assert (one.mode, one.touched) == ("warm", False)
    two = write(world, one, "syncing", point="p2")
    assert two.touched
    assert two.brought == one.brought
    failed = write(world, two, "synced", missing=("it broke",))
    assert failed.touched, "it is between two points"
    three = brought(world, failed, "p3")
    over = write(world, three, "failing-over")
    active = write(world, over, "active")
    told = write(world, active, "failed-over")
    assert (told.mode, told.turned, told.touched) == ("active", active.head, False)
    assert told.brought is not None
    assert told.brought.point == "p3"
    assert read_standing(world.context().vault, "shop.local", "dr") == told
    back = write(world, told, "failing-back")
    warm = write(world, back, "warm")
    assert (warm.mode, warm.brought) == ("warm", None), "what lies there is no point of the primary"
    assert newest_number(world.context().vault, "shop.local", "dr") == 11
    assert list(standbys_in(world.context().vault)) == [("shop.local", "dr")]


def test_of_two_who_decide_at_once_one_is_refused(world: World) -> None:
    seen = brought(world, Standing(), "p1")
    write(world, seen, "failing-over")
    with pytest.raises(NotStandingBy, match="moved on while"):
        write(world, seen, "syncing", point="p2")


def test_no_point_of_a_primary_that_was_left(world: World) -> None:
    first = brought(world, Standing(), "p1")
    write(world, write(world, first, "failing-over"), "active")
    with pytest.raises(NotStandingBy, match="nothing to capture in local"):
        backup(world.context(), Run("run-2", "scheduled"), lambda _: None)


def test_no_point_of_a_primary_that_is_being_replaced(world: World) -> None:
    first = brought(world, Standing(), "p1")
    active = write(world, write(world, first, "failing-over"), "active")
    back = write(world, active, "failing-back")
    with pytest.raises(NotStandingBy, match="something half replaced"):
        backup(world.context(), Run("run-2", "scheduled"), lambda _: None)
    write(world, back, "warm")
    assert backup(world.context(), Run("run-3", "scheduled"), lambda _: None)


def test_points_of_a_standby_are_not_captured_as_those_of_a_cluster(world: World) -> None:
    context = world.context()
    there = replace(context, instance=replace(context.instance, stands_by_for="shop.prod"))
    with pytest.raises(UsageError, match=r"stands by for shop\.prod"):
        backup(there, Run("run-1", "manual"), lambda _: None)


def test_a_month_later_prune_removes_syncs_and_leaves_what_counts(world: World) -> None:
    context = world.context()
    vault, plan = context.vault, partial(layout.restore_plan, "shop.local")
    standing = Standing()
    for point in ("p1", "p2", "p3"):
        standing = write(world, standing, "syncing", point=point, restore=f"r-{point}")
        vault.put_document(plan(f"r-{point}"), {"request": {"point": point}})
        standing = write(world, standing, "synced", point=point, restore=f"r-{point}")
    over = write(world, standing, "failing-over")
    standing = write(world, over, "warm")
    standing = brought(world, standing, "p4")
    world.tick(days=29)
    execute_prune(world.context(), plan_prune(world.context()))
    assert numbers(world) == list(range(1, 11))
    world.tick(days=2)
    begun = write(world, standing, "syncing", point="p5", restore="r-p5")
    execute_prune(world.context(), plan_prune(world.context()))
    assert numbers(world) == [7, 8, 10, 11], "takeovers, what lies there, and what goes on"
    assert read_standing(vault, "shop.local", "dr") == begun
    assert list(vault.store.list(layout.restores("shop.local"))) == []
    assert brought(world, begun, "p6").number == 13


def numbers(world: World) -> list[int]:
    log = world.context().vault.store.list(layout.standby("shop.local", "dr"))
    return [int(layout.last_segment(stat.key)) for stat in log]


def test_a_standby_that_is_behind_is_told(world: World) -> None:
    backup(world.context(), Run("run-1", "cli"), lambda _: None)
    context = world.context()

    def kinds() -> list[str]:
        sight = look(context.vault, context.instance, world.now)
        return [one.kind for one in concerns(sight, AlertsFile(), world.now)]

    def figures() -> dict[str, float]:
        sight = look(context.vault, context.instance, world.now)
        found = {one.name: one.value for one in samples(sight, AlertsFile(), world.now)}
        return {name: value for name, value in found.items() if "standby" in name}

    assert figures() == {"lifeboat_standby_max_lag_seconds": 7200}
    there = brought(world, Standing(), "p1")
    row = standby_row(context.vault, context.instance, world.now)
    assert row is not None
    assert (row.state, row.limit_seconds) == ("in step", 7200)
    assert "behind" not in kinds()
    world.now += timedelta(hours=3)
    assert "behind" in kinds()
    limit = {"lifeboat_standby_max_lag_seconds": 7200}
    assert figures() == {"lifeboat_standby_lag_seconds": 3 * 3600, **limit}
    write(world, there, "failing-over")
    assert (kinds(), figures()) == (["late"], {}), "what runs there is newer than any point"
