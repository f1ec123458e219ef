"""Death at every single call of a copying (P1, P2): the copy never shows a point that is not whole,
the next run converges, and two at the same time do no harm."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Iterator

import pytest

from lifeboat.errors import BlobExists, StoreUnavailable
from lifeboat.point import catalog
from lifeboat.steps.copy_plan import plan_copy, wanted_by
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.reconcile import reconcile
from tests.support.copies import INSTANCE, Pair, assert_same_bytes, assert_whole
from tests.support.crash import Fuse, Killed
from tests.support.memory_store import MemoryStore
from tests.support.vaults import back_up, stocked
from tests.support.world import World

KEEP = "{keep: {last: 50}, lock: 2d}"


def world_of(points: int) -> World:
    world = World(World.policy.replace("last: 2", "last: 9"))
    for number in range(points):
        world.change(f"colour-{number}")
        back_up(world.context(), f"run-{number}")
        world.tick(hours=1)
    return world


def assert_points_whole(pair: Pair) -> None:
    """Whatever the copy shows is whole there."""
    vault = pair.there().vault
    for point in catalog.point_ids(vault, INSTANCE):
        assert_whole(vault, point)


def assert_honest(pair: Pair) -> None:
    """And what both places have is equal."""
    assert_points_whole(pair)
    assert_same_bytes(pair)


def deaths(world: World, *, after: bool) -> Iterator[tuple[int, Pair]]:
    """A fresh copy for every call, killed at that call, until the copying lives."""
    for at in itertools.count():
        pair = Pair(world, KEEP)
        try:
            pair.copy(Fuse(at, after))
        except Killed:
            yield at, pair
        else:
            assert at > 40, "too few calls to be the real thing"
            return


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_copying_survives_death_at_every_call(after: bool) -> None:
    world = world_of(3)
    points = catalog.point_ids(world.context().vault, INSTANCE)
    for at, pair in deaths(world, after=after):
        assert_honest(pair)
        done = pair.copy()
        assert done.failed == {}, at
        assert pair.points() == points, at
        assert_honest(pair)
        assert reconcile(pair.there()).orphans == (), at
        again = pair.copy()
        assert (again.points, again.blobs) == ((), 0), at


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answer lost"])
def test_a_store_that_fails_at_any_write_shows_nothing_that_is_not_whole(lost: bool) -> None:
    world = world_of(2)
    for at in itertools.count():
        pair = Pair(world)
        assert isinstance(pair.place, MemoryStore)
        pair.place = FailingWrites(pair.place, at, lost)
        try:
            pair.copy(in_flight=4)
        except StoreUnavailable:
            assert_honest(pair)
            assert pair.copy(in_flight=4).failed == {}
            assert len(pair.points()) == 2
            assert_honest(pair)
        else:
            assert at > 5
            return


class FailingWrites(MemoryStore):
    """The write number `at` fails: refused, or done with the answer lost."""

    def __init__(self, behind: MemoryStore, at: int, lost: bool) -> None:
        super().__init__()
        self.__dict__.update(behind.__dict__)
        self._at, self._lost_answer, self._writes = at, lost, itertools.count()

    def put_new(self, key: str, data: bytes, **more: object) -> None:  # type: ignore[override]
        if next(self._writes) != self._at:
            super().put_new(key, data, **more)  # type: ignore[arg-type]
            return
        if self._lost_answer:
            with contextlib.suppress(BlobExists):  # that answer is lost, too
                super().put_new(key, data, **more)  # type: ignore[arg-type]
        raise StoreUnavailable("the store did not answer")


def test_two_copiers_at_once_do_no_harm() -> None:
    """One runs whole between any two calls of the other."""
    world = world_of(2)
    for at in itertools.count():
        pair = Pair(world)
        fuse = Interrupted(at, pair)
        done = pair.copy(fuse)
        assert done.failed == {}, at
        assert len(pair.points()) == 2
        assert_honest(pair)
        if fuse.calls <= at:
            assert at > 20
            return


class Interrupted(Fuse):
    """Before its call number `at` another copier runs, from beginning to end."""

    def __init__(self, at: int, pair: Pair) -> None:
        super().__init__()
        self._when, self._pair = at, pair

    def burn(self, name: str, call):  # type: ignore[no-untyped-def,override]
        mine = self.calls
        self.calls += 1
        if mine == self._when:
            self._pair.copy()
        return call()


def test_many_copiers_of_many_blobs_in_threads() -> None:
    pair = Pair(stocked())
    failures: list[BaseException] = []

    def run() -> None:
        try:
            assert pair.copy(in_flight=4).failed == {}
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(pair.points()) == 4
    assert_honest(pair)


def test_any_history_of_deaths_points_and_prunes_ends_whole() -> None:
    """Random deaths, new points, and both places losing points to their retentions."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    world = world_of(1)
    world.policy = World.policy
    pair = Pair(world, keep="{keep: {last: 4}}")
    for number in range(60):
        match dice.choice(["point", "die", "die", "copy", "prune", "prune there"]):
            case "point":
                world.tick(hours=1)
                world.change(f"colour-{dice.randrange(3)}")
                back_up(world.context(), f"late-{number}")
            case "die":
                with contextlib.suppress(Killed):
                    pair.copy(Fuse(dice.randrange(60), dice.random() < 0.5))
            case "copy":
                assert pair.copy().failed == {}
            case "prune":
                vault = world.context().vault
                plan = plan_prune(world.context(), wanted_by(vault, [pair.there()]))
                execute_prune(world.context(), plan)
            case _:
                execute_prune(pair.there(), plan_prune(pair.there()))
        assert_points_whole(pair)
    pair.copy()
    assert plan_copy(world.context().vault, pair.there()).lacks == ()
    newest = catalog.point_ids(world.context().vault, INSTANCE)[-1]
    assert newest in pair.points()
