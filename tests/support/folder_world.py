"""A world whose stores are folders on a disk, and whose clock goes there as in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from unittest import mock

from lifeboat.adapters.store_local import LocalStore
from lifeboat.clock import Clock
from lifeboat.ports.store import Store
from tests.support.world import VAULT, World

# Long before any real time, by which a file that was just written is told from one of the world's.
BEGIN = datetime(2001, 11, 22, 12, tzinfo=UTC)
_REAL = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


@contextmanager
def unsynced() -> Iterator[None]:
    """Without syncs, which take most of the time and change nothing here: SIGKILL leaves what the
    kernel was given. That each sync is made is seen in test_store_local_writers.py."""
    with mock.patch.object(os, "fsync", _no_sync):
        yield


def _no_sync(_: int) -> None: ...


def folder_store(root: Path, name: str, clock: Clock) -> LocalStore:
    """The store of this name below `root`, opened as a process does that begins."""
    (root / name).mkdir(mode=0o700, exist_ok=True)
    return LocalStore(root / name, clock=clock)


@dataclass
class FolderWorld(World):
    """`home` gets a folder of each world; `root` is this world's, with the stores by name."""

    now: datetime = BEGIN
    home: Path = field(kw_only=True)
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(dir=self.home))
        super().__post_init__()
        del self.store  # the folders are the stores

    def twin(self) -> Self:
        other = self._twin()
        other.root = Path(tempfile.mkdtemp(dir=self.home))
        shutil.copytree(self.root, other.root, dirs_exist_ok=True)
        return other

    def open_store(self, name: str = VAULT) -> Store:
        self._date()
        return folder_store(self.root, name, self.clock)

    def tick(self, **delta: float) -> None:
        self._date()
        super().tick(**delta)

    def unfinished(self) -> list[Path]:
        return [path for path in self.root.glob("*/.incoming/*") if path.is_file()]

    def discard(self) -> None:
        shutil.rmtree(self.root)

    def _date(self) -> None:
        """Give what was written since the last look the time of this world."""
        now = self.now.timestamp()
        for path in self.root.rglob("*"):
            if path.is_file() and path.stat().st_mtime > _REAL:
                os.utime(path, (now, now))
