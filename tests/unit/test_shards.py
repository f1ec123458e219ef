"""Shards of a dump: few, of about equal size, counted where they are listed."""

from __future__ import annotations

import pytest

from lifeboat.point.manifest import Run
from lifeboat.steps.enumerate import enumerate_scope
from tests.support.kinds import CONFIG_MAP, NAMESPACE, SECRET
from tests.support.world import POLICY, World


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lifeboat.steps.enumerate._SHARD_OBJECTS", 500)


def _fill(world: World, namespace: str, number: int) -> None:
    for kind in (CONFIG_MAP, SECRET):
        for n in range(number):
            metadata = {"name": f"object-{n}"}
            body = {"apiVersion": "v1", "kind": kind.kind, "metadata": metadata}
            world.cluster.create(kind, namespace, body)


def test_a_small_application_is_one_shard() -> None:
    scope = enumerate_scope(World().context(), Run("run-1", "manual"))
    assert [shard.title for shard in scope.shards] == ["part 1 of 1"]


def test_a_large_one_is_split_by_counted_objects() -> None:
    world = World()
    _fill(world, "shop", 400)
    scope = enumerate_scope(world.context(), Run("run-1", "manual"))
    assert len(scope.shards) == 2
    where = {listing.kind.plural: shard.id for shard in scope.shards for listing in shard.listings}
    assert where["configmaps"] != where["secrets"]


def test_what_other_namespaces_hold_does_not_make_shards() -> None:
    world = World()
    other = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "elsewhere"}}
    world.cluster.create(NAMESPACE, None, other)
    _fill(world, "elsewhere", 400)
    assert len(enumerate_scope(world.context(), Run("run-1", "manual")).shards) == 1


def test_a_run_in_a_blackout_runs_and_says_so() -> None:
    window = (
        'schedule: {every: 30m, timezone: Asia/Tokyo, blackout: [{from: "00:00", to: "24:00"}]}'
    )
    world = World(policy=f"{POLICY}{window}\n")
    scope = enumerate_scope(world.context(), Run("run-1", "manual"))
    assert (
        scope.warnings[0]
        == "captured within the blackout daily 00:00-24:00 (Asia/Tokyo) of the policy"
    )
