"""The jobs that are killed at every call, and what is looked at afterwards. A new job is one more
entry of MORTALS."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from lifeboat.errors import BlobExists, WrongKey
from lifeboat.point import catalog
from lifeboat.point.facts import held_points, read_holds, removed_points
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import Manifest, Run
from lifeboat.policy.instance import CopyPlace
from lifeboat.policy.model import VaultEntry
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.run import restore
from lifeboat.steps.backup import backup
from lifeboat.steps.context import AtCopy, Context
from lifeboat.steps.copy import copy_points
from lifeboat.steps.hold import hold, release
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.reconcile import GRACE, Reconciliation, reconcile, remove_orphans
from lifeboat.steps.scrub import Sample, ensure_sound, scrub
from lifeboat.vault.keyring import KeyRing
from lifeboat.vault.keys import key_of
from lifeboat.vault.replica import create_replica
from lifeboat.vault.vault import create_vault, open_keyring, open_vault
from tests.support.copies import assert_whole as assert_readable
from tests.support.crash import Fuse, Killed
from tests.support.deaths import INSTANCE, Mortal, assert_survived, assert_whole, points
from tests.support.kinds import CONFIG_MAP, CONTENT, NAMESPACE, SECRET
from tests.support.world import Given, World

SECOND_KEY = "lifeboat-key-1:" + "A" * 43 + "="
SECOND = "the second key"
COPY = "copy"
AT_ONCE = timedelta(seconds=-1)
_RUN = Run("run-under-test", "manual")


def make(context: Context, run: Run = _RUN) -> Manifest:
    made = backup(context, run, _quiet)
    assert made is not None
    return made


def prepare_change(world: World) -> None:
    """One good point, and the cluster changed since."""
    make(world.context(), Run("earlier", "manual"))
    world.tick(hours=1)
    world.change("red")


def prepare_points(world: World, number: int = 4) -> None:
    """Points an hour apart; the policy keeps the last two."""
    for n in range(number):
        world.change(f"colour-{n}")
        make(world.context(), Run(f"run-{n}", "manual"))
        world.tick(hours=1)


# --- order


def look_for_orphans(context: Context, grace: timedelta = GRACE) -> list[str]:
    return remove_orphans(context, reconcile(context, grace))


def put_in_order(world: World, grace: timedelta = GRACE) -> None:
    """Reconcile as upkeep does: the first look only puts orphans on record, a later one deletes."""
    context = world.context()
    found = reconcile(context, grace)
    assert not found.damaged
    assert remove_orphans(context, found) == []
    if grace > timedelta():
        assert look_for_orphans(world.context(), grace) == [], "removed before its time"
        world.tick(days=2)
    context = world.context()
    found = reconcile(context, grace)
    assert len(remove_orphans(context, found)) == len(found.orphans)
    again = reconcile(world.context(), grace)
    assert again == Reconciliation((), {}), "left something, or a record of it"
    assert list(world.open_store().list(f"instances/{INSTANCE}/orphans/")) == []
    assert_nothing_left(world)


def assert_nothing_left(world: World) -> None:
    """Packs and trees in the store are exactly those that some point needs, and snapshots in the
    cluster exactly those that some point names."""
    vault = world.context().vault
    manifests = catalog.manifests(vault, INSTANCE)
    needed = needed_by(vault, manifests)
    assert {stat.key.rsplit("/", 1)[1] for stat in vault.store.list("packs/")} == needed.packs
    assert {stat.key.rsplit("/", 1)[1] for stat in vault.store.list("trees/")} == needed.trees
    named = {volume.handle for manifest in manifests for volume in manifest.volumes}
    contents = world.cluster.objects(CONTENT).values()
    assert {content["status"]["snapshotHandle"] for content in contents} == named
    for manifest in manifests:
        assert_whole(world.context(), manifest.point)


def assert_next_writer_sweeps(world: World) -> None:
    """What a dead writer had not finished goes with the first write of a later day."""
    world.tick(days=2)
    newest = points(world)[-1]
    hold(world.context().vault, INSTANCE, newest, "to write anything", world.now)
    assert world.unfinished() == []


# --- backup


def _backup(given: Given) -> object:
    return make(given.context())


def _retried_backup(world: World, earlier: list[str]) -> None:
    world.tick(minutes=5)
    manifest = make(world.context())
    assert points(world) == [*earlier, manifest.point]
    assert_whole(world.context(), manifest.point)
    assert manifest.complete
    assert len(world.handles) == 2, "a second snapshot"
    put_in_order(world, grace=AT_ONCE)


def _never_retried(world: World, earlier: list[str]) -> None:
    world.tick(days=2)
    put_in_order(world)
    assert points(world)[: len(earlier)] == earlier
    assert_next_writer_sweeps(world)


# --- prune and reconcile


def _prune(given: Given) -> object:
    return prune(given.context())


def prune(context: Context) -> object:
    return execute_prune(context, plan_prune(context))


def _retried_prune(world: World, earlier: list[str]) -> None:
    assert points(world)[-2:] == earlier[-2:]
    prune(world.context())
    assert points(world) == earlier[-2:]
    assert_survived(world, earlier)
    world.tick(days=2)
    put_in_order(world)
    world.forget_deleted_snapshots()
    assert len(world.handles) == 2, "a snapshot leaked"
    assert_next_writer_sweeps(world)


def _prepare_abandoned(world: World) -> None:
    """A backup that died when all but the manifest was there, and on record for two days."""
    prepare_change(world)
    fuse, twin = Fuse(), world.twin()
    make(twin.context(fuse))
    twin.discard()
    with contextlib.suppress(Killed):
        make(world.context(Fuse(fuse.calls - 2)))  # after the write it looks whether it is there
    assert len(points(world)) == 1
    world.tick(days=2)
    context = world.context()
    found = reconcile(context)
    assert len(found.orphans) == 2, "a pack and a snapshot"
    remove_orphans(context, found)
    world.tick(days=2)


def _reconcile(given: Given) -> object:
    return look_for_orphans(given.context())


def _retried_reconcile(world: World, earlier: list[str]) -> None:
    look_for_orphans(world.context())
    assert reconcile(world.context()) == Reconciliation((), {})
    assert points(world) == earlier
    assert_nothing_left(world)
    assert_next_writer_sweeps(world)


# --- hold and release


def _hold(given: Given) -> object:
    context = given.context()
    oldest = catalog.point_ids(context.vault, INSTANCE)[0]
    return hold(context.vault, INSTANCE, oldest, "while I look", context.clock())


def _held(world: World, earlier: list[str]) -> None:
    """Dead or alive, a hold is whole or not there; the next one holds."""
    vault, oldest = world.context().vault, earlier[0]
    before = read_holds(vault, INSTANCE, oldest)
    assert len(before) <= 1
    _hold(world.given())
    assert len(read_holds(vault, INSTANCE, oldest)) == len(before) + 1
    prune(world.context())
    assert points(world) == [oldest, *earlier[-2:]]
    for one in read_holds(vault, INSTANCE):
        release(vault, INSTANCE, oldest, "done", world.now, one.id)
    prune(world.context())
    assert points(world) == earlier[-2:]
    assert_survived(world, earlier)
    assert_next_writer_sweeps(world)


def _prepare_held(world: World) -> None:
    prepare_points(world)
    _hold(world.given())


def _release(given: Given) -> object:
    context = given.context()
    oldest = catalog.point_ids(context.vault, INSTANCE)[0]
    return release(context.vault, INSTANCE, oldest, "seen", context.clock())


def _released(world: World, earlier: list[str]) -> None:
    """Dead or alive, the hold is over or not; asked again, it is."""
    vault = world.context().vault
    if held_points(vault, INSTANCE):
        _release(world.given())
    assert held_points(vault, INSTANCE) == set()
    prune(world.context())
    assert points(world) == earlier[-2:]
    assert removed_points(vault, INSTANCE) == set(earlier[:-2])
    assert_next_writer_sweeps(world)


# --- scrub and restore


def _scrub(given: Given) -> object:
    return scrub(given.context().vault, INSTANCE, Sample(), _quiet)


def _scrubbed(world: World, earlier: list[str]) -> None:
    assert world.unfinished() == []
    found = scrub(world.context().vault, INSTANCE, Sample(), _quiet)
    ensure_sound(found)
    assert found.points == len(earlier)
    assert found.newest_whole == earlier[-1]


def _prepare_loss(world: World) -> None:
    prepare_change(world)
    make(world.context())
    world.cluster.delete(NAMESPACE, None, "shop")


def _restore(given: Given) -> object:
    context = given.context()
    point = catalog.find(context.vault, INSTANCE).point
    request = RestoreRequest(instance=INSTANCE, point=point, kinds=("configmaps", "secrets"))
    return restore(context, request, "restore-1", _quiet)


def _restored(world: World, earlier: list[str]) -> None:
    _restore(world.given())
    assert world.cluster.get(CONFIG_MAP, "shop", "settings")["data"] == {"colour": "red"}
    assert world.cluster.get(SECRET, "shop", "login")["data"] == {"password": "aHVudGVyMg=="}
    assert points(world) == earlier


# --- keys and vaults


def _ring(given: Given) -> KeyRing:
    return open_keyring(given.store(), given.key)


def _add_key(given: Given) -> object:
    return _ring(given).add(key_of(SECOND_KEY), SECOND, given.clock)


def _seconds(ring: KeyRing) -> list[str]:
    entries = ring.entries()
    assert all(entry.problem == "" for entry in entries)
    return [entry.id for entry in entries if entry.label == SECOND]


def _key_added(world: World, earlier: list[str]) -> None:
    """A wrapping that nobody was told of is whole, is listed, and can be removed by its id."""
    store, ring = world.open_store(), _ring(world.given())
    before = _seconds(ring)
    assert len(before) <= 1
    _add_key(world.given())
    for ident in before:
        ring.remove(ident, force=False)
    assert len(_seconds(ring)) == 1
    assert catalog.point_ids(open_vault(store, SECOND_KEY), INSTANCE) == earlier
    assert_next_writer_sweeps(world)


def _prepare_second_key(world: World) -> None:
    prepare_change(world)
    _add_key(world.given())


def _remove_key(given: Given) -> object:
    ring = _ring(given)
    return [ring.remove(ident, force=False) for ident in _seconds(ring)]


def _key_removed(world: World, earlier: list[str]) -> None:
    """The key that stays opens the vault at any moment (each look does it); the other, asked
    again, does not."""
    _remove_key(world.given())
    try:
        open_vault(world.open_store(), SECOND_KEY)
    except WrongKey:
        assert points(world) == earlier
    else:
        raise AssertionError("a removed key opens the vault")


def _init(given: Given) -> object:
    return create_vault(given.store("new"), SECOND_KEY, given.clock)


def _made(world: World, earlier: list[str]) -> None:
    """There is no vault, and one can be made, or there is a whole one."""
    with contextlib.suppress(BlobExists):
        _init(world.given())
    assert catalog.instances(open_vault(world.open_store("new"), SECOND_KEY)) == []
    ring = open_keyring(world.open_store("new"), SECOND_KEY)
    assert [entry.problem for entry in ring.entries()] == [""]
    assert points(world) == earlier


# --- copies


def _prepare_copy(world: World) -> None:
    """One point of three is in the second place."""
    prepare_points(world, 1)
    create_replica(world.open_store(COPY), SECOND_KEY, world.open_store(), world.key, world.clock)
    _copy(world.given())
    for run in ("later", "last"):
        world.change(run)
        make(world.context(), Run(run, "manual"))
        world.tick(hours=1)


def _there(given: Given) -> AtCopy:
    instance = given.context().instance
    entry = VaultEntry(name=COPY, url="file:///other", key="env:NONE")
    place = CopyPlace(entry, instance.policy.retention)
    return AtCopy(instance.at(place), open_vault(given.store(COPY), SECOND_KEY), given.clock)


def _copy(given: Given) -> object:
    copied = copy_points(given.context().vault, _there(given), _quiet, in_flight=1)
    assert not copied.failed
    return copied


def _copied(world: World, earlier: list[str]) -> None:
    """A point is in the copy only when it is whole there; asked again, all that is wanted is."""
    before = catalog.point_ids(_there(world.given()).vault, INSTANCE)
    assert set(before) <= set(earlier)
    for point in before:
        assert_readable(_there(world.given()).vault, point)
    _copy(world.given())
    there = _there(world.given())
    assert catalog.point_ids(there.vault, INSTANCE) == sorted({*before, *earlier[-2:]})
    for point in catalog.point_ids(there.vault, INSTANCE):
        assert_readable(there.vault, point)
    needed = needed_by(there.vault, catalog.manifests(there.vault, INSTANCE)).keys
    stored = {stat.key for root in ("packs/", "trees/") for stat in there.vault.store.list(root)}
    assert stored == needed, "left something that reconcile must find"
    assert points(world) == earlier


def _quiet(_: str) -> None: ...


MORTALS = (
    Mortal("backup", prepare_change, _backup, (_retried_backup, _never_retried), 60, 30, 15),
    Mortal("prune", prepare_points, _prune, (_retried_prune,), 30, 15, 5),
    Mortal("reconcile", _prepare_abandoned, _reconcile, (_retried_reconcile,), 15, 2, 0),
    Mortal("restore", _prepare_loss, _restore, (_restored,), 50, 30, 15),
    Mortal("scrub", prepare_change, _scrub, (_scrubbed,), 10, 0, 0),
    Mortal("hold", prepare_points, _hold, (_held,), 6, 5, 3),
    Mortal("release", _prepare_held, _release, (_released,), 8, 5, 3),
    Mortal("add a key", prepare_change, _add_key, (_key_added,), 6, 4, 3),
    Mortal("remove a key", _prepare_second_key, _remove_key, (_key_removed,), 6, 1, 0),
    Mortal("copy", _prepare_copy, _copy, (_copied,), 20, 10, 5),
    Mortal("make a vault", prepare_change, _init, (_made,), 4, 10, 7),
)
