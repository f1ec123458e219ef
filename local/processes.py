"""Child processes: start with a log file, wait until ready, end for certain.

A child has its own session (so Ctrl-C reaches only us), dies with the thread that started it
(see leash.py), and is only ever ended by an id known to be its own. What the children are for
is not known here.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from local.errors import LocalClusterError

_LEASH = Path(__file__).with_name("leash.py")
_POLL_SECONDS = 0.05
_LOG_TAIL_LINES = 15


@dataclass(frozen=True)
class ProcessId:
    """A pid with the moment it started (clock ticks since boot): a recycled pid differs."""

    pid: int
    started: int

    @staticmethod
    def of(pid: int) -> ProcessId | None:
        """The identity of a running process; None if there is none or it is a zombie."""
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The second field, the command, may hold spaces and parentheses.
        fields = text.rpartition(")")[2].split()
        return None if fields[0] == "Z" else ProcessId(pid, int(fields[19]))

    @property
    def alive(self) -> bool:
        """Whether exactly this process still runs."""
        return ProcessId.of(self.pid) == self

    def signal(self, number: int) -> None:
        """Send a signal if exactly this process still runs."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


@dataclass
class Child:
    """One program that can be started, ended and started again.

    Its output is appended to `log`. Call `start` from a thread that outlives the child.
    """

    name: str
    command: list[str]
    log: Path
    environment: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the program; raises LocalClusterError if it runs already."""
        if self.alive:
            raise LocalClusterError(f"{self.name} runs already")
        leash = [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid())]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*leash, *self.command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether the program runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def identity(self) -> ProcessId | None:
        """The running program's identity, None when it does not run."""
        return ProcessId.of(self._process.pid) if self._process is not None else None

    def wait_ready(self, ready: Callable[[], bool], seconds: float) -> None:
        """Poll until `ready()`; raises LocalClusterError, with the log's end, if that fails."""
        deadline = time.monotonic() + seconds
        while True:
            self.check()
            if ready():
                return
            if time.monotonic() > deadline:
                raise LocalClusterError(
                    f"{self.name} was not ready after {seconds:.0f} s:\n{self.log_tail()}"
                )
            time.sleep(_POLL_SECONDS)

    def check(self) -> None:
        """Raise LocalClusterError, with the log's end, if the program has ended."""
        if not self.alive:
            code = None if self._process is None else self._process.returncode
            raise LocalClusterError(f"{self.name} ended (exit {code}):\n{self.log_tail()}")

    def log_tail(self) -> str:
        """The last lines of the log, indented, with the log's path."""
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        shown = "".join(f"    {line[:300]}\n" for line in lines[-_LOG_TAIL_LINES:])
        return f"{shown}    (whole log: {self.log})"

    def kill(self) -> None:
        """End the program at once, as a crash would."""
        stop_all([self], grace=0.0)

    def reap(self) -> None:
        """Collect the exit status of a program that was told to end."""
        if self._process is not None:
            self._process.wait()
            self._process = None


def stop_all(children: Iterable[Child], grace: float) -> None:
    """SIGTERM to all, `grace` seconds to comply, SIGKILL to the rest. None is left running."""
    running = [child for child in children if child.identity is not None]
    end_all((child.identity for child in running), grace)
    for child in running:
        child.reap()


def end_all(identities: Iterable[ProcessId | None], grace: float) -> None:
    """The same for processes known by identity only; returns when every one is gone."""
    left = [identity for identity in identities if identity is not None]
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 30.0)):
        if number is signal.SIGTERM and seconds <= 0:
            continue
        for identity in left:
            identity.signal(number)
        deadline = time.monotonic() + seconds
        while left and time.monotonic() < deadline:
            left = [identity for identity in left if identity.alive]
            if left:
                time.sleep(_POLL_SECONDS)
    if left:
        raise LocalClusterError(f"processes that survive SIGKILL: {[i.pid for i in left]}")
