"""Copying points to a second place: what goes, what stays, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lifeboat.clock import utc_now
from lifeboat.errors import Conflict, Damaged, StoreUnavailable, UsageError
from lifeboat.point import catalog, layout
from lifeboat.point.context import DEFINITION, Definition, note, noted
from lifeboat.point.facts import Gap, read_gaps, read_holds, read_verdicts, record_gap
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import read_manifest
from lifeboat.ports.cluster import Json, Kind
from lifeboat.ports.store import Traits
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.run import restore
from lifeboat.steps.copy import copy_points, ensure_copied
from lifeboat.steps.copy_plan import plan_copy, wanted_by
from lifeboat.steps.hold import hold, release
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.reconcile import reconcile, remove_orphans
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault
from tests.support.copies import INSTANCE, Pair, assert_same_bytes, assert_whole
from tests.support.kinds import CONFIG_MAP, NAMESPACE, SECRET
from tests.support.memory_store import MemoryStore
from tests.support.vaults import back_up, changed_point, config_map, readers, stocked
from tests.support.world import World


def small(points: int = 2) -> World:
    """A small world with some points, an hour apart."""
    world = World(World.policy.replace("last: 2", "last: 9"))
    for number in range(points):
        world.change(f"colour-{number}")
        back_up(world.context(), f"run-{number}")
        world.tick(hours=1)
    return world


def ids(world: World) -> list[str]:
    prefix = layout.points(INSTANCE)
    return sorted(key.removeprefix(prefix) for key in world.store.blobs if key.startswith(prefix))


@pytest.mark.parametrize("in_flight", [1, 4])
def test_every_point_is_there_and_whole_with_the_first_vault_gone(in_flight: int) -> None:
    pair = Pair(stocked())
    done = pair.copy(in_flight=in_flight)
    assert pair.points() == ids(pair.world) == sorted(done.points)
    assert (done.failed, done.warnings, done.there) == ({}, (), 4)
    assert_same_bytes(pair)
    points, vault = pair.points(), pair.there().vault
    pair.world.store.blobs.clear()
    for point in points:
        assert_whole(vault, point)
    (verdict,) = read_verdicts(vault, INSTANCE)
    assert verdict.proven


def test_a_restore_from_the_copy_needs_no_first_vault() -> None:
    pair = Pair(small())
    pair.copy()
    there = pair.there()
    context = replace(pair.world.context(), instance=there.instance, vault=there.vault)
    pair.world.store.blobs.clear()
    pair.world.cluster.delete(NAMESPACE, None, "shop")
    request = RestoreRequest(
        instance=INSTANCE,
        point=catalog.find(there.vault, INSTANCE).point,
        kinds=("configmaps", "secrets"),
    )
    report = restore(context, request, "restore-1", lambda _: None)
    assert report.failed == ()
    settings = pair.world.cluster.get(CONFIG_MAP, "shop", "settings")
    assert settings["data"] == {"colour": "colour-1"}
    assert pair.world.cluster.get(SECRET, "shop", "login")["data"] == {"password": "aHVudGVyMg=="}


def test_only_what_is_missing_is_read_and_written() -> None:
    pair = Pair(stocked())
    pair.copy()
    new = changed_point(pair.world, "run-5", range(2))
    assert isinstance(pair.place, MemoryStore)
    pair.world.store.calls.clear()
    pair.place.calls.clear()
    before = set(pair.place.blobs)
    done = pair.copy()
    assert done.points == (new.point,)
    added = {key for key in set(pair.place.blobs) - before if "/points/" not in key}
    assert done.blobs == len(added) + 1
    fetched = {call.key for call in pair.world.store.calls if call.method == "get"}
    assert {key for key in fetched if key.startswith(("packs/", "trees/"))} == added
    assert not [c for c in pair.place.calls if c.method == "get" and c.key.startswith("packs/")]
    pair.place.calls.clear()
    again = pair.copy()
    assert (again.blobs, again.bytes, again.points) == (0, 0, ())
    assert not [c for c in pair.place.calls if c.method == "put_new"]


def test_few_blobs_are_looked_up_and_many_are_listed() -> None:
    pair = Pair(small(1))
    assert isinstance(pair.place, MemoryStore)
    pair.copy()
    listed = {call.key for call in pair.place.calls if call.method == "list"}
    assert not listed & {"packs/", "trees/"}
    many = Pair(World(World.policy.replace("last: 2", "last: 99")))
    for number in range(12):
        many.world.change(f"{number}")
        many.world.cluster.create(*_config_map(number))
        back_up(many.world.context(), f"run-{number}")
        many.world.tick(hours=1)
    assert isinstance(many.place, MemoryStore)
    many.copy()
    listings = [c.key for c in many.place.calls if c.method == "list" and c.key == "packs/"]
    assert len(listings) == 2  # before the first point, and when all are there
    assert len(many.points()) == 12


def _config_map(number: int) -> tuple[Kind, str, Json]:
    return CONFIG_MAP, "shop", config_map(f"extra-{number}", "x")


def test_the_newest_point_comes_first() -> None:
    pair = Pair(small(3))
    told: list[str] = []
    copy_points(pair.world.context().vault, pair.there(), told.append)
    assert [line.split()[2].rstrip(",") for line in told[1:]] == ids(pair.world)[::-1]


def test_the_copy_has_its_own_retention() -> None:
    pair = Pair(small(4), keep="{keep: {last: 2}}")
    assert plan_copy(pair.world.context().vault, pair.there()).lacks == tuple(
        ids(pair.world)[:1:-1]
    )
    pair.copy()
    assert pair.points() == ids(pair.world)[2:]
    pair.world.change("new")
    back_up(pair.world.context(), "run-9")
    pair.copy()
    execute_prune(pair.there(), plan_prune(pair.there()))
    assert pair.points() == ids(pair.world)[-2:]
    for point in pair.points():
        assert_whole(pair.there().vault, point)


def test_what_the_first_vault_removed_stays_in_the_copy() -> None:
    pair = Pair(small(4))
    pair.copy()
    was = pair.points()
    pair.world.policy = World.policy  # last: 2
    execute_prune(pair.world.context(), plan_prune(pair.world.context(), at_once=True))
    assert len(ids(pair.world)) == 2
    pair.copy()
    execute_prune(pair.there(), plan_prune(pair.there()))
    assert pair.points() == was
    for point in was:
        assert_whole(pair.there().vault, point)


def test_a_point_removed_from_the_copy_comes_back_only_by_name() -> None:
    pair = Pair(small(3), keep="{keep: {last: 1}}")
    pair.copy()
    pair.world.change("new")
    back_up(pair.world.context(), "run-9")
    pair.copy()
    (gone,) = plan_prune(pair.there()).remove
    execute_prune(pair.there(), plan_prune(pair.there()))
    pair.keep = "{keep: {last: 9}}"
    assert gone.point not in plan_copy(pair.world.context().vault, pair.there()).lacks
    pair.copy()
    assert gone.point not in pair.points()
    pair.copy(point=gone.point)
    assert gone.point in pair.points()
    assert_whole(pair.there().vault, gone.point)


def test_the_first_vault_keeps_what_a_copy_still_lacks() -> None:
    pair = Pair(small(4))
    pair.world.policy = World.policy  # last: 2
    context = pair.world.context()
    assert len(plan_prune(context, at_once=True).remove) == 2
    wanted = wanted_by(context.vault, [pair.there()])
    plan = plan_prune(context, wanted, at_once=True)
    assert plan.remove == ()
    assert all("a copy lacks it" in kept.reasons for kept in plan.keep)
    pair.copy()
    assert wanted_by(context.vault, [pair.there()]) == set()
    assert len(plan_prune(context, at_once=True).remove) == 2


def test_removing_from_a_copy_never_touches_a_snapshot() -> None:
    pair = Pair(small(3), keep="{keep: {last: 1}}")
    for point in ids(pair.world):
        pair.copy(point=point)
    plan = plan_prune(pair.there())
    assert len(plan.remove) == 2
    assert [removal.snapshots for removal in plan.remove] == [(), ()]
    execute_prune(pair.there(), plan)
    found = reconcile(pair.there())
    assert (found.damaged, [one for one in found.orphans if one.snapshot]) == ({}, [])
    assert len(reconcile(pair.world.context()).damaged) == 0
    assert len(pair.world.handles) == 3


def test_holds_releases_and_gaps_go_along() -> None:
    pair = Pair(small(3), keep="{keep: {last: 1}}")
    vault, (first, second, _) = pair.world.context().vault, ids(pair.world)
    hold(vault, INSTANCE, first, "audit", pair.world.now)
    ended = hold(vault, INSTANCE, second, "a mistake", pair.world.now)
    release(vault, INSTANCE, second, "", pair.world.now, ended.id)
    record_gap(vault, INSTANCE, "20261122T120000Z", Gap("2026-11-22T12:00:00Z", "", "outage"))
    pair.copy()
    there = pair.there().vault
    assert [found.point for found in read_holds(there, INSTANCE)] == [first]
    assert [gap.cause for gap in read_gaps(there, INSTANCE)] == ["outage"]
    assert pair.points() == [first, ids(pair.world)[-1]]  # held, so wanted there
    execute_prune(pair.there(), plan_prune(pair.there()))
    assert first in pair.points()
    for kind in ("tombstones", "claims", "scopes", "parts", "orphans", "restores"):
        assert list(pair.place.list(f"instances/{INSTANCE}/{kind}/")) == []


def test_a_vault_made_apart_is_refused_before_anything_is_written() -> None:
    pair = Pair(small())
    other = MemoryStore()
    pair.key = generate_key()
    pair.place = other
    create_vault(other, pair.key, utc_now)
    before = dict(other.blobs)
    point = ids(pair.world)[0]
    hold(pair.world.context().vault, INSTANCE, point, "would be copied first", pair.world.now)
    for name in ("", point):
        with pytest.raises(UsageError, match="is no copy of"):
            pair.copy(point=name)
    with pytest.raises(UsageError, match="is no copy of"):
        plan_copy(pair.world.context().vault, pair.there())
    assert other.blobs == before


def test_a_point_that_does_not_exist_is_told() -> None:
    pair = Pair(small())
    with pytest.raises(UsageError, match="no recovery point"):
        pair.copy(point="20200101T000000Z-00000000")


# --- damage


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_every_damaged_blob_is_named_and_no_point_that_needs_it_is_copied() -> None:
    """Every blob of the first vault in turn; the points that do not need it are copied."""
    world = stocked()
    who = readers(world.context().vault)
    whole = dict(world.store.blobs)
    for key, points in sorted(who.items()):
        for change in ("flipped", "cut", "gone"):
            pair = Pair(world)
            if change == "flipped":
                world.store.blobs[key] = flipped(whole[key], 40 if "trees/" in key else -9)
            elif change == "cut":
                world.store.blobs[key] = whole[key][:-1]
            else:
                del world.store.blobs[key]
            if (change, "/points/" in key) == ("gone", True):
                world.store.blobs[key] = whole[key]
                continue  # without its manifest there is no point
            done = pair.copy()
            world.store.blobs[key] = whole[key]
            assert set(pair.points()) == set(ids(world)) - points, (key, change)
            assert {what.removeprefix("point ") for what in done.failed} == points, (key, change)
            assert key not in {stat.key for stat in pair.place.list("")}, (key, change)
            for point in pair.points():
                assert_whole(pair.there().vault, point)
            with pytest.raises(Damaged, match="could not be copied to offsite"):
                ensure_copied(done)


@pytest.mark.parametrize("root", ["packs/", "trees/"])
def test_bytes_that_are_damaged_on_the_way_are_not_written(root: str) -> None:
    """The blob is good where it lies, and each reading of the whole of it is not."""
    world = stocked()
    for key in (k for k in list(world.store.blobs) if k.startswith(root)):
        pair = Pair(world)
        for at in (60, -9):  # a leaf or frame, and the end
            source = world.context().vault
            source.store = Lying(world.store, key, at)
            done = copy_points(source, pair.there(), lambda _: None, in_flight=1)
            assert pair.place.stat(key) is None, (key, at)
            assert any("authentication failed" in why for why in done.failed.values())
        assert pair.copy().failed == {}
        assert len(pair.points()) == 4


class Lying(MemoryStore):
    """Flips one bit of one blob whenever the whole of it is read."""

    def __init__(self, behind: MemoryStore, key: str, at: int) -> None:
        super().__init__()
        self.__dict__.update(behind.__dict__)
        self._key, self._at = key, at

    def get(self, key: str) -> bytes:
        data = super().get(key)
        return flipped(data, self._at) if key == self._key else data


def test_a_pack_is_not_taken_for_good_because_another_point_could_use_it() -> None:
    """The frame that only the older point needs is damaged: the newer one brings the pack, and the
    older one must not appear with it, now or later."""
    world = World(World.policy.replace("last: 2", "last: 9"))
    first = back_up(world.context(), "run-1")
    world.tick(hours=1)
    pack = min(needed_by(world.context().vault, [first]).packs)
    pair = Pair(world)
    key = f"packs/{pack[:2]}/{pack}"
    good = pair.world.store.blobs[key]
    pair.place.put_new(key, flipped(good, -9))  # as if brought for a point that needs less of it
    for _ in range(2):
        done = pair.copy()
        assert pair.points() == []
        assert "authentication failed" in done.failed[f"point {first.point}"]


def test_a_damaged_document_beside_points_is_named_and_stops_nothing() -> None:
    pair = Pair(stocked())
    (key,) = [key for key in pair.world.store.blobs if "/verdicts/" in key]
    pair.world.store.blobs[key] = flipped(pair.world.store.blobs[key], -1)
    done = pair.copy()
    assert list(done.failed) == [key]
    assert len(pair.points()) == 4
    assert pair.place.stat(key) is None


@pytest.mark.parametrize("kind", ["packs/", "trees/", "/policies/", "/verdicts/"])
def test_other_bytes_under_the_same_key_are_an_error_that_names_both(kind: str) -> None:
    pair = Pair(stocked())
    key = max(
        k
        for k in readers(pair.world.context().vault)
        | dict.fromkeys(k for k in pair.world.store.blobs if "/verdicts/" in k)
        if kind in k
    )
    pair.place.put_new(key, b"LBP1 something else")
    pair.place.describe = lambda: "the other place"  # type: ignore[method-assign]
    done = pair.copy()
    (told,) = {why for why in done.failed.values() if "other bytes" in why}
    assert f"{key}: the other place has other bytes" in told
    assert "than memory" in told
    assert pair.place.get(key) == b"LBP1 something else"


def test_a_store_that_does_not_answer_ends_the_run_and_the_next_one_goes_on() -> None:
    pair = Pair(stocked())
    assert isinstance(pair.place, MemoryStore)
    pair.place.fail_next("put_new", StoreUnavailable("no answer"))
    with pytest.raises(StoreUnavailable):
        pair.copy(in_flight=4)
    done = pair.copy(in_flight=4)
    assert (len(pair.points()), done.failed) == (4, {})


def test_what_the_copy_lost_is_brought_again_by_name() -> None:
    pair = Pair(stocked())
    pair.copy()
    point = pair.points()[0]
    needed = needed_by(pair.there().vault, [read_manifest(pair.there().vault, INSTANCE, point)])
    key = min(needed.keys)
    pair.place.delete(key)
    assert point in reconcile(pair.there()).damaged
    pair.copy(point=point)
    assert reconcile(pair.there()).damaged == {}
    assert_whole(pair.there().vault, point)


def test_what_a_prune_takes_while_a_point_comes_is_brought_again() -> None:
    """A blob that nobody needed lay there; it goes between the look and the manifest."""
    pair = Pair(small(1))
    (point,) = ids(pair.world)
    vault = pair.world.context().vault
    pack = min(needed_by(vault, [read_manifest(vault, INSTANCE, point)]).packs)
    key = f"packs/{pack[:2]}/{pack}"
    pair.place.put_new(key, pair.world.store.blobs[key])

    class Pruned(MemoryStore):
        def put_new(self, name: str, *rest: object, **more: object) -> None:
            super().put_new(name, *rest, **more)  # type: ignore[arg-type]
            if "/points/" in name:
                self.delete(key)

    taken = Pruned()
    assert isinstance(pair.place, MemoryStore)
    taken.__dict__.update(pair.place.__dict__)
    pair.place = taken
    pair.copy()
    assert_whole(pair.there().vault, point)


def test_a_point_that_comes_while_the_copy_is_pruned_keeps_its_blobs() -> None:
    """The second and the third point share a pack; the plan that frees it knows only the second."""
    world = small(2)
    back_up(world.context(), "run-unchanged")
    world.tick(hours=1)
    world.change("last")
    back_up(world.context(), "run-last")
    _, second, third, last = ids(world)
    pair = Pair(world, keep="{keep: {last: 1}}")
    pair.copy(point=second)
    pair.copy(point=last)
    plan = plan_prune(pair.there())
    assert [removal.point for removal in plan.remove] == [second]
    shared = needed_by(pair.there().vault, [read_manifest(world.context().vault, INSTANCE, third)])
    assert set(plan.blobs) & shared.keys
    pair.copy(point=third)
    execute_prune(pair.there(), plan)
    assert pair.points() == [third, last]
    for point in pair.points():
        assert_whole(pair.there().vault, point)


def test_orphans_of_the_copy_go_after_a_day_on_record() -> None:
    pair = Pair(small(1))
    pair.copy()
    pair.place.put_new("packs/ab/abcdef0123456789", b"LBP1x")
    remove_orphans(pair.there(), reconcile(pair.there()))
    assert pair.place.stat("packs/ab/abcdef0123456789") is not None
    pair.world.tick(days=2)
    assert remove_orphans(pair.there(), reconcile(pair.there())) == ["pack abcdef0123456789"]
    assert_whole(pair.there().vault, pair.points()[0])


# --- locks


def test_the_copys_lock_keeps_all_that_a_point_needs() -> None:
    pair = Pair(small(2), keep="{keep: {last: 50}, lock: 2d}")
    pair.copy()
    vault = pair.there().vault
    pair.world.tick(hours=40)
    keys = {key for key, points in readers(vault).items() if pair.points()[-1] in points}
    assert len(keys) > 3
    for key in keys:
        with pytest.raises(Conflict, match="locked until"):
            pair.place.delete(key)
    pair.world.tick(days=1)
    pair.place.delete(layout.manifest(INSTANCE, pair.points()[0]))


def test_shared_blobs_are_locked_anew_for_each_point() -> None:
    pair = Pair(small(1), keep="{keep: {last: 50}, lock: 2d}")
    pair.copy()
    shared = needed_by(
        pair.there().vault, [read_manifest(pair.there().vault, INSTANCE, pair.points()[0])]
    ).packs
    pair.world.tick(hours=40)
    pair.world.cluster.create(*_config_map(1))
    newer = back_up(pair.world.context(), "run-9")
    pair.copy()
    still = needed_by(pair.there().vault, [newer]).packs & shared
    assert still
    pair.world.tick(hours=40)
    for pack in still:
        with pytest.raises(Conflict):
            pair.place.delete(f"packs/{pack[:2]}/{pack}")


def test_a_place_without_locks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MemoryStore, "traits", lambda _: Traits(False, None))
    pair = Pair(small(1), keep="{keep: {last: 50}, lock: 2d}")
    done = pair.copy()
    assert pair.points()
    assert "memory cannot lock blobs" in done.warnings[0]
    assert isinstance(pair.place, MemoryStore)
    assert pair.place.locks == {}


def test_a_lock_that_has_run_out_locks_nothing() -> None:
    pair = Pair(small(1), keep="{keep: {last: 50}, lock: 2d}")
    pair.world.tick(days=3)
    pair.copy()
    assert isinstance(pair.place, MemoryStore)
    assert pair.place.locks == {}


def test_notes_come_along_and_a_prune_of_the_copy_leaves_them() -> None:
    world = small()
    vault = world.context().vault
    first, second = ids(world)
    note(vault, INSTANCE, DEFINITION, first, Definition("1"))
    note(vault, INSTANCE, DEFINITION, second, Definition("2"))
    pair = Pair(world)
    pair.copy()
    copy = pair.there()
    copy.vault.store.delete(layout.manifest(INSTANCE, first))
    execute_prune(copy, plan_prune(copy))
    found = noted(copy.vault, INSTANCE, DEFINITION, first, Definition)
    assert found == (first, Definition("1"))
