"""Real death (P1, P2): a process is killed with SIGKILL before and after every call of every port,
and inside the calls of a folder store after every change they make to the folder. What must hold
then is in tests/support/mortals.py; a failure says how to repeat just that death."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.deaths import Job, Mortal, every_death
from tests.support.folder_world import FolderWorld, unsynced
from tests.support.killed import Nursery
from tests.support.mortals import MORTALS
from tests.support.worker import Where
from tests.support.world import World


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with unsynced(), Nursery() as made:
        yield made


@pytest.mark.parametrize("where", ["before", "after", "inside"])
@pytest.mark.parametrize("mortal", MORTALS, ids=str)
def test_a_kill_at_every_call(
    nursery: Nursery, tmp_path: Path, mortal: Mortal, where: Where
) -> None:
    def die(world: World, job: Job, at: int) -> str:
        assert isinstance(world, FolderWorld)
        return nursery.kill(world, job, at, where)

    least = mortal.changes if where == "inside" else mortal.calls
    every_death(mortal, FolderWorld(home=tmp_path), die, least)
