"""A store that fails, lies or fills up, runs that cross each other, wrong clocks and wrong names:
nothing wrong is ever committed, every earlier point stays whole, and the next run converges."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifeboat.adapters.store_local import LocalStore
from lifeboat.clock import rfc3339
from lifeboat.errors import Damaged, LifeboatError, StoreFull, StoreUnavailable
from lifeboat.point import catalog, layout
from lifeboat.point.manifest import Manifest, commit, open_contents, read_manifest
from lifeboat.ports.store import BlobStat
from lifeboat.steps.context import Context
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.reconcile import GRACE, reconcile, remove_orphans
from lifeboat.steps.scrub import Sample, record_damage, scrub
from lifeboat.vault.packs import pack_key
from lifeboat.vault.vault import create_vault
from tests.support.crash import Fuse, Killed
from tests.support.folder_world import FolderWorld
from tests.support.kinds import CONFIG_MAP, CONTENT
from tests.support.memory_store import MemoryStore
from tests.support.vaults import INSTANCE, back_up, changed_point, config_map, readers, stocked
from tests.support.world import World

METHODS = ("put_new", "get", "get_range", "stat", "list", "delete")


class Behind:
    """A store with something in front of it: `on(number, method, key)` sees each call first."""

    def __init__(self, store: MemoryStore, on: Callable[[int, str, str], None]) -> None:
        self._store, self._on, self.calls = store, on, 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in METHODS:
            return found

        def call(key: str, *rest: object) -> Any:
            number, self.calls = self.calls, self.calls + 1
            self._on(number, name, key)
            return found(key, *rest)

        return call


def through(world: World, store: object) -> Context:
    """A context whose vault uses this store."""
    context = world.context()
    context.vault.store = store  # type: ignore[assignment]
    return context


def small(world: World | None = None) -> World:
    world = world or World()
    back_up(world.context(), "earlier")
    world.tick(hours=1)
    world.change("red")
    return world


def assert_all_whole(world: World) -> None:
    """Scrub, and every record of every point by the way a restore reads it."""
    vault = world.context().vault
    report = scrub(vault, INSTANCE, Sample(), lambda _: None)
    assert report.damage == ()
    for manifest in catalog.manifests(vault, INSTANCE):
        contents = open_contents(vault, manifest)
        reader = contents.reader()
        rows = [reader.read(entry.record, entry.place) for entry in contents]
        assert len(rows) == manifest.objects


def settled(world: World, points: int) -> None:
    """All points are whole, there are so many, and nothing else is left after two looks."""
    assert_all_whole(world)
    assert len(catalog.point_ids(world.context().vault, INSTANCE)) == points
    for _ in range(2):
        context = world.context()
        remove_orphans(context, reconcile(context))
        world.tick(days=2)
    found = reconcile(world.context())
    assert (found.orphans, found.damaged) == ((), {})
    assert_all_whole(world)


def every_call(job: Callable[[World, int], bool]) -> int:
    """Run the job in a fresh small world for each call number until none is hit; returns how many
    calls there were."""
    for at in itertools.count():
        if not job(small(), at):
            return at
    raise AssertionError


@pytest.mark.parametrize("error", [StoreUnavailable("503"), StoreFull("no space left")])
def test_a_store_that_refuses_at_any_call_commits_nothing_wrong(error: LifeboatError) -> None:
    """StoreUnavailable (500, 503, 429, time-outs) at every call, a full disk at every write."""
    full = isinstance(error, StoreFull)

    def job(world: World, at: int) -> bool:
        hits: list[str] = []
        writes = itertools.count()

        def refuse(number: int, method: str, key: str) -> None:
            if full and method != "put_new":
                return
            if (next(writes) if full else number) == at:
                hits.append(key)
                raise error

        try:
            back_up(through(world, Behind(world.store, refuse)), "next")
        except type(error):
            assert hits
            assert_all_whole(world)
        back_up(world.context(), "next")
        settled(world, 2)
        return bool(hits)

    assert every_call(job) > (5 if full else 20)


def test_a_write_that_is_answered_and_lost_is_never_named() -> None:
    """Success, and nothing there: the run fails so that it is tried again, and nothing names it."""

    def job(world: World, at: int) -> bool:
        lost: list[str] = []
        writes = itertools.count()

        class Losing(Behind):
            def __getattr__(self, name: str) -> Any:
                if name != "put_new":
                    return super().__getattr__(name)

                def put_new(key: str, data: bytes) -> None:
                    if key not in world.store.blobs and next(writes) == at:
                        lost.append(key)
                    else:
                        world.store.put_new(key, data)

                return put_new

        context = through(world, Losing(world.store, lambda *_: None))
        if at < len(ALL_WRITES):
            with pytest.raises(StoreUnavailable, match="said that it stored"):
                back_up(context, "next")
            assert lost
        else:
            back_up(context, "next")
        assert_all_whole(world)
        world.tick(minutes=1)
        back_up(world.context(), "next")
        settled(world, 2)
        return bool(lost)

    assert every_call(job) == len(ALL_WRITES)


ALL_WRITES = ("claim", "scope", "pack", "shard-0", "volumes", "related", "manifest")
"""What a second backup of a small change writes (the policy's text is there)."""


class LateLists(MemoryStore):
    """Lists show a blob two hours after it was written; reads see it at once."""

    def __init__(self, behind: MemoryStore) -> None:
        super().__init__(clock=behind.clock)
        self.__dict__.update(behind.__dict__)

    def list(self, prefix: str) -> Iterator[BlobStat]:
        young = self.clock() - timedelta(hours=2)
        return (stat for stat in super().list(prefix) if stat.created <= young)


def test_a_store_that_lists_late_costs_room_and_nothing_else() -> None:
    world = small()
    late = LateLists(world.store)
    for number in range(12):
        world.change(f"colour-{number % 3}")
        back_up(through(world, late), f"late-{number}")
        context = through(world, late)
        execute_prune(context, plan_prune(context))
        remove_orphans(context, reconcile(context))
        assert_all_whole(world)
        world.tick(hours=1 if number % 4 else 30)
    world.tick(hours=3)
    back_up(world.context(), "at last")
    execute_prune(world.context(), plan_prune(world.context()))
    settled(world, 2)


@pytest.mark.parametrize("place", ["memory", "folder"])
def test_two_runs_at_once_make_two_whole_points(place: str, tmp_path: Path) -> None:
    for attempt in range(10):
        world = small(FolderWorld(home=tmp_path) if place == "folder" else None)
        both = threading.Barrier(2)
        problems: list[BaseException] = []

        def run(
            name: str,
            world: World = world,
            both: threading.Barrier = both,
            problems: list[BaseException] = problems,
        ) -> None:
            try:
                context = world.context()
                both.wait(30)
                back_up(context, name)
            except BaseException as error:
                problems.append(error)

        same = attempt % 2 == 1  # a doubled task: both are the same run
        names = ("one", "one" if same else "two")
        threads = [threading.Thread(target=run, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert problems == []
        settled(world, 2 if same else 3)


def crossing(job: Callable[[Context], object], other: Callable[[World], None]) -> Iterator[World]:
    """The job, with another run from its first to its last call before each call number in turn."""
    for at in itertools.count():
        world = small()
        for number in range(2):
            world.tick(minutes=10)
            world.change(f"blue-{number}")
            back_up(world.context(), f"before-{number}")
        done: list[bool] = []

        def meanwhile(
            number: int,
            method: str,
            key: str,
            at: int = at,
            world: World = world,
            done: list[bool] = done,
        ) -> None:
            if number == at:
                done.append(True)
                other(world)

        with contextlib.suppress(LifeboatError):
            job(through(world, Behind(world.store, meanwhile)))
        if not done:
            assert at > 10
            return
        yield world


def prune(context: Context) -> object:
    return execute_prune(context, plan_prune(context))


def test_a_backup_at_any_moment_of_a_prune() -> None:
    def other(world: World) -> None:
        world.change("during")
        back_up(world.context(), "during")

    for world in crossing(prune, other):
        assert_all_whole(world)
        prune(world.context())
        settled(world, 2)


def test_two_backups_and_a_prune_at_any_moment_of_a_backup() -> None:
    def other(world: World) -> None:
        for number in range(2):
            world.tick(minutes=1)
            world.change(f"during-{number}")
            back_up(world.context(), f"during-{number}")
        prune(world.context())

    for world in crossing(lambda context: back_up(context, "long"), other):
        assert_all_whole(world)
        world.tick(minutes=1)
        back_up(world.context(), "after")
        prune(world.context())
        assert_all_whole(world)


def test_a_clock_set_back_an_hour_breaks_nothing_and_deletes_nothing_early() -> None:
    world = small()
    before = len(world.store.calls)
    fuse = Fuse()
    back_up(world.context(fuse), "whole")
    assert len(world.store.calls) > before
    with contextlib.suppress(Killed):
        world.change("abandoned")
        back_up(world.context(Fuse(fuse.calls - 2)), "abandoned")
    context = world.context()
    found = reconcile(context)
    assert found.orphans
    remove_orphans(context, found)
    world.tick(hours=-1)
    for number in range(3):
        world.change(f"back-{number}")
        back_up(world.context(), f"back-{number}")
        prune(world.context())
        context = world.context()
        assert remove_orphans(context, reconcile(context)) == []
        assert_all_whole(world)
        world.tick(minutes=5)
    world.tick(hours=24)
    context = world.context()
    assert remove_orphans(context, reconcile(context)) == [], "a day by the clock, not by the vault"
    world.tick(hours=2)
    back_up(world.context(), "later")
    prune(world.context())
    settled(world, 2)


def test_one_clock_alone_never_ripens_an_orphan() -> None:
    """By the record it is long ago and by the store's own time it is not, or the other way round:
    it stays."""
    for told, stored in ((timedelta(days=3), timedelta()), (timedelta(), timedelta(days=3))):
        world = with_an_orphan()
        world.store.clock = lambda world=world, behind=stored: world.now - behind
        slow = replace(world.context(), clock=lambda world=world, behind=told: world.now - behind)
        remove_orphans(slow, reconcile(slow))
        found = reconcile(world.context(), GRACE)
        assert [(orphan.ripe, bool(orphan.since)) for orphan in found.orphans] == [(False, True)]
        world.tick(hours=25)
        assert [orphan.ripe for orphan in reconcile(world.context()).orphans] == [True]


def with_an_orphan() -> World:
    """A pack that nobody has named for a week."""
    world = small()
    vault = world.context().vault
    writer = vault.writer(open_contents(vault, catalog.manifests(vault, INSTANCE)[0]).dictionaries)
    writer.add(b"{}")
    writer.close()
    world.tick(days=7)
    return world


def test_an_orphan_that_a_point_needs_again_is_taken_off_the_record() -> None:
    world = small()
    manifest = catalog.manifests(world.context().vault, INSTANCE)[0]
    key = layout.manifest(INSTANCE, manifest.point)
    hidden = world.store.blobs.pop(key)
    context = world.context()
    remove_orphans(context, reconcile(context))
    world.tick(days=2)
    world.store.blobs[key] = hidden  # a listing had not shown it
    context = world.context()
    assert remove_orphans(context, reconcile(context)) == []
    assert list(world.store.list(layout.orphans(INSTANCE))) == []
    assert_all_whole(world)


def test_a_run_that_goes_on_after_it_was_given_up_names_nothing_that_is_gone() -> None:
    world = small()
    fuse = Fuse()
    back_up(world.context(fuse), "to count")
    world.change("green")
    with contextlib.suppress(Killed):
        back_up(world.context(Fuse(fuse.calls - 2)), "given up")
    for _ in range(2):
        world.tick(days=2)
        context = world.context()
        remove_orphans(context, reconcile(context))
    with pytest.raises(Damaged, match=r"pack \w+ of shard-0 is gone"):
        back_up(world.context(), "given up")
    back_up(world.context(), "new")
    assert_all_whole(world)


def test_a_snapshot_that_is_gone_from_the_cluster_is_damage_of_its_point() -> None:
    world = small()
    later = back_up(world.context(), "later")
    earlier = catalog.point_ids(world.context().vault, INSTANCE)[0]
    (name,) = [
        name
        for name, content in world.cluster.objects(CONTENT).items()
        if content["status"]["snapshotHandle"] == later.volumes[0].handle
    ]
    world.cluster.delete(CONTENT, None, name)
    found = reconcile(world.context())
    assert set(found.damaged) == {later.point} != {earlier}
    assert "of shop/data is gone from the cluster" in found.damaged[later.point][0]


def test_a_snapshot_that_its_point_does_not_name_is_an_orphan() -> None:
    world = small()
    vault = world.context().vault
    manifest = catalog.manifests(vault, INSTANCE)[0]
    key = layout.manifest(INSTANCE, manifest.point)
    del world.store.blobs[key]
    late = commit(vault, msgspec.structs.replace(manifest, volumes=(), digest=""))
    for expected in ([], [f"snapshot {manifest.volumes[0].name} of shop/data"]):
        context = world.context()
        assert remove_orphans(context, reconcile(context)) == expected
        world.tick(days=2)
    assert read_manifest(world.context().vault, INSTANCE, late.point) == late


def test_no_damage_to_old_points_keeps_a_new_one_from_being_made() -> None:
    """Any blob missing or changed (but for a policy's text, which points share): the next point is
    whole. A changed pack is seen by scrub alone, which puts it on record; what it held is stored
    anew."""
    number = len(needed_in_order(stocked()))
    assert number > 8
    for place, missing in itertools.product(range(number), (True, False)):
        world = stocked()
        victim = needed_in_order(world)[place]
        if not missing and "/policies/" in victim:
            continue  # its own test is below
        whole = world.store.blobs.pop(victim)
        if not missing:
            world.store.blobs[victim] = whole[:20] + bytes([whole[20] ^ 1]) + whole[21:]
            vault = world.context().vault
            seen = scrub(vault, INSTANCE, Sample(), lambda _: None)
            packs = record_damage(vault, seen, rfc3339(world.now))
            assert [pack_key(pack) for pack in packs] == [victim] * victim.startswith("packs/")
            assert record_damage(vault, seen, rfc3339(world.now)) == ()
        made = changed_point(world, "after", range(3))
        assert made.complete
        found = scrub(world.context().vault, INSTANCE, Sample(), lambda _: None)
        assert made.point not in found.lost, victim
        assert found.newest_whole == made.point


def test_the_record_of_a_damaged_pack_goes_with_the_pack() -> None:
    world = stocked()
    vault = world.context().vault
    victim = [key for key in needed_in_order(world) if key.startswith("packs/")][-1]
    whole = world.store.blobs[victim]
    world.store.blobs[victim] = whole[:-1] + bytes([whole[-1] ^ 1])
    record_damage(vault, scrub(vault, INSTANCE, Sample(), lambda _: None), rfc3339(world.now))
    context = world.context()
    remove_orphans(context, reconcile(context))
    assert list(vault.store.list(layout.damaged_packs(INSTANCE)))
    for number in range(3):  # then the policy keeps none of the old points
        world.tick(hours=1)
        changed_point(world, f"later {number}", range(3))
    context = world.context()
    execute_prune(context, plan_prune(context))
    assert victim not in world.store.blobs
    context = world.context()
    remove_orphans(context, reconcile(context))
    assert not list(vault.store.list(layout.damaged_packs(INSTANCE)))


def needed_in_order(world: World) -> list[str]:
    """Every blob that some point needs, in the order in which they were written."""
    users = readers(world.context().vault)
    written = [call.key for call in world.store.calls if call.method == "put_new"]
    return [key for key in dict.fromkeys(written) if key in users]


def test_a_changed_text_of_the_policy_is_told_and_never_named_by_a_new_point() -> None:
    world = small()
    key = next(key for key in world.store.blobs if "/policies/" in key)
    world.store.blobs[key] = world.store.blobs[key][:-1]
    with pytest.raises(Damaged, match=key):
        back_up(world.context(), "next")
    del world.store.blobs[key]
    back_up(world.context(), "next")
    settled(world, 2)


def test_a_damaged_claim_stops_no_prune_and_goes() -> None:
    world = small()
    (key,) = [key for key in world.store.blobs if "/claims/" in key]
    world.store.blobs[key] = world.store.blobs[key][:-1]
    world.tick(days=2)
    prune(world.context())
    assert key not in world.store.blobs
    settled(world, 1)


NAMES = (
    "../../../../etc/passwd", "..", "/etc/passwd", "a\0b", "n" * 4000, "日本語-ü-\u202e-\U0001f6df",
    "C:\\windows", "-rf", "a\nb", "packs/../../x", "%2e%2e%2f", ".", " ",
)  # fmt: skip


def test_no_name_leads_out_of_the_store_and_all_come_back(tmp_path: Path) -> None:
    """Names that no API server would take, from one that somebody else controls."""
    root = tmp_path / "a" / "vault"
    world = World()
    world.store = LocalStore.create(root)  # type: ignore[assignment]
    create_vault(world.store, world.key, world.clock)
    for name in NAMES:
        body = config_map(name, f"text of {name}")
        body["metadata"]["namespace"] = "shop"
        world.cluster.put(CONFIG_MAP, body)
    made: list[Manifest] = [back_up(world.context(), "one")]
    world.change("red")
    world.tick(hours=1)
    made.append(back_up(world.context(), "two"))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert all(path.is_relative_to(root) for path in files)
    assert not any(b"etc/passwd" in path.name.encode() for path in files)
    vault = world.context().vault
    for manifest in made:
        contents = open_contents(vault, manifest)
        reader = contents.reader()
        for name in NAMES:
            found = contents.find(("", "v1", "ConfigMap", "shop", name))
            assert found is not None
            record = msgspec.json.decode(reader.read(found[1].record, found[1].place))
            assert record["metadata"]["name"] == name
            assert record["data"] == {"text": f"text of {name}", "name": name}
    assert scrub(vault, INSTANCE, Sample(), lambda _: None).damage == ()
