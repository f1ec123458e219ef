"""A policy that is edited while a run is under way changes nothing of that run's point."""

from __future__ import annotations

from datetime import timedelta

from lifeboat.clock import parse_rfc3339
from lifeboat.point.manifest import Run, read_policy
from lifeboat.steps.commit import commit_point
from lifeboat.steps.dump import dump_shard
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.scope import Scope
from lifeboat.steps.settle import settle
from lifeboat.steps.snapshot import start_batch
from tests.support.world import POLICY, World

LOCKED = POLICY.replace("{keep: {last: 2}}", "{keep: {last: 2}, lock: 2d}")
RUN = Run("scheduled__1", "scheduled")


def captured(world: World) -> Scope:
    """All but the commit."""
    context = world.context()
    scope = enumerate_scope(context, RUN)
    for shard in scope.shards:
        dump_shard(context, scope, shard.id)
    titles = tuple(volume.title for volume in scope.volumes)
    started = start_batch(context, scope, titles, 1)
    settle(context, scope, started.tickets, started.left_out)
    return scope


def test_the_point_carries_the_policy_that_its_scope_was_decided_by() -> None:
    world = World(LOCKED)
    scope = captured(world)
    world.policy = POLICY.replace("{keep: {last: 2}}", "{keep: {last: 2}, lock: 30d}")
    made = commit_point(world.context(), scope)
    assert made.policy_digest == scope.policy_digest
    assert read_policy(world.context().vault, made) == LOCKED
    assert parse_rfc3339(made.locked_until) == world.now + timedelta(days=2)
