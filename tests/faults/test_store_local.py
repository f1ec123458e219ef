"""The folder store when disks fill or refuse, and when the folder holds what is not ours."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifeboat.adapters.store_local import LocalStore
from lifeboat.errors import (
    BlobExists,
    BlobMissing,
    Conflict,
    Forbidden,
    LifeboatError,
    NotAVault,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
    Unsupported,
)
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


# --- the place itself


def test_a_missing_root_is_not_a_vault_and_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NotAVault, match="lifeboat vault init"):
        LocalStore(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotAVault):
        LocalStore(tmp_path / "file")
    with pytest.raises(NotAVault):
        LocalStore.create(tmp_path / "file")


def test_a_root_that_vanishes_is_not_an_empty_vault(root: Path, store: LocalStore) -> None:
    store.put_new("a/b", b"")
    shutil.rmtree(root)  # as an unmounted disk looks
    for call in (lambda: keys(store), lambda: store.stat("a/b"), lambda: store.get("a/b")):
        with pytest.raises(NotAVault):
            call()
    with pytest.raises(NotAVault):
        store.put_new("a/b", b"")
    assert not root.exists()


def test_create_makes_a_private_folder_and_keeps_an_existing_one(tmp_path: Path) -> None:
    store = LocalStore.create(tmp_path / "new" / "vault")
    store.put_new("points/a", b"x")
    assert keys(LocalStore.create(tmp_path / "new" / "vault")) == ["points/a"]
    assert store.describe() == str(tmp_path / "new" / "vault")
    for path in (tmp_path / "new" / "vault").rglob("*"):
        expected = 0o600 if path.is_file() else 0o700
        assert stat.S_IMODE(path.stat().st_mode) == expected, path
    assert stat.S_IMODE((tmp_path / "new" / "vault").stat().st_mode) == 0o700


def test_delete_prunes_folders_but_never_the_root(root: Path, store: LocalStore) -> None:
    store.put_new("a/b/c/d", b"")
    store.put_new("a/x", b"")
    store.delete("a/b/c/d")
    assert not (root / "a" / "b").exists()
    store.delete("a/x")
    assert [path.name for path in root.iterdir()] == [".incoming"]


# --- what is not ours


def test_links_are_never_followed_out_of_the_vault(root: Path, store: LocalStore) -> None:
    outside = root.parent / "outside"
    (outside / "deep").mkdir(parents=True)
    (outside / "secret").write_bytes(b"not yours")
    (root / "packs").symlink_to(outside)
    (root / "blob").symlink_to(outside / "secret")
    for call in (
        lambda: store.get("packs/secret"),
        lambda: store.get("blob"),
        lambda: store.stat("packs/secret"),
        lambda: store.stat("blob"),
        lambda: store.put_new("packs/deep/new", b"x"),
        lambda: store.delete("packs/secret"),
        lambda: keys(store, "packs/"),
        lambda: keys(store),
    ):
        with pytest.raises(Forbidden, match="symbolic link"):
            call()
    with pytest.raises(BlobExists):
        store.put_new("blob", b"x")
    assert sorted(p.name for p in outside.rglob("*")) == ["deep", "secret"]
    assert (outside / "secret").read_bytes() == b"not yours"


def test_foreign_files_are_nobodys_blobs(root: Path, store: LocalStore) -> None:
    store.put_new("a", b"")
    (root / ".DS_Store").write_bytes(b"")
    (root / "name with spaces").write_bytes(b"")
    (root / "lost+found").mkdir()
    (root / "lost+found" / "x").write_bytes(b"")
    os.mkfifo(root / "pipe")
    assert keys(store) == ["a"]
    with pytest.raises(BlobMissing):
        store.get("pipe")  # and does not hang


def test_a_blob_where_a_folder_must_be(store: LocalStore) -> None:
    store.put_new("a", b"")
    with pytest.raises(Conflict, match="folder"):
        store.put_new("a/b", b"")


names = st.lists(
    st.text("ab-.0/", min_size=1, max_size=8).filter(
        lambda key: all(part and not part.startswith(".") for part in key.split("/"))
    ),
    max_size=12,
    unique=True,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(names)
def test_listing_is_the_sorted_set_of_keys(
    tmp_path_factory: pytest.TempPathFactory, all_keys: list[str]
) -> None:
    root = tmp_path_factory.mktemp("order")
    kept = [key for key in all_keys if not any(other.startswith(f"{key}/") for other in all_keys)]
    for key in kept:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(b"")
    assert keys(LocalStore(root)) == sorted(kept)


def test_thousands_of_blobs_are_listed_once_each(root: Path, store: LocalStore) -> None:
    expected = [f"packs/{n % 256:02x}/{n:08d}" for n in range(12_000)]
    for key in expected:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(b"")
    assert keys(store, "packs/") == sorted(expected)
    listing = store.list("packs/")
    assert [next(listing).key for _ in range(2)] == ["packs/00/00000000", "packs/00/00000256"]
    listing.close()  # type: ignore[attr-defined] - an abandoned listing holds nothing open


# --- errors of the disk


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EROFS, StoreReadOnly),
        (errno.EACCES, Forbidden),
        (errno.EPERM, Unsupported),
        (errno.EOPNOTSUPP, Unsupported),
        (errno.EXDEV, Unsupported),
        (errno.EIO, StoreUnavailable),
        (errno.ESTALE, StoreUnavailable),
    ],
)
@pytest.mark.parametrize("call", ["link", "write", "fsync"])
def test_a_refusing_disk(
    monkeypatch: pytest.MonkeyPatch,
    root: Path,
    store: LocalStore,
    call: str,
    number: int,
    expected: type[LifeboatError],
) -> None:
    def refuse(*args: object, **named: object) -> None:
        raise OSError(number, os.strerror(number))

    if number == errno.EPERM and call != "link":
        expected = Forbidden  # only link(2) says by EPERM that it has no hard links
    with monkeypatch.context() as broken:
        broken.setattr(os, call, refuse)
        with pytest.raises(expected) as caught:
            store.put_new("a/b", b"data")
    assert type(caught.value) is expected
    assert list((root / ".incoming").iterdir()) == []
    assert keys(store) == []
    store.put_new("a/b", b"data")


FULL = """
from pathlib import Path
from lifeboat.adapters.store_local import LocalStore
from lifeboat.errors import StoreFull
store = LocalStore(Path(sys.argv[1]))
store.put_new("a/small", b"s" * 1000)
try:
    store.put_new("a/large", b"l" * (4 << 20))
except StoreFull as error:
    assert "Free space" in str(error), error
else:
    raise SystemExit("4 MiB fitted")
assert [b.key for b in store.list("")] == ["a/small"]
assert store.get("a/small") == b"s" * 1000
store.put_new("b/small", b"")
assert not list(Path(sys.argv[1], ".incoming").iterdir())
"""


def test_a_file_size_limit_is_a_full_store(root: Path) -> None:
    limit = ("sh", "-c", 'ulimit -f 2048; exec "$@"', "sh")  # 1 MiB, in blocks of 512 bytes
    subprocess.run(engine_process(FULL, str(root), wrap=limit), check=True, timeout=120)


READ_ONLY = """
from pathlib import Path
from lifeboat.adapters.store_local import LocalStore
from lifeboat.errors import Forbidden, StoreReadOnly
store = LocalStore(Path(sys.argv[1]))
assert store.get("a/b") == b"data"
for call in (lambda: store.put_new("a/c", b""), lambda: store.delete("a/b")):
    try:
        call()
    except (StoreReadOnly if sys.argv[2] == "mount" else Forbidden):
        continue
    raise SystemExit("it was writable")
assert [b.key for b in store.list("")] == ["a/b"]
"""


def mounting(command: str) -> tuple[str, ...]:
    """Wraps a command so that a mount, seen by it alone, comes first. () where that is refused."""
    private = ("unshare", "--user", "--map-root-user", "--mount")
    try:
        allowed = subprocess.run([*private, "mount", "-t", "tmpfs", "x", "/mnt"], check=False)
    except FileNotFoundError:
        return ()
    if allowed.returncode:
        return ()
    return (*private, "sh", "-ec", f'{command}; exec "$@"', "sh")


def test_a_full_disk(root: Path) -> None:
    """A real tmpfs of 2 MiB; where nobody may mount, the kernel's file size limit stands in."""
    wrap = mounting(f"mount -t tmpfs -o size=2m vault {root}")
    wrap = wrap or ("sh", "-c", 'ulimit -f 4096; exec "$@"', "sh")
    subprocess.run(engine_process(FULL, str(root), wrap=wrap), check=True, timeout=120)


def without_permission(root: Path) -> tuple[str, ...]:
    """Takes the write permission from every folder; root must also lose the right to ignore it."""
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        folder.chmod(0o500)
    return ("setpriv", "--bounding-set", "-dac_override") if os.geteuid() == 0 else ()


@pytest.mark.parametrize("kind", ["mount", "mode"])
def test_a_read_only_folder(root: Path, store: LocalStore, kind: str) -> None:
    """A real read-only mount (where nobody may mount, again the mode), and folders of mode 0500."""
    store.put_new("a/b", b"data")
    wrap: tuple[str, ...] = ()
    if kind == "mount":
        wrap = mounting(f"mount --bind {root} {root}; mount -o remount,bind,ro {root}")
    if not wrap:
        kind, wrap = "mode", without_permission(root)
    subprocess.run(engine_process(READ_ONLY, str(root), kind, wrap=wrap), check=True, timeout=120)
