"""An edited policy shows what it does before anything is deleted."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app
from lifeboat.cli.source import Source
from lifeboat.clock import rfc3339
from lifeboat.point.manifest import Run
from lifeboat.steps.backup import backup
from lifeboat.steps.edit import edit_impact
from lifeboat.steps.hold import hold
from lifeboat.steps.prune import execute_prune, plan_prune
from tests.support.world import POLICY
from tests.unit.test_holds import INSTANCE, World, ids, with_points

WIDE = POLICY.replace("{last: 2}", "{last: 9}")
PAIR = POLICY.replace("{last: 2}", "{last: 1, daily: 1}")


def test_points_that_go_because_of_the_edit() -> None:
    world = with_points(5, policy=WIDE)
    names = ids(world)
    vault = world.context().vault
    hold(vault, INSTANCE, names[0], "audit", world.now)
    world.policy = POLICY
    found = edit_impact(vault, world.context().instance, world.now)
    assert (found.against, found.changed, found.stays) == (names[-1], True, ())
    assert [effect.point for effect in found.goes] == [names[2], names[1]]  # the held one stays
    assert found.goes[0].before == ("last 3 of 9",)
    assert found.goes[0].after == ("older than the newest 2 good points",)
    assert ids(world) == names  # nothing was done


def test_points_that_stay_because_of_the_edit() -> None:
    world = with_points(4, policy=POLICY)
    world.policy = WIDE
    found = edit_impact(world.context().vault, world.context().instance, world.now)
    assert [effect.point for effect in found.stays] == ids(world)[1::-1]
    assert found.goes == ()


def test_points_that_both_rules_remove_are_no_impact() -> None:
    world = with_points(4, policy=POLICY)
    world.policy = PAIR  # the first of the day instead of the second newest
    found = edit_impact(world.context().vault, world.context().instance, world.now)
    names = ids(world)
    assert [effect.point for effect in found.goes] == [names[2]]
    assert [effect.point for effect in found.stays] == [names[0]]


def test_without_an_edit_and_without_points_there_is_nothing_to_tell() -> None:
    world = with_points(3)
    assert not edit_impact(world.context().vault, world.context().instance, world.now).changed
    empty = World()
    found = edit_impact(empty.context().vault, empty.context().instance, empty.now)
    assert (found.against, found.changed) == ("", False)


def test_a_policy_of_another_version_is_said_to_be_unreadable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = with_points(1)
    context = world.context()
    world.policy = POLICY + "# edited\n"
    monkeypatch.setattr("lifeboat.steps.edit.parse_policy", refuses_it)
    found = edit_impact(context.vault, world.context().instance, world.now)
    assert "cannot be read" in found.unreadable
    plan = plan_prune(world.context())
    assert plan.remove == ()  # nobody knows what it kept


def test_an_edit_lets_points_go_a_day_after_the_first_point_made_with_it() -> None:
    world = with_points(4, policy=WIDE)
    old = ids(world)
    world.policy = POLICY
    plan = plan_prune(world.context())
    assert (plan.remove, plan.spared) == ((), (old[0], old[1]))
    assert "until a day after the next point" in plan.keep[-1].reasons[0]
    made_at = point(world)
    for hours in (0, 23):
        world.tick(hours=hours)
        plan = plan_prune(world.context())
        assert set(plan.spared) == set(old[:3])
        assert plan.remove == ()
        assert rfc3339(made_at + timedelta(days=1)) in plan.keep[-1].reasons[0]
    assert edit_impact(world.context().vault, world.context().instance, world.now).from_
    world.tick(hours=1)
    plan = plan_prune(world.context())
    assert [gone.point for gone in plan.remove] == old[2::-1]
    assert plan.spared == ()


def test_who_does_not_want_to_wait_says_so() -> None:
    world = with_points(4, policy=WIDE)
    world.policy = POLICY
    plan = plan_prune(world.context(), at_once=True)
    assert [gone.point for gone in plan.remove] == ids(world)[1::-1]


def test_a_slip_that_was_mended_costs_nothing() -> None:
    world = with_points(6, policy=WIDE)
    old = ids(world)
    world.policy = POLICY
    point(world)
    assert execute_prune(world.context(), plan_prune(world.context())).removed == ()
    world.policy = WIDE
    world.tick(hours=40)
    point(world)
    assert execute_prune(world.context(), plan_prune(world.context())).removed == ()
    assert set(old) <= set(ids(world))


def test_an_edit_that_leaves_retention_alone_delays_nothing() -> None:
    world = with_points(3)
    world.policy = POLICY + "# a remark\n"
    plan = plan_prune(world.context())
    assert (len(plan.remove), plan.spared) == (1, ())
    assert not edit_impact(world.context().vault, world.context().instance, world.now).changed


def point(world: World) -> datetime:
    """Make one now; returns when."""
    world.change(f"made at {world.now}")
    assert backup(world.context(), Run(str(uuid.uuid4()), "scheduled"), lambda _: None)
    return world.now


def refuses_it(text: str, source: str, name: str) -> None:
    from lifeboat.policy.load import parse_policy

    parse_policy("colour: red", source, name)


def test_from_the_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    world = with_points(5, policy=WIDE)
    world.policy = POLICY
    context = world.context()
    monkeypatch.setattr(Source, "vault", lambda self, name: context.vault)
    monkeypatch.setattr(Source, "instance", lambda self, name: context.instance)
    monkeypatch.setattr(Source, "context", lambda self, name: context)
    monkeypatch.setattr("lifeboat.cli.setup.utc_now", world.clock)

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    gone = ids(world)[2]
    told = run("policy", "impact", INSTANCE)
    expected = f"go    {gone}  before: last 3 of 9  now: older than the newest 2 good points"
    assert expected in told
    assert "because of the edit 3 points go and 0 stay" in told
    assert len(json.loads(run("policy", "impact", INSTANCE, "--json"))["goes"]) == 3
    planned = run("prune", INSTANCE, "--dry-run")
    assert "would remove" not in planned
    assert expected in planned
    assert "they go a day after the next point on" in planned
    assert f"would remove {gone}" in run("prune", INSTANCE, "--dry-run", "--at-once")
    assert len(ids(world)) == 5
    world.policy = WIDE
    context = world.context()
    assert "the same for a day" in run("policy", "impact", INSTANCE)
    assert "edited" not in run("prune", INSTANCE, "--dry-run")
