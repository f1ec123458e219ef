"""Things made once and kept: `<cache>/<name>-<digest>/`, keyed by what went in.

An entry appears whole (made aside, then renamed) and never changes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

Report = Callable[[str], None]
"""Takes one line of progress for a person."""

CACHE_VARIABLE = "LIFEBOAT_CACHE"


def cache_root() -> Path:
    """`$LIFEBOAT_CACHE`, else `~/.cache/lifeboat`."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).absolute() if named else Path.home() / ".cache" / "lifeboat"


def made_once(name: str, digest: str, make: Callable[[Path], None], report: Report) -> Path:
    """The entry's folder, filled by `make` unless it exists. Safe to call from many processes."""
    home = cache_root() / f"{name}-{digest[:16]}"
    if home.exists():
        return home
    with _lock(home.with_suffix(".lock"), name, report):
        if not home.exists():
            report(f"Making {name} (once; kept in {home})")
            aside = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=home.parent))
            try:
                make(aside)
                aside.rename(home)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
    return home


@contextlib.contextmanager
def _lock(path: Path, name: str, report: Report) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"Another process is making {name}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
