"""Which point a run of test_restore tests: by hand, by the clock, after points, backfilled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lifeboat.pipeline.proof_tasks import _chosen
from tests.support.proof_world import ProofWorld

EVERY_TWO = "testRestore: {timeout: 5s, checks: [objectsComplete], everyPoints: 2}\n"


def run(kind: str, logical_date: Any = None) -> Any:
    return SimpleNamespace(run_type=SimpleNamespace(value=kind), logical_date=logical_date)


@pytest.fixture
def world() -> ProofWorld:
    return ProofWorld(EVERY_TWO)


def chosen(world: ProofWorld, dag_run: Any, point: str = "latest") -> tuple[str, str]:
    context = world.context()
    return _chosen(context.vault, context.instance, point, dag_run)


def test_by_hand_and_by_the_clock_it_is_the_point_that_was_asked_for(world: ProofWorld) -> None:
    first = world.back_up("a").point
    second = world.back_up("b").point
    assert chosen(world, run("scheduled", world.now)) == (second, "")
    assert chosen(world, run("manual", world.now), first) == (first, "")


def test_points_start_it_at_every_second_one(world: ProofWorld) -> None:
    world.back_up("a")
    assert (
        chosen(world, run("asset_triggered"))[1] == "1 new points since the last test restore, of 2"
    )
    second = world.back_up("b").point
    assert chosen(world, run("asset_triggered")) == (second, "")
    world.prove(second)
    world.back_up("c")
    assert chosen(world, run("asset_triggered"))[0] == ""
    fourth = world.back_up("d").point
    assert chosen(world, run("asset_triggered")) == (fourth, "")


def test_a_backfilled_tick_tests_what_stood_then_and_only_once(world: ProofWorld) -> None:
    before = world.now
    first = world.back_up("a").point
    then = world.now
    world.tick(days=30)
    world.back_up("b")
    assert "no point stood at 2026-11-22 12:00" in chosen(world, run("backfill", before))[1]
    assert chosen(world, run("backfill", then)) == (first, "")
    world.prove(first)
    assert chosen(world, run("backfill", then)) == (first, f"{first} is proven already")
