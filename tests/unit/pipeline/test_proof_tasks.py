"""Which point a run of test_restore tests: by hand, by the clock, after points, backfilled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lifeboat.pipeline import proof_tasks
from lifeboat.pipeline.opening import SAME_CLUSTER
from lifeboat.pipeline.proof_tasks import _chosen, _verdict
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


def test_a_verdict_of_another_cluster_tells_what_that_one_does_not_serve(
    world: ProofWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    point = world.back_up("a").point
    world.cluster.deprecated["v1 secrets"] = "v1 Secret is going away"
    context = {"dag_run": SimpleNamespace(start_date=world.now)}
    monkeypatch.setattr(proof_tasks, "open_instance", lambda *_: world.context())
    monkeypatch.setattr(proof_tasks, "get_current_context", lambda: context)
    monkeypatch.setattr(proof_tasks, "pull", lambda *_: None)
    monkeypatch.setattr(proof_tasks, "errors_of", lambda _: ["login with hunter2 failed"])
    there = _verdict("shop.local", "next", point, "test-1")
    assert there.cluster == "next"
    assert there.api == ("1 Secret in version v1: v1 Secret is going away",)
    assert there.error == "login with (masked) failed"
    here = _verdict("shop.local", SAME_CLUSTER, point, "test-2")
    assert (here.cluster, here.api) == ("", ())
