"""Compiles programs that tests run, once: restic, which mover pods run (docs/movers.md); promtool,
which reads deploy/prometheus as Prometheus does; compose, which reads docker-compose.yaml as
`docker compose config` does.

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


def ensure_compose(report: Report = print) -> Path:
    """The path of the program `compose` (compose/main.go); seconds.

    Raises LocalClusterError when the build fails.
    """
    return _ensure("compose", report, pattern=".")


def _ensure(program: str, report: Report, *, tags: str = "", pattern: str = "tool") -> Path:
    room, go = ROOM / program, find_go(report)
    digest = hashlib.sha256(run_go(go, "env", "GOVERSION", "GOOS", "GOARCH").encode())
    digest.update(f"{_FLAGS}{tags}".encode())
    for path in sorted([room / "go.mod", room / "go.sum", *room.glob("*.go")]):
        digest.update(b"\0" + path.read_bytes())

    def make(home: Path) -> None:
        compile_tools(go, pattern, home / "bin", report, flags=_FLAGS, room=room, tags=tags)

    return made_once(program, digest.hexdigest(), make, report) / "bin" / program
