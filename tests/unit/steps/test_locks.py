"""A policy's lock, kept by the store: nobody deletes what a locked point needs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from lifeboat.clock import parse_rfc3339
from lifeboat.errors import Conflict
from lifeboat.point import layout
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import Manifest, Run
from lifeboat.ports.store import Traits
from lifeboat.steps.backup import backup
from tests.support.memory_store import MemoryStore
from tests.support.world import POLICY, World

LOCKED = POLICY.replace("{keep: {last: 2}}", "{keep: {last: 2}, lock: 2d}")


def point(world: World, colour: str) -> Manifest:
    world.change(colour)
    made = backup(world.context(), Run(f"run-{colour}", "manual"), lambda _: None)
    assert made is not None
    return made


def keys_of(world: World, manifest: Manifest) -> set[str]:
    needed = needed_by(world.context().vault, [manifest]).keys
    policy = layout.policy(manifest.instance, manifest.policy_digest)
    return {*needed, policy, layout.manifest(manifest.instance, manifest.point)}


def assert_nobody_can_delete(world: World, manifest: Manifest) -> None:
    for key in keys_of(world, manifest):
        with pytest.raises(Conflict, match="locked until"):
            world.store.delete(key)


def test_what_a_locked_point_needs_cannot_be_deleted_before_its_time() -> None:
    world = World(LOCKED)
    first = point(world, "red")
    assert parse_rfc3339(first.locked_until) == world.now + timedelta(days=2)
    assert_nobody_can_delete(world, first)
    world.tick(days=2, hours=-1)
    assert_nobody_can_delete(world, first)
    world.tick(hours=1, seconds=1)
    world.store.delete(layout.manifest(first.instance, first.point))


def test_shared_blobs_stay_locked_for_as_long_as_the_newest_point_that_needs_them() -> None:
    world = World(LOCKED)
    points = []
    for hour in range(30):
        points.append(point(world, f"colour-{hour}"))
        world.tick(hours=4)
        for made in points[-12:]:
            if parse_rfc3339(made.locked_until) > world.now:
                assert_nobody_can_delete(world, made)
        assert parse_rfc3339(points[-1].guarded_until) >= parse_rfc3339(points[-1].locked_until)


def test_old_blobs_are_not_locked_anew_by_every_point() -> None:
    world = World(LOCKED)
    first = point(world, "red")
    world.tick(hours=1)
    world.store.calls.clear()
    second = point(world, "blue")
    extended = {c.key for c in world.store.calls if c.method == "extend_immutability"}
    assert extended <= keys_of(world, second) - (keys_of(world, first) - keys_of(world, second))
    assert not extended & needed_by(world.context().vault, [first]).packs
    assert second.guarded_until == first.guarded_until


def test_a_store_without_locks_is_named_in_the_point(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(LOCKED)
    monkeypatch.setattr(MemoryStore, "traits", lambda _: Traits(False, None))
    made = point(world, "red")
    assert made.complete
    assert made.locked_until
    assert made.guarded_until == ""
    assert any("only the policy's lock keeps this point" in told for told in made.warnings)


def test_without_a_lock_nothing_is_locked() -> None:
    world = World()
    made = point(world, "red")
    assert (made.locked_until, made.guarded_until) == ("", "")
    assert not [c for c in world.store.calls if c.method == "extend_immutability"]
