"""A copy on every kind of store, over the real protocol, and home again without the first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lifeboat.adapters.store_azure import connect_azure
from lifeboat.adapters.store_local import LocalStore
from lifeboat.adapters.store_s3 import connect_s3
from lifeboat.clock import utc_now
from lifeboat.errors import BlobExists, Conflict
from lifeboat.point import catalog, layout
from lifeboat.point.facts import read_verdicts
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import read_manifest
from lifeboat.ports.store import Store
from lifeboat.steps.context import AtCopy
from lifeboat.steps.copy import copy_points
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.vault.keys import generate_key
from lifeboat.vault.replica import create_replica
from lifeboat.vault.vault import Vault, open_vault
from tests.support.copies import INSTANCE, Pair, assert_whole, quiet
from tests.support.vaults import back_up, changed_point, stocked
from tests.support.world import World

KEY = generate_key()


def place(kind: str, request: pytest.FixtureRequest, folder: Path) -> Store:
    """An empty place of this kind."""
    match kind:
        case "folder":
            return LocalStore.create(folder)
        case "azure":
            return connect_azure(request.getfixturevalue("azure_settings"))
        case "azure-worm":
            return connect_azure(request.getfixturevalue("worm_settings"))
        case "s3":
            return connect_s3(request.getfixturevalue("s3_settings"))
        case _:
            return connect_s3(request.getfixturevalue("s3_locking"))


@pytest.fixture(params=["folder", "azure", "s3"])
def elsewhere(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return place(request.param, request, tmp_path / "elsewhere")


def on_folder(world: World, folder: Path) -> Vault:
    """The world's vault as it lies in a folder."""
    store = LocalStore.create(folder)
    for key, data in world.store.blobs.items():
        if store.stat(key) is None:
            store.put_new(key, data)
    return open_vault(store, world.key)


def copied(pair: Pair, source: Vault, in_flight: int = 4) -> AtCopy:
    """Every point of the source, copied to the pair's place."""
    there = pair.there()
    done = copy_points(source, there, quiet, in_flight=in_flight)
    assert (done.failed, done.warnings) == ({}, ())
    return there


def test_there_and_back_with_the_first_vault_gone(elsewhere: Store, tmp_path: Path) -> None:
    world = stocked()
    pair = Pair(world, place=elsewhere)
    points = catalog.point_ids(world.context().vault, INSTANCE)
    there = copied(pair, on_folder(world, tmp_path / "first"))
    again = copy_points(on_folder(world, tmp_path / "first"), there, quiet)
    assert (again.points, again.blobs) == ((), 0)
    for point in points:
        assert_whole(there.vault, point)
    home = LocalStore.create(tmp_path / "home")
    back = replace(there, vault=create_replica(home, KEY, elsewhere, pair.key, utc_now))
    assert sorted(copy_points(there.vault, back, quiet).points) == points
    for stat in home.list("instances/"):
        assert home.get(stat.key) == world.store.blobs[stat.key]
    for point in points:
        assert_whole(back.vault, point)
    assert [verdict.proven for verdict in read_verdicts(back.vault, INSTANCE)] == [True]


def test_later_points_come_and_the_copy_is_pruned_by_its_own_rule(
    elsewhere: Store, tmp_path: Path
) -> None:
    world = stocked()
    pair = Pair(world, place=elsewhere)
    copied(pair, on_folder(world, tmp_path / "first"))
    new = changed_point(world, "run-5", range(3))
    source = on_folder(world, tmp_path / "first")
    assert copy_points(source, pair.there(), quiet).points == (new.point,)
    pair.keep = "{keep: {last: 1}, minVerified: 0}"
    execute_prune(pair.there(), plan_prune(pair.there()))
    assert pair.points() == [new.point]
    assert_whole(pair.there().vault, new.point)
    vault = pair.there().vault
    needed = needed_by(vault, [new]).keys
    assert {s.key for root in ("packs/", "trees/") for s in elsewhere.list(root)} == needed
    assert len(catalog.point_ids(source, INSTANCE)) == 5


def test_other_bytes_are_never_overwritten(elsewhere: Store, tmp_path: Path) -> None:
    world = stocked()
    pair = Pair(world, place=elsewhere)
    source = on_folder(world, tmp_path / "first")
    newest = catalog.point_ids(source, INSTANCE)[-1]
    key = layout.policy(INSTANCE, read_manifest(source, INSTANCE, newest).policy_digest)
    elsewhere.put_new(key, b"LBD1 not the same")
    done = copy_points(source, pair.there(), quiet)
    assert pair.points() == []
    told = done.failed[f"point {newest}"]
    assert f"{key}: {elsewhere.describe()} has other bytes" in told
    assert source.store.describe() in told
    assert elsewhere.get(key) == b"LBD1 not the same"


def test_a_place_that_holds_a_vault_becomes_no_copy(elsewhere: Store) -> None:
    world = World()
    create_replica(elsewhere, KEY, world.store, world.key, utc_now)
    with pytest.raises(BlobExists, match="already holds a vault"):
        create_replica(elsewhere, KEY, world.store, world.key, utc_now)


@pytest.mark.parametrize("kind", ["azure-worm", "s3-locks"])
def test_the_copys_lock_is_kept_by_its_store(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    world = World(now=utc_now())
    world.change("red")
    made = back_up(world.context(), "run-1")
    store = place(kind, request, tmp_path)
    pair = Pair(world, "{keep: {last: 9}, lock: 1d}", place=store)
    there = copied(pair, world.context().vault)
    keys = needed_by(there.vault, [made]).keys
    keys |= {layout.manifest(INSTANCE, made.point), layout.policy(INSTANCE, made.policy_digest)}
    for key in keys:
        with pytest.raises(Conflict, match="locked until"):
            store.delete(key)
    assert copy_points(world.context().vault, there, quiet, made.point).blobs == 0
    assert_whole(there.vault, made.point)


def test_damage_on_the_wire_is_not_stored(elsewhere: Store, tmp_path: Path) -> None:
    world = stocked()
    pair = Pair(world, place=elsewhere)
    source = on_folder(world, tmp_path / "first")
    (key, *_) = sorted(k for k in world.store.blobs if k.startswith("packs/"))

    class Lying(LocalStore):
        def get(self, name: str) -> bytes:
            data = super().get(name)
            return data[:-7] + b"\0" * 7 if name == key else data

    source.store = Lying(tmp_path / "first")
    done = copy_points(source, pair.there(), quiet)
    assert elsewhere.stat(key) is None
    assert any("authentication failed" in why for why in done.failed.values())
    for point in pair.points():
        assert_whole(pair.there().vault, point)
