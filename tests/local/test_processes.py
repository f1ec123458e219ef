"""Children are started, watched and ended for certain."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local.errors import LocalClusterError
from local.ports import free_ports
from local.processes import Child, ProcessId, stop_all


def child(tmp_path: Path, program: str) -> Child:
    """A Python program as a child."""
    return Child("program", [sys.executable, "-c", program], tmp_path / "log")


def test_a_child_that_ends_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    ends = child(tmp_path, "print('no port left'); raise SystemExit(3)")
    ends.start()
    with pytest.raises(LocalClusterError, match=r"ended \(exit 3\):\n    no port left"):
        ends.wait_ready(lambda: False, 60.0)
    ends.reap()


def test_a_child_that_is_never_ready_is_reported(tmp_path: Path) -> None:
    slow = child(tmp_path, "import time; time.sleep(600)")
    slow.start()
    with pytest.raises(LocalClusterError, match="was not ready after 0 s"):
        slow.wait_ready(lambda: False, 0.2)
    stop_all([slow], grace=60.0)
    assert slow.identity is None


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(600)"
    )
    deaf = child(tmp_path, program)
    deaf.start()
    deaf.wait_ready(lambda: "deaf" in deaf.log.read_text(), 60.0)
    identity = deaf.identity
    assert identity is not None
    assert identity.alive
    stop_all([deaf], grace=0.2)
    assert not identity.alive
    assert not deaf.alive


def test_a_child_is_not_started_twice_but_may_start_again(tmp_path: Path) -> None:
    again = child(tmp_path, "import time; time.sleep(600)")
    again.start()
    with pytest.raises(LocalClusterError, match="runs already"):
        again.start()
    again.kill()
    again.start()
    assert again.alive
    again.kill()


def test_a_process_of_another_start_time_is_another_process(tmp_path: Path) -> None:
    some = child(tmp_path, "import time; time.sleep(600)")
    some.start()
    identity = some.identity
    assert identity is not None
    assert identity.alive
    assert not ProcessId(identity.pid, identity.started + 1).alive
    some.kill()


def test_free_ports_differ() -> None:
    assert len(set(free_ports(20))) == 20
