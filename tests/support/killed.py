"""Runs a job in a process of its own, on folders, and kills it there with SIGKILL.

What the dead worker did to its folders stays, by the nature of folders. The cluster lives in the
test's process, which answers the worker's calls: what was done to that stays, too. Workers are
forked from a process that has nothing but the engine imported: that makes hundreds of deaths cheap,
and no thread that some other test left running is forked.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

from tests.support.deaths import Job
from tests.support.engine import engine_process
from tests.support.folder_world import FolderWorld
from tests.support.worker import Answer, Call, Last, Order, Where

_ROOT = Path(__file__).resolve().parents[2]
_NURSERY = "from tests.support import mortals, worker; worker.nursery(int(sys.argv[1]))"


class Nursery:
    """Used in a `with`. Runs one worker at a time."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair()
        with theirs:
            command = engine_process(_NURSERY, str(theirs.fileno()))
            self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd=_ROOT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.close()  # by that it ends
        self._process.wait(60)

    def kill(self, world: FolderWorld, job: Job, at: int, where: Where) -> str:
        """Run the job in this world and kill it at its call number `at`; returns which that was,
        "" when it came to its end."""
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._orders, [b"!"], [theirs.fileno()])
        last = Last()
        with Connection(ours.detach()) as worker:
            worker.send(Order(job, at, where, world.root, world.policy, world.key, world.now))
            for message in _messages(worker):
                if isinstance(message, Last):
                    last = message
                else:
                    with suppress(BrokenPipeError):  # a thread of it asked while it died
                        worker.send(_answer(world, message))
        (status,) = struct.unpack("i", self._orders.recv(4))
        assert not last.failed, f"the worker failed:\n{last.failed}"
        ended = os.waitstatus_to_exitcode(status)
        assert ended == (-signal.SIGKILL if last.died else 0), f"the worker ended with {ended}"
        return last.died


def _messages(worker: Connection) -> Iterator[Call | Last]:
    """What a worker says until it is gone."""
    with suppress(EOFError, ConnectionResetError):
        while True:
            yield worker.recv()


def _answer(world: FolderWorld, call: Call) -> Answer:
    try:
        value = getattr(world.cluster, call.method)(*call.args, **call.named)
        return Answer(list(value) if call.method in ("list_pages", "list_fields") else value)
    except Exception as error:
        return Answer(error=error)
