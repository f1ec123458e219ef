"""Ends process sessions when the process at the other end of stdin is gone: see sessions.py.

Reads one session leader's pid a line. At the end of input everything in those sessions gets
SIGKILL, unless the last line said "released". A script of its own, so that it starts in
milliseconds and shares nothing with what it guards.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys


def _session(pid: str) -> str:
    with open(f"/proc/{pid}/stat") as handle:
        return handle.read().rpartition(")")[2].split()[3]


def main() -> None:
    """Wait for the end of input, then act."""
    leaders: set[str] = set()
    for line in sys.stdin:
        if line.strip() == "released":
            return
        leaders.add(line.strip())
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        with contextlib.suppress(OSError):
            if _session(pid) in leaders:
                os.kill(int(pid), signal.SIGKILL)


if __name__ == "__main__":
    main()
