"""The demo, as a newcomer runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local.airflow_settings import REPOSITORY

pytestmark = [pytest.mark.airflow, pytest.mark.timeout(900)]


def test_the_demo_protects_loses_restores_and_proves(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local", "demo", "--once", "--root", str(tmp_path / "demo")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for step in ("1. Protect", "2. Lose", "3. Restore", "4. Prove", "equal to what was lost"):
        assert step in done.stdout
    assert "passed volumeBytesEqual" in done.stdout
    assert "is proven, recovered in" in done.stdout
    assert "stopping (--once)" in done.stdout
    assert "log in" not in done.stdout, "there is nothing left to log in to"
    running = subprocess.run(
        ["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True
    )
    assert str(tmp_path) not in running.stdout, "the demo left something running"
