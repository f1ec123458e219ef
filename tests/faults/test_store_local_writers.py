"""The folder store when writers are killed, race each other, or meet a pruner."""

from __future__ import annotations

import os
import random
import stat
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest

from lifeboat.adapters.store_local import LocalStore
from lifeboat.clock import utc_now
from lifeboat.errors import BlobExists
from tests.support.engine import engine_process


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "vault").mkdir()
    return tmp_path / "vault"


@pytest.fixture
def store(root: Path) -> LocalStore:
    return LocalStore(root)


def keys(store: LocalStore, prefix: str = "") -> list[str]:
    return [found.key for found in store.list(prefix)]


WRITER = """
import random, zlib
from pathlib import Path
from lifeboat.adapters.store_local import LocalStore
store = LocalStore(Path(sys.argv[1]))
source = random.Random(sys.argv[2])
print("ready", flush=True)
for number in range(100_000):
    size = source.choice([0, 5, 4096, 300_000, 2_000_000])
    key = f"{sys.argv[2]}/{number % 3}/{number}-{size}"
    store.put_new(key, bytes([number % 251]) * size)
    print(key, flush=True)
"""


@pytest.fixture
def seed() -> int:
    chosen = random.SystemRandom().randrange(1 << 32)
    print(f"seed {chosen}")  # pytest shows it when the test fails
    return chosen


def test_sigkill_leaves_a_whole_blob_or_none(root: Path, seed: int) -> None:
    source = random.Random(seed)
    for turn in range(12):
        with subprocess.Popen(
            engine_process(WRITER, str(root), str(turn)), stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
            time.sleep(source.uniform(0, 0.06))
            writer.kill()
            acknowledged = set(writer.stdout.read().split("\n")[:-1])
        store = LocalStore(root)
        found = keys(store, f"{turn}/")
        assert acknowledged <= set(found)
        for key in found:
            number, size = map(int, key.rpartition("/")[2].split("-"))
            assert store.get(key) == bytes([number % 251]) * size, key


def test_bytes_are_durable_before_the_name_and_folders_after(
    monkeypatch: pytest.MonkeyPatch, store: LocalStore
) -> None:
    order: list[str] = []
    fsync, link = os.fsync, os.link

    def record_fsync(fd: int) -> None:
        order.append("file" if stat.S_ISREG(os.fstat(fd).st_mode) else "folder")
        fsync(fd)

    def record_link(*args: object, **named: object) -> None:
        order.append("link")
        link(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "link", record_link)
    store.put_new("a/b/c", b"x")
    assert order == ["file", "link", "folder", "folder", "folder"]
    order.clear()
    with pytest.raises(BlobExists):
        store.put_new("a/b/c", b"y")
    assert order[2:] == ["folder"] * 3, "the winner's blob is relied on, so it must be durable"
    order.clear()
    store.delete("a/b/c")
    assert order == ["folder"]


def test_what_dead_writers_left_is_swept_when_old(root: Path, store: LocalStore) -> None:
    store.put_new("a", b"")
    left = root / ".incoming" / "4242-dead"
    left.write_bytes(b"half a pack")
    LocalStore(root).put_new("b", b"")
    assert left.exists(), "a writer of this minute may still live"
    assert keys(store) == ["a", "b"]
    LocalStore(root, clock=lambda: utc_now() + timedelta(days=2)).put_new("c", b"")
    assert not left.exists()


RACER = """
from pathlib import Path
from lifeboat.adapters.store_local import LocalStore
from lifeboat.errors import BlobExists
store = LocalStore(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(150):
    try:
        store.put_new(f"points/{number}/manifest", sys.argv[2].encode())
    except BlobExists:
        continue
    print(number)
"""


def test_of_racing_processes_exactly_one_wins(root: Path, store: LocalStore) -> None:
    racers = [
        subprocess.Popen(
            engine_process(RACER, str(root), str(me)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [racer.communicate(timeout=300)[0].split() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert sorted(int(number) for numbers in won for number in numbers) == list(range(150))
    for me, numbers in enumerate(won):
        assert all(store.get(f"points/{n}/manifest") == str(me).encode() for n in numbers)


def test_a_folder_pruned_under_a_writer_is_made_again(
    monkeypatch: pytest.MonkeyPatch, root: Path, store: LocalStore
) -> None:
    link = os.link
    pruned = []

    def prune_first(*args: object, **named: object) -> None:
        if len(pruned) < 3:
            pruned.append(True)
            (root / "a" / "b").rmdir()
        link(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "link", prune_first)
    store.put_new("a/b/c", b"kept")
    assert len(pruned) == 3
    assert store.get("a/b/c") == b"kept"
