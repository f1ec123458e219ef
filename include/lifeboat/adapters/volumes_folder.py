"""Reads volumes of a driver whose volumes are folders: `<root>/volumes/<handle>` and
`<root>/snapshots/<handle>`, as local/README.md lays them out.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from lifeboat.errors import NotFound, Unsupported, UsageError

_HANDLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class NoVolumes:
    """The reader of a cluster that has none."""

    def why_not(self, driver: str) -> str:
        return f"volumes of {driver} cannot be read from outside a pod (no volumeReader)"

    def digest_volume(self, handle: str) -> str:
        raise NotFound(f"volume {handle} cannot be read: the cluster has no volumeReader")

    def digest_snapshot(self, handle: str) -> str:
        raise NotFound(f"snapshot {handle} cannot be read: the cluster has no volumeReader")


class FolderVolumes:
    """See lifeboat.ports.volumes.VolumeReader. Links are never followed."""

    def __init__(self, driver: str, root: Path) -> None:
        self._driver = driver
        self._root = root

    def why_not(self, driver: str) -> str:
        if driver == self._driver:
            return ""
        return f"volumes of {driver} cannot be read; the cluster's volumeReader is {self._driver}"

    def digest_volume(self, handle: str) -> str:
        return self._digest("volumes", handle)

    def digest_snapshot(self, handle: str) -> str:
        return self._digest("snapshots", handle)

    def _digest(self, kind: str, handle: str) -> str:
        if not _HANDLE.fullmatch(handle):
            raise UsageError(f"{handle!r} is no handle of {self._driver}")
        folder = self._root / kind / handle
        if not folder.is_dir() or folder.is_symlink():
            raise NotFound(f"{self._driver} has no folder {kind}/{handle}")
        total = hashlib.sha256()
        try:
            for path in _walk(folder):
                total.update(_entry(folder, path).encode("utf-8", "surrogateescape"))
        except OSError as error:
            name = os.path.relpath(error.filename or folder, folder)
            raise Unsupported(f"cannot read {kind}/{handle}: {error.strerror}: {name}") from None
        return "sha256:" + total.hexdigest()


def _walk(folder: Path) -> list[Path]:
    found = []
    for base, folders, files in os.walk(folder, onerror=_raise, followlinks=False):
        found += [Path(base) / name for name in (*folders, *files)]
    return sorted(found, key=lambda path: os.fsencode(path.relative_to(folder)))


def _raise(error: OSError) -> None:
    """os.walk leaves out what it may not read, and two different volumes would look equal."""
    raise error


def _entry(folder: Path, path: Path) -> str:
    """Name, type with mode, and the link's target or the bytes' digest, each ended by the one
    character that no name or target can hold."""
    info = path.lstat()
    content = ""
    if stat.S_ISLNK(info.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(info.st_mode):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{path.relative_to(folder)}\0{stat.filemode(info.st_mode)}\0{content}\0"
