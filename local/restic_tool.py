"""Compiles restic once, for tests that run what a mover pod runs (docs/movers.md).

Its module is its own (restic/go.mod): the control plane and restic need other versions of the same
libraries.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from local.build import compile_tools
from local.cache import Report, made_once
from local.toolchain import ROOM, find_go, run_go

_ROOM = ROOM / "restic"
_FLAGS = "-s -w"


def ensure_restic(report: Report = print) -> Path:
    """The path of the `restic` program, at the version that restic/go.mod pins.

    Raises LocalClusterError when the build fails.
    """
    go = find_go(report)
    digest = hashlib.sha256(run_go(go, "env", "GOVERSION", "GOOS", "GOARCH").encode())
    digest.update(_FLAGS.encode())
    for name in ("go.mod", "go.sum"):
        digest.update(b"\0" + (_ROOM / name).read_bytes())
    home = made_once(
        "restic",
        digest.hexdigest(),
        lambda home: compile_tools(go, "tool", home / "bin", report, flags=_FLAGS, room=_ROOM),
        report,
    )
    return home / "bin" / "restic"
