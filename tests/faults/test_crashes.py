"""Death at every single call (P1, P2): every earlier point stays whole, the retry converges, and
what a dead run left behind is found by reconcile."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from lifeboat.errors import StoreUnavailable
from lifeboat.point import catalog
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import Manifest, Run, open_contents, read_manifest
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.run import restore
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.reconcile import GRACE, Reconciliation, reconcile, remove_orphans
from tests.support.crash import Fuse, Killed
from tests.support.kinds import CONFIG_MAP, CONTENT, NAMESPACE, SECRET
from tests.support.memory_store import MemoryStore
from tests.support.world import World

RUN = Run("run-under-test", "manual")
AT_ONCE = timedelta(seconds=-1)


def quiet(_: str) -> None: ...


def make(context: Context, run: Run = RUN) -> Manifest:
    made = backup(context, run, quiet)
    assert made is not None
    return made


def assert_whole(context: Context, point: str) -> None:
    """Every tree and every record of the point can be read, and every snapshot exists."""
    manifest = read_manifest(context.vault, context.instance.id, point)
    contents = open_contents(context.vault, manifest)
    reader = contents.reader()
    objects = 0
    for entry in contents:
        assert reader.read(entry.record, entry.place)
        objects += 1
    assert objects == manifest.objects > 0
    marked = {snapshot.handle for snapshot in context.disks.list_marked(context.instance.id)}
    assert {snapshot.handle for snapshot in manifest.volumes} <= marked


def prepared() -> World:
    """A world with one good point, changed since."""
    world = World()
    make(world.context(), Run("earlier", "manual"))
    world.tick(hours=1)
    world.change("red")
    return world


def deaths(
    prepare: Callable[[], World], job: Callable[[Context], object], *, after: bool
) -> Iterator[tuple[int, World]]:
    """A fresh world for every call of the job, killed at that call, until the job lives."""
    for at in itertools.count():
        world = prepare()
        try:
            job(world.context(Fuse(at, after)))
        except Killed:
            yield at, world
        else:
            assert at > 15, "too few calls to be the real thing"
            return


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_backup_survives_death_at_every_call(after: bool) -> None:
    for at, world in deaths(prepared, make, after=after):
        earlier = catalog.point_ids(world.context().vault, "shop.local")[0]
        assert_whole(world.context(), earlier)
        world.tick(minutes=5)
        manifest = make(world.context())
        context = world.context()
        assert catalog.point_ids(context.vault, "shop.local") == [earlier, manifest.point], at
        assert_whole(context, manifest.point)
        assert manifest.complete
        assert len(world.handles) == 2, f"a second snapshot after dying at {at}"
        _assert_reconciled(world)


def put_in_order(world: World, grace: timedelta = GRACE) -> None:
    """Reconcile as upkeep does: the first look only puts orphans on record, a later one deletes."""
    context = world.context()
    found = reconcile(context, grace)
    assert not found.damaged
    assert remove_orphans(context, found) == []
    if grace > timedelta():
        assert remove_orphans(context, reconcile(context, grace)) == [], "removed before its time"
        world.tick(days=2)
    found = reconcile(context, grace)
    assert len(remove_orphans(context, found)) == len(found.orphans)
    assert reconcile(context, grace) == Reconciliation((), {}), "left something, or a record of it"
    assert list(world.store.list("instances/shop.local/orphans/")) == []


def assert_nothing_left(world: World) -> None:
    """Packs and trees in the store are exactly those that some point needs."""
    vault = world.context().vault
    needed = needed_by(vault, catalog.manifests(vault, "shop.local"))
    assert {stat.key.rsplit("/", 1)[1] for stat in world.store.list("packs/")} == needed.packs
    assert {stat.key.rsplit("/", 1)[1] for stat in world.store.list("trees/")} == needed.trees


def _assert_reconciled(world: World) -> None:
    """Reconcile finds exactly what no point names, and nothing that one does."""
    context = world.context()
    put_in_order(world, grace=AT_ONCE)
    points = catalog.manifests(context.vault, "shop.local")
    assert_nothing_left(world)
    for point in points:
        assert_whole(context, point.point)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_that_is_never_retried_leaves_only_what_reconcile_removes(after: bool) -> None:
    for at, world in deaths(prepared, make, after=after):
        world.tick(days=2)
        put_in_order(world)
        context = world.context()
        points = catalog.manifests(context.vault, "shop.local")
        assert_nothing_left(world)
        handles = {volume.handle for point in points for volume in point.volumes}
        left = {c["status"]["snapshotHandle"] for c in world.cluster.objects(CONTENT).values()}
        assert left == handles, f"an orphan snapshot after dying at {at}"


def with_points(number: int) -> World:
    world = World()
    for n in range(number):
        world.change(f"colour-{n}")
        make(world.context(), Run(f"run-{n}", "manual"))
        world.tick(hours=1)
    return world


def prune(context: Context) -> object:
    return execute_prune(context, plan_prune(context))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_prune_survives_death_at_every_call(after: bool) -> None:
    for at, world in deaths(lambda: with_points(4), prune, after=after):
        points = catalog.point_ids(world.context().vault, "shop.local")[-2:]
        for point in catalog.point_ids(world.context().vault, "shop.local"):
            assert_whole(world.context(), point)
        prune(world.context())
        context = world.context()
        assert catalog.point_ids(context.vault, "shop.local") == points, at
        world.tick(days=2)
        put_in_order(world)
        for point in points:
            assert_whole(context, point)
        world.forget_deleted_snapshots()
        assert len(world.handles) == 2, f"a snapshot leaked after dying at {at}"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_reconcile_survives_death_at_every_call(after: bool) -> None:
    def abandoned() -> World:
        """Died when all but the manifest was there, and on record for two days."""
        world = prepared()
        with contextlib.suppress(Killed):
            make(world.context(Fuse(_last_write(), after=False)))
        world.tick(days=2)
        context = world.context()
        found = reconcile(context)
        assert len(found.orphans) == 2, "a pack and a snapshot"
        remove_orphans(context, found)
        world.tick(days=2)
        return world

    def look(context: Context) -> object:
        return remove_orphans(context, reconcile(context))

    for _, world in deaths(abandoned, look, after=after):
        (earlier,) = catalog.point_ids(world.context().vault, "shop.local")
        look(world.context())
        assert reconcile(world.context()) == Reconciliation((), {})
        assert_nothing_left(world)
        assert_whole(world.context(), earlier)


def _last_write() -> int:
    """The number of the call by which a backup writes its manifest."""
    world, fuse = prepared(), Fuse()
    before = len(world.store.calls)
    make(world.context(fuse))
    writes = [call for call in world.store.calls[before:] if call.method == "put_new"]
    assert "/points/" in writes[-1].key
    return fuse.calls - 2  # after it there is only the look whether it is there


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_restore_goes_on_where_it_died(after: bool) -> None:
    def bring_back(context: Context) -> object:
        point = catalog.find(context.vault, "shop.local").point
        kinds = ("configmaps", "secrets")
        request = RestoreRequest(instance="shop.local", point=point, kinds=kinds)
        return restore(context, request, "restore-1", quiet)

    def lost() -> World:
        world = prepared()
        make(world.context())
        world.cluster.delete(NAMESPACE, None, "shop")
        return world

    for _, world in deaths(lost, bring_back, after=after):
        bring_back(world.context())
        assert world.cluster.get(CONFIG_MAP, "shop", "settings")["data"] == {"colour": "red"}
        assert world.cluster.get(SECRET, "shop", "login")["data"] == {"password": "aHVudGVyMg=="}


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answer lost"])
def test_a_store_that_fails_at_any_write_commits_nothing_wrong(lost: bool) -> None:
    for at in range(12):
        world = prepared()
        (earlier,) = catalog.point_ids(world.context().vault, "shop.local")
        context = world.context()
        context.vault.store = FailingWrites(world.store, at, lost)
        with contextlib.suppress(StoreUnavailable):
            make(context)
        manifest = make(world.context())
        assert_whole(world.context(), earlier)
        assert_whole(world.context(), manifest.point)
        assert len(catalog.point_ids(world.context().vault, "shop.local")) == 2


class FailingWrites(MemoryStore):
    """The write number `at` fails: refused, or done with the answer lost."""

    def __init__(self, behind: MemoryStore, at: int, lost: bool) -> None:
        super().__init__(clock=behind.clock)
        self.__dict__.update(behind.__dict__)
        self._at, self._lost_answer, self._writes = at, lost, 0

    def put_new(self, key: str, data: bytes, *, immutable_until: datetime | None = None) -> None:
        mine, self._writes = self._writes, self._writes + 1
        if mine != self._at:
            super().put_new(key, data, immutable_until=immutable_until)
            return
        if self._lost_answer:
            super().put_new(key, data, immutable_until=immutable_until)
        raise StoreUnavailable("the store did not answer")
