"""Process sessions: what a child started, its own children included.

A child leads a session of its own (see processes.py) and everything below it stays in that
session. So nothing that a child forked is missed when the child itself died first, as the workers
of a killed Airflow scheduler would be.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from local.processes import ProcessId

_GUARD = Path(__file__).with_name("guard.py")


def members(leaders: Collection[int]) -> list[ProcessId]:
    """Every running process in the sessions led by these pids, the leaders included."""
    found: list[ProcessId] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # After the command's closing parenthesis: state, parent, group, session.
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if fields[0] != "Z" and int(fields[3]) in leaders:
                identity = ProcessId.of(int(entry.name))
                if identity is not None:
                    found.append(identity)
    return found


class Guard:
    """Ends the sessions it was told of if this process dies without saying goodbye.

    A process of its own that waits for the end of a pipe which only this process can close.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_GUARD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def watch(self, leader: int) -> None:
        """From now on, the session led by this pid ends with this process."""
        self._tell(str(leader))

    def release(self) -> None:
        """Everything was ended in good order: nothing is left to guard."""
        self._tell("released")
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
