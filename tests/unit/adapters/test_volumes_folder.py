"""The digest of a folder volume: what changes it, what does not, and which handles are refused."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from lifeboat.adapters.volumes_folder import FolderVolumes, NoVolumes
from lifeboat.errors import NotFound, UsageError
from tests.support.engine import engine_process

DRIVER = "folder.csi.test"


@pytest.fixture
def reader(tmp_path: Path) -> FolderVolumes:
    (tmp_path / "volumes").mkdir()
    (tmp_path / "snapshots").mkdir()
    return FolderVolumes(DRIVER, tmp_path)


def fill(folder: Path) -> Path:
    """A small tree with each thing that counts: files, an empty folder, a link, an odd name."""
    (folder / "deep" / "empty").mkdir(parents=True)
    (folder / "deep" / "ledger").write_bytes(b"one\0two\n")
    (folder / "deep" / "ledger").chmod(0o640)
    (folder / "nothing").write_bytes(b"")
    (folder / "latest").symlink_to("deep/ledger")
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9")).write_bytes(b"not utf-8")
    return folder


def volume(tmp_path: Path, handle: str) -> Path:
    return fill(tmp_path / "volumes" / handle)


def test_equal_trees_are_equal_as_volume_and_as_snapshot(
    reader: FolderVolumes, tmp_path: Path
) -> None:
    volume(tmp_path, "a")
    other = volume(tmp_path, "b")
    fill(tmp_path / "snapshots" / "s")
    os.utime(other / "nothing", (1, 1))  # times are not content
    digest = reader.digest_volume("a")
    assert digest.startswith("sha256:")
    assert len(digest) == len("sha256:") + 64
    assert reader.digest_volume("a") == digest
    assert reader.digest_volume("b") == digest
    assert reader.digest_snapshot("s") == digest


def rename(folder: Path) -> None:
    (folder / "nothing").rename(folder / "something")


def change_mode(folder: Path) -> None:
    (folder / "deep" / "ledger").chmod(0o600)


def change_folder_mode(folder: Path) -> None:
    (folder / "deep" / "empty").chmod(0o700)


def change_bytes(folder: Path) -> None:
    (folder / "deep" / "ledger").write_bytes(b"one\0TWO\n")


def retarget(folder: Path) -> None:
    (folder / "latest").unlink()
    (folder / "latest").symlink_to("nothing")


def link_becomes_file(folder: Path) -> None:
    (folder / "latest").unlink()
    (folder / "latest").write_bytes(b"deep/ledger")


def remove_empty_folder(folder: Path) -> None:
    (folder / "deep" / "empty").rmdir()


def move(folder: Path) -> None:
    (folder / "nothing").rename(folder / "deep" / "nothing")


def add_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "pipe")


CHANGES: list[Callable[[Path], None]] = [
    rename,
    change_mode,
    change_folder_mode,
    change_bytes,
    retarget,
    link_becomes_file,
    remove_empty_folder,
    move,
    add_a_pipe,
]


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_another_digest(
    reader: FolderVolumes, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    folder = volume(tmp_path, "a")
    before = reader.digest_volume("a")
    change(folder)
    assert reader.digest_volume("a") != before


def test_a_line_break_in_a_name_or_target_hides_nothing(
    reader: FolderVolumes, tmp_path: Path
) -> None:
    """A link's target must not be able to pass for the beginning of the next name."""
    for handle, target, name in (("a", "t\nfoo", "zbar"), ("b", "t", "foo\nzbar")):
        folder = tmp_path / "volumes" / handle
        folder.mkdir()
        (folder / "a").symlink_to(target)
        (folder / name).write_bytes(b"")
    assert reader.digest_volume("a") != reader.digest_volume("b")


def test_links_are_not_followed(reader: FolderVolumes, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"1")
    folder = volume(tmp_path, "a")
    (folder / "out").symlink_to(outside)
    (folder / "out-file").symlink_to(outside / "file")
    (folder / "loop").symlink_to(".")
    (folder / "broken").symlink_to("nowhere")
    before = reader.digest_volume("a")
    (outside / "file").write_bytes(b"2")
    (outside / "more").write_bytes(b"3")
    assert reader.digest_volume("a") == before


def test_a_folder_that_is_itself_a_link_is_no_volume(reader: FolderVolumes, tmp_path: Path) -> None:
    volume(tmp_path, "a")
    (tmp_path / "volumes" / "b").symlink_to("a")
    with pytest.raises(NotFound, match="no folder volumes/b"):
        reader.digest_volume("b")


@pytest.mark.parametrize(
    "handle", ["", ".", "..", "../volumes/a", "a/b", "/etc", "a\0b", "a\n", "-a", "a" * 129, "ä"]
)
def test_hostile_handles_are_refused(reader: FolderVolumes, tmp_path: Path, handle: str) -> None:
    volume(tmp_path, "a")
    for digest in (reader.digest_volume, reader.digest_snapshot):
        with pytest.raises(UsageError, match=f"is no handle of {DRIVER}"):
            digest(handle)


def test_what_is_not_there_is_named(reader: FolderVolumes, tmp_path: Path) -> None:
    volume(tmp_path, "a")
    with pytest.raises(NotFound, match=f"{DRIVER} has no folder volumes/b"):
        reader.digest_volume("b")
    with pytest.raises(NotFound, match="no folder snapshots/a"):
        reader.digest_snapshot("a")


def test_what_may_not_be_read_is_no_digest(reader: FolderVolumes, tmp_path: Path) -> None:
    """Left out silently, it would make two different volumes equal."""
    folder = volume(tmp_path, "a")
    (folder / "deep").chmod(0)
    without = "-dac_override,-dac_read_search"  # what lets root read everything
    wrap = ("setpriv", "--bounding-set", without) if os.geteuid() == 0 else ()
    command = engine_process(DIGEST, str(tmp_path), wrap=wrap)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    (folder / "deep").chmod(0o755)
    assert done.stdout == ""
    assert "Unsupported: cannot read volumes/a: Permission denied: deep" in done.stderr


DIGEST = f"""
from pathlib import Path
from lifeboat.adapters.volumes_folder import FolderVolumes
print(FolderVolumes({DRIVER!r}, Path(sys.argv[1])).digest_volume("a"))
"""


def test_only_the_own_driver_can_be_read(reader: FolderVolumes) -> None:
    assert reader.why_not(DRIVER) == ""
    assert DRIVER in reader.why_not("disk.csi.azure.com")


def test_no_reader_says_so() -> None:
    nobody = NoVolumes()
    assert "no volumeReader" in nobody.why_not(DRIVER)
    for digest in (nobody.digest_volume, nobody.digest_snapshot):
        with pytest.raises(NotFound, match="no volumeReader"):
            digest("a")
