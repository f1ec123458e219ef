"""Holds and locks in a whole world: who asks for them, what prune makes of them."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app
from lifeboat.cli.source import Source
from lifeboat.clock import rfc3339
from lifeboat.errors import ClusterUnreachable, UsageError
from lifeboat.point import catalog, layout
from lifeboat.point.facts import held_points, read_holds
from lifeboat.point.manifest import Run
from lifeboat.steps.backup import backup
from lifeboat.steps.hold import hold, release
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.retained import retention_points
from tests.support.world import POLICY, World

INSTANCE = "shop.local"


def with_points(count: int, trigger: str = "scheduled", policy: str = POLICY) -> World:
    """A world with points an hour apart; the policy keeps the last two."""
    world = World(policy=policy)
    for number in range(count):
        world.change(f"colour {number}")
        run = Run(str(uuid.uuid4()), trigger, scheduled_for=rfc3339(world.now))
        assert backup(world.context(), run, lambda _: None)
        world.tick(hours=1)
    return world


def ids(world: World) -> list[str]:
    return catalog.point_ids(world.context().vault, INSTANCE)


def prune(world: World) -> tuple[str, ...]:
    return execute_prune(world.context(), plan_prune(world.context())).removed


def test_a_held_point_stays_until_it_is_released() -> None:
    world = with_points(4)
    vault, oldest = world.context().vault, ids(world)[0]
    made = hold(vault, INSTANCE, oldest, "before the migration", world.now)
    assert held_points(vault, INSTANCE) == {oldest}
    assert len(prune(world)) == 1
    assert oldest in ids(world)
    release(vault, INSTANCE, oldest, "done", world.now)
    assert held_points(vault, INSTANCE) == set()
    assert prune(world) == (oldest,)
    stored = vault.store.stat(layout.hold(INSTANCE, oldest, made.id))
    assert stored is not None  # the account of it stays


def test_two_holds_of_one_point_are_released_one_by_one() -> None:
    world = with_points(1)
    vault, point = world.context().vault, ids(world)[0]
    first = hold(vault, INSTANCE, point, "mine", world.now)
    second = hold(vault, INSTANCE, point, "yours", world.now)
    with pytest.raises(UsageError, match="2 open holds") as caught:
        release(vault, INSTANCE, point, "", world.now)
    assert first.id in str(caught.value)
    release(vault, INSTANCE, point, "", world.now, hold_id=first.id)
    release_again = release(vault, INSTANCE, point, "", world.now)
    assert release_again.id == second.id
    with pytest.raises(UsageError, match="nobody holds"):
        release(vault, INSTANCE, point, "", world.now)


def test_a_hold_wants_a_reason_and_a_point() -> None:
    world = with_points(1)
    vault, point = world.context().vault, ids(world)[0]
    with pytest.raises(UsageError, match="without a reason"):
        hold(vault, INSTANCE, point, "  ", world.now)
    assert read_holds(vault, INSTANCE) == []
    world.store.delete(layout.manifest(INSTANCE, point))
    with pytest.raises(UsageError, match="a prune removed it"):
        hold(vault, INSTANCE, point, "too late", world.now)


def test_points_carry_the_lock_they_were_made_with() -> None:
    locked = POLICY.replace("{keep: {last: 2}}", "{keep: {last: 2}, lock: 12h}")
    world = with_points(3, policy=locked)
    world.policy = POLICY  # an edit of the file does not shorten it
    assert prune(world) == ()
    plan = plan_prune(world.context())
    assert any("locked until" in reason for reason in plan.keep[-1].reasons)
    world.tick(hours=12)
    assert len(prune(world)) == 1


@pytest.mark.parametrize(
    ("trigger", "on_demand"),
    [("scheduled", False), ("backfill", False), ("asset", False), ("manual", True), ("cli", True)],
)
def test_who_asked_for_a_point(trigger: str, on_demand: bool) -> None:
    vault = with_points(1, trigger).context().vault
    [told] = retention_points(vault, INSTANCE, catalog.manifests(vault, INSTANCE))
    assert told.on_demand is on_demand


def test_prune_needs_no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Points go while the cluster is gone; the snapshots it had are named, for reconcile."""
    world = with_points(4)
    context = world.context()

    def unreachable(*_: Any, **__: Any) -> Any:
        raise ClusterUnreachable("no answer")

    for call in ("get", "list_pages", "create", "delete", "discover", "patch"):
        monkeypatch.setattr(context.cluster, call, unreachable)
    result = execute_prune(context, plan_prune(context))
    assert len(result.removed) == 2
    assert len(ids(world)) == 2
    assert all("no answer" in leftover for leftover in result.leftovers)


def test_from_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    world = with_points(2)
    vault, oldest = world.context().vault, ids(world)[0]
    monkeypatch.setattr(Source, "vault", lambda self, name: vault)

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert "is held: audit" in run("hold", INSTANCE, oldest, "--reason", "audit")
    listed = run("points", INSTANCE)
    assert [", held" in line for line in listed.splitlines()[1:3]] == [False, True]
    [hold_told] = json.loads(run("show", INSTANCE, oldest, "--json"))["holds"]
    assert hold_told["reason"] == "audit"
    assert "held       since" in run("show", INSTANCE, oldest)
    rows = json.loads(run("points", INSTANCE, "--json"))
    assert [len(row["holds"]) for row in rows] == [0, 1]
    assert "is released" in run("release", INSTANCE, oldest, "--hold", hold_told["id"])
    assert ", held" not in run("points", INSTANCE)
