"""A vault in a folder: a disk, a mounted share, a volume.

Must keep: one system call (`link`) decides who created a blob, and only after its bytes are on
the disk; every folder that leads to a blob is synced before `put_new` returns, so a power cut after
a commit cannot take it back. Must not: follow a symbolic link below the root (each step is opened
with O_NOFOLLOW from the one before it), overwrite, or hold state between calls.

Layout: the key is the path. `.incoming/` holds files being written; a key's segment cannot start
with a dot, so nothing in there can ever be mistaken for a blob.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from lifeboat.clock import Clock, utc_now
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
from lifeboat.ports.store import (
    BlobStat,
    Traits,
    check_key,
    check_prefix,
    check_range,
    is_key,
    lock_end,
)

_INCOMING = ".incoming"
_ABANDONED_AFTER = 24 * 3600.0  # seconds; no live writer needs a day for one blob
_LOST_RACES = 100  # how often a folder may be pruned under a writer before it gives up
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a FIFO planted in the vault must not hang a restore.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ABSENT = (FileNotFoundError, NotADirectoryError)


class LocalStore:
    """The store port on a folder that exists. Raises NotAVault when it does not."""

    def __init__(self, root: Path, *, clock: Clock = utc_now) -> None:
        self._root = root.absolute()
        self._clock = clock
        self._swept = False
        with self._errors("open"), self._open_root():
            pass

    @classmethod
    def create(cls, root: Path) -> LocalStore:
        """Make the folder if it is missing (0700), for `lifeboat vault init`."""
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileExistsError as error:
            raise NotAVault(f"{root} is a file, not a folder") from error
        except OSError as error:
            raise _translate(error, f"cannot make the folder {root}") from error
        return cls(root)

    in_flight = 1

    def describe(self) -> str:
        """The folder's absolute path."""
        return str(self._root)

    def traits(self) -> Traits:
        """Neither: whoever may write a folder may delete from it."""
        return Traits(
            immutability=False,
            keeps_deleted=False,
            notes=("a folder locks nothing: whoever can write to it can delete from it",),
        )

    def put_new(self, key: str, data: bytes, *, immutable_until: datetime | None = None) -> None:
        """Create the blob durably: bytes synced, then linked to its name, then folders synced.

        Raises BlobExists, StoreFull, StoreReadOnly, Forbidden, Unsupported (no hard links here, or
        a lock was asked for).
        """
        *folders, name = check_key(key).split("/")
        if immutable_until is not None:
            raise self._no_locks(key, immutable_until)
        with self._errors(f"write {key}"), self._open_root() as root, ExitStack() as stack:
            incoming = stack.enter_context(_made_folder(root, _INCOMING))
            self._sweep(incoming)
            temporary = f"{os.getpid()}-{secrets.token_hex(12)}"
            try:
                _write(incoming, temporary, data)
                self._publish(root, folders, name, incoming, temporary)
            except FileExistsError as error:
                raise BlobExists(f"{key} is already in {self._root}") from error
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=incoming)

    def extend_immutability(self, key: str, until: datetime) -> None:
        """Raises Unsupported."""
        raise self._no_locks(check_key(key), until)

    def get(self, key: str) -> bytes:
        """The whole blob. Raises BlobMissing."""
        with (
            self._errors(f"read {key}"),
            self._open_blob(key) as fd,
            os.fdopen(fd, "rb", buffering=0, closefd=False) as file,
        ):
            return file.read()

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        """`length` bytes from `offset`, fewer only at the blob's end. Raises BlobMissing."""
        check_range(offset, length)
        with self._errors(f"read {key}"), self._open_blob(key) as fd:
            chunks = []
            while length and (chunk := os.pread(fd, length, offset)):
                chunks.append(chunk)
                offset += len(chunk)
                length -= len(chunk)
            return b"".join(chunks)

    def stat(self, key: str) -> BlobStat | None:
        """None when there is no such blob."""
        *folders, name = check_key(key).split("/")
        with self._errors(f"look at {key}"), self._open_root() as root:
            try:
                with _walk(root, folders) as opened:
                    found = os.stat(name, dir_fd=opened[-1], follow_symlinks=False)
            except _ABSENT:
                return None
            _refuse_link(found, name)
            return _blob_stat(key, found) if stat.S_ISREG(found.st_mode) else None

    def list(self, prefix: str) -> Iterator[BlobStat]:
        """All blobs below `prefix` in ascending order of key; one folder's names in memory."""
        return self._list(check_prefix(prefix))

    def _list(self, prefix: str) -> Iterator[BlobStat]:
        with (
            self._errors(f"list {prefix or 'blobs'}"),
            self._open_root() as root,
            suppress(*_ABSENT),
            _walk(root, prefix.split("/")[:-1]) as opened,
        ):
            yield from _blobs_below(opened[-1], prefix)

    def delete(self, key: str) -> None:
        """Remove the blob and the folders it leaves empty; nothing to do when it is missing."""
        *folders, name = check_key(key).split("/")
        with (
            self._errors(f"delete {key}"),
            self._open_root() as root,
            suppress(*_ABSENT, IsADirectoryError),
            _walk(root, folders) as opened,
        ):
            os.unlink(name, dir_fd=opened[-1])
            # Order matters to prune: the manifest's end must be durable before a pack's.
            os.fsync(opened[-1])
            _prune_empty(opened, folders)

    def _no_locks(self, key: str, until: datetime) -> Unsupported:
        return Unsupported(
            f"cannot lock {key} in {self._root} until {lock_end(until):%Y-%m-%d}: it is a folder",
            hint="Keep the vault in Azure or S3 for locks, or take the lock out of the policy.",
        )

    def _publish(
        self, root: int, folders: Sequence[str], name: str, incoming: int, temporary: str
    ) -> None:
        """Give the finished file its name. Raises FileExistsError when the name is taken.

        A deleter may prune a folder between our opening it and our linking into it; the link then
        fails with ENOENT and we make the folder anew.
        """
        for _ in range(_LOST_RACES):
            try:
                with _walk(root, folders, make=True) as opened:
                    try:
                        _link(incoming, temporary, opened[-1], name)
                    finally:
                        # Also when we lost: the caller will rely on the winner's blob, which may
                        # not be synced yet. All of the way up: another writer may have made a
                        # folder that we only opened.
                        for folder in reversed(opened):
                            os.fsync(folder)
                    return
            except FileNotFoundError:
                continue
        raise StoreUnavailable(f"the folder of {name} is removed again and again in {self._root}")

    def _sweep(self, incoming: int) -> None:
        """Once per store object: remove what writers killed long ago left behind."""
        if self._swept:
            return
        self._swept = True
        oldest = self._clock().timestamp() - _ABANDONED_AFTER
        with os.scandir(incoming) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < oldest:
                        os.unlink(entry.name, dir_fd=incoming)

    @contextmanager
    def _open_root(self) -> Iterator[int]:
        try:
            fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except _ABSENT as error:
            raise NotAVault(
                f"there is no folder {self._root}",
                hint="Check the path and that its disk is mounted; "
                "`lifeboat vault init` makes a new vault.",
            ) from error
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _open_blob(self, key: str) -> Iterator[int]:
        *folders, name = check_key(key).split("/")
        with self._open_root() as root:
            try:
                fd = _open_below(root, folders, name)
            except _ABSENT as error:
                raise BlobMissing(f"{key} is not in {self._root}") from error
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise BlobMissing(f"{key} in {self._root} is not a file")
                yield fd
            finally:
                os.close(fd)

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise _translate(error, f"cannot {doing} in {self._root}") from error


def _translate(error: OSError, message: str) -> LifeboatError:
    reason = f"{message}: {os.strerror(error.errno) if error.errno else error}"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            return StoreFull(reason, hint="Free space or raise the quota; nothing was damaged.")
        case errno.EROFS:
            return StoreReadOnly(reason, hint="Mount it writable.")
        case errno.EACCES | errno.EPERM:
            return Forbidden(reason, hint="Check the folder's owner and mode.")
        case errno.ELOOP:
            return Forbidden(
                f"{message}: {error.filename} is a symbolic link",
                hint="Links inside a vault are never followed; put the real folder in its place.",
            )
        case errno.ENOTDIR:
            return Conflict(f"{message}: a file is where a folder must be")
        case errno.ENAMETOOLONG | errno.EXDEV | errno.EOPNOTSUPP | errno.ENOSYS:
            return Unsupported(reason)
        case _:
            return StoreUnavailable(reason)


def _open_below(root: int, folders: Sequence[str], name: str) -> int:
    """A blob for reading, no link followed on the way. A catalog reads thousands of small blobs:
    folders are closed as the next one is open, without a context for each."""
    folder = root
    try:
        for part in folders:
            below = _open(part, _FOLDER, folder)
            if folder != root:
                os.close(folder)
            folder = below
        return _open(name, _READ, folder)
    finally:
        if folder != root:
            os.close(folder)


def _open(name: str, flags: int, folder: int) -> int:
    try:
        return os.open(name, flags, 0o600, dir_fd=folder)
    except NotADirectoryError:
        # Linux reports a link under O_DIRECTORY|O_NOFOLLOW as ENOTDIR; tell the two apart.
        _refuse_link(os.stat(name, dir_fd=folder, follow_symlinks=False), name)
        raise


@contextmanager
def _opened(name: str, flags: int, folder: int) -> Iterator[int]:
    fd = _open(name, flags, folder)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _walk(root: int, folders: Sequence[str], *, make: bool = False) -> Iterator[list[int]]:
    """Descriptors of the root and of each folder on the way, no link followed."""
    with ExitStack() as stack:
        opened = [root]
        for folder in folders:
            way = _made_folder(opened[-1], folder) if make else _opened(folder, _FOLDER, opened[-1])
            opened.append(stack.enter_context(way))
        yield opened


@contextmanager
def _made_folder(parent: int, name: str) -> Iterator[int]:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
    with _opened(name, _FOLDER, parent) as fd:
        yield fd


def _refuse_link(found: os.stat_result, name: str) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)


def _write(folder: int, name: str, data: bytes) -> None:
    with _opened(name, _CREATE, folder) as fd:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)


def _link(from_folder: int, from_name: str, to_folder: int, to_name: str) -> None:
    try:
        os.link(
            from_name, to_name, src_dir_fd=from_folder, dst_dir_fd=to_folder, follow_symlinks=False
        )
    except PermissionError as error:
        if error.errno != errno.EPERM:
            raise
        # link(2): EPERM is how a file system without hard links answers.
        raise Unsupported(
            "the vault's file system refuses hard links, which decide who wrote a blob first",
            hint="Use a disk with ext4, XFS, APFS or NFS, or an Azure container.",
        ) from error


def _blobs_below(folder: int, prefix: str) -> Iterator[BlobStat]:
    for name, found in _entries(folder, prefix):
        if stat.S_ISREG(found.st_mode):
            yield _blob_stat(prefix + name, found)
        elif stat.S_ISDIR(found.st_mode):
            # A folder pruned since we read its parent holds nothing.
            with suppress(*_ABSENT), _opened(name, _FOLDER, folder) as inner:
                yield from _blobs_below(inner, f"{prefix}{name}/")


def _entries(folder: int, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    """Names that can be part of a key, ordered as their keys are: a folder sorts as `name/`.

    Others (.DS_Store, an editor's leftovers) are nobody's blobs.
    """
    with os.scandir(folder) as entries:
        # mkfs puts lost+found, closed to all but root, at the top of a disk.
        seen = [e for e in entries if is_key(e.name) and (prefix or e.name != "lost+found")]
    seen.sort(key=lambda e: e.name + "/" if e.is_dir(follow_symlinks=False) else e.name)
    for entry in seen:
        with suppress(FileNotFoundError):
            found = os.stat(entry.name, dir_fd=folder, follow_symlinks=False)
            _refuse_link(found, entry.name)
            yield entry.name, found


def _blob_stat(key: str, found: os.stat_result) -> BlobStat:
    return BlobStat(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _prune_empty(opened: Sequence[int], folders: Sequence[str]) -> None:
    """Remove emptied folders, deepest first; rmdir itself refuses one that a writer just filled."""
    with suppress(OSError):
        for parent, name in zip(reversed(opened[:-1]), reversed(folders), strict=True):
            os.rmdir(name, dir_fd=parent)
