"""A folder on a disk that is full, from every write on that makes it grow: the job says so, leaves
nothing unfinished, and all holds that holds when it is killed there."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from lifeboat.adapters import store_local
from lifeboat.errors import StoreFull
from tests.support.deaths import Job, Mortal, every_death
from tests.support.folder_world import FolderWorld, unsynced
from tests.support.mortals import MORTALS
from tests.support.world import World


class FullDisk:
    """`os` on a disk with room for so many new files, folders and pieces of data. The last piece is
    taken by half. A second name of a file (a link) still fits: its folder has room in its block."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.refused = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, name: str, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_CREAT:
            self._grow(f"create {name}")
        return os.open(name, flags, *rest, **named)

    def mkdir(self, name: str, mode: int, *, dir_fd: int) -> None:
        if name not in os.listdir(dir_fd):
            self._grow(f"mkdir {name}")
        os.mkdir(name, mode, dir_fd=dir_fd)

    def write(self, fd: int, data: memoryview) -> int:
        if self._room == 1 and len(data) > 1:
            data = data[: len(data) // 2]
        self._grow(f"write {len(data)} bytes")
        return os.write(fd, data)

    def _grow(self, doing: str) -> None:
        self._room -= 1
        if self._room < 0:
            self.refused = self.refused or doing
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("mortal", MORTALS, ids=str)
def test_a_disk_that_is_full_from_any_write_on(tmp_path: Path, mortal: Mortal) -> None:
    def die(world: World, job: Job, at: int) -> str:
        disk = FullDisk(at)
        given = world.given()
        with mock.patch.object(store_local, "os", disk):
            try:
                job(given)
            except StoreFull:
                assert world.unfinished() == []
            else:
                assert not disk.refused, "nobody was told"
        return disk.refused

    with unsynced():
        every_death(mortal, FolderWorld(home=tmp_path), die, mortal.growth)
