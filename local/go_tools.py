"""Compiles programs that tests run, once: restic, which mover pods run (docs/movers.md), and
promtool, which reads deploy/prometheus as Prometheus does.

Each module is its own (`<program>/go.mod`): they and the control plane need other versions of the
same libraries.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from local.build import compile_tools
from local.cache import Report, made_once
from local.toolchain import ROOM, find_go, run_go

_FLAGS = "-s -w"


def ensure_restic(report: Report = print) -> Path:
    """The path of the `restic` program, at the version that restic/go.mod pins.

    Raises LocalClusterError when the build fails.
    """
    return _ensure("restic", report)


def ensure_promtool(report: Report = print) -> Path:
    """The path of the `promtool` program, at the version that promtool/go.mod pins, without the
    service discovery of any cloud: two minutes instead of many.

    Raises LocalClusterError when the build fails.
    """
    return _ensure("promtool", report, tags="remove_all_sd")


def _ensure(program: str, report: Report, tags: str = "") -> Path:
    room, go = ROOM / program, find_go(report)
    digest = hashlib.sha256(run_go(go, "env", "GOVERSION", "GOOS", "GOARCH").encode())
    digest.update(f"{_FLAGS}{tags}".encode())
    for name in ("go.mod", "go.sum"):
        digest.update(b"\0" + (room / name).read_bytes())

    def make(home: Path) -> None:
        compile_tools(go, "tool", home / "bin", report, flags=_FLAGS, room=room, tags=tags)

    return made_once(program, digest.hexdigest(), make, report) / "bin" / program
