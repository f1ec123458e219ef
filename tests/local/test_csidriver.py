"""The folder CSI driver passes the CSI project's sanity suite and its own Go tests."""

from __future__ import annotations

import subprocess

import pytest

from local.toolchain import ROOM, find_go, go_environment


@pytest.mark.timeout(1800)  # the first run compiles the suite
def test_go_tests_pass() -> None:
    go = find_go(print)
    done = subprocess.run(
        [str(go), "test", "-count=1", "-v", "./csidriver/..."],
        cwd=ROOM,
        env=go_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    # Proof that the suite ran, and that nothing but the node service was left out by name.
    assert "--- PASS: TestSanity" in done.stdout
    assert "47 Passed" in done.stdout.replace("\x1b[1m", "").replace("\x1b[0m", "")
