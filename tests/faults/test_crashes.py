"""Death at every single call (P1, P2): every earlier point stays whole, the retry converges, and
what a dead run left behind is found by reconcile. Here a call raises what nothing may catch;
test_kills.py kills processes."""

from __future__ import annotations

import contextlib
from datetime import datetime

import pytest

from lifeboat.errors import StoreUnavailable
from lifeboat.point import catalog
from tests.support.crash import Fuse, Killed
from tests.support.deaths import Job, Mortal, assert_whole, every_death
from tests.support.memory_store import MemoryStore
from tests.support.mortals import MORTALS, make, prepare_change
from tests.support.world import World


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("mortal", MORTALS, ids=str)
def test_death_at_every_call(mortal: Mortal, after: bool) -> None:
    def die(world: World, job: Job, at: int) -> str:
        try:
            job(world.given(Fuse(at, after)))
        except Killed as death:
            return str(death)
        return ""

    every_death(mortal, World(), die, mortal.calls)


@pytest.mark.parametrize("lost", [False, True], ids=["refused", "answer lost"])
def test_a_store_that_fails_at_any_write_commits_nothing_wrong(lost: bool) -> None:
    for at in range(12):
        world = World()
        prepare_change(world)
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
