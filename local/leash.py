"""Runs a program that dies with its parent: `leash.py PARENT_PID PROGRAM ARGUMENTS...`.

A script of its own because the alternative, subprocess's preexec_fn, can deadlock when the
parent has threads. The program takes this process over (exec), so its id is the child's id.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to PARENT_PID, then become PROGRAM."""
    parent, program = int(sys.argv[1]), sys.argv[2]
    if sys.platform == "linux":
        # SIGKILL, as a dead parent has nobody left to wait for a graceful end.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(f"{program}: the process that asked for it is gone")
    os.execv(program, sys.argv[2:])


if __name__ == "__main__":
    main()
