"""A small image registry on loopback: go-containerregistry's own, compiled once into the cache.

It keeps everything in memory and asks nobody for a login.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.cache import Report, made_once
from local.errors import LocalClusterError
from local.toolchain import find_go, go_environment

_ROOM = Path(__file__).resolve().parent
_SERVING = re.compile(r"serving on port (\d+)")


def ensure_registry(report: Report) -> Path:
    """The program; cheap when the cache has it. Raises LocalClusterError with the compiler's
    words."""
    go = find_go(report)
    digest = hashlib.sha256(b"".join((_ROOM / name).read_bytes() for name in ("go.mod", "go.sum")))

    def make(home: Path) -> None:
        done = subprocess.run(
            [str(go), "build", "-trimpath", "-o", str(home / "registry"), "tool"],
            cwd=_ROOM,
            env=go_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise LocalClusterError(f"go build failed:\n{done.stderr.strip()}")

    return made_once("registry", digest.hexdigest(), make, report) / "registry"


@contextmanager
def serve_registry(program: Path) -> Iterator[str]:
    """An empty registry until the end of the block; gives its host with port."""
    with subprocess.Popen(
        [str(program), "-port", "0"], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            serving = _SERVING.search(line)
            if serving is None:
                raise LocalClusterError(f"the registry did not start: {line.strip()}")
            yield f"localhost:{serving[1]}"
        finally:
            process.kill()
