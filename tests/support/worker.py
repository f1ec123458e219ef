"""The process that tests/support/killed.py kills: a nursery that has the engine imported and forks
a worker for each order; the worker has folders for stores and asks the test for the cluster."""

from __future__ import annotations

import os
import signal
import socket
import struct
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, NoReturn, cast

from lifeboat.adapters import store_local
from lifeboat.ports.cluster import Cluster
from tests.support.crash import Fuse
from tests.support.deaths import Job
from tests.support.folder_world import folder_store, unsynced
from tests.support.world import Given

Where = Literal["before", "after", "inside"]
"""Before a call of a port, after it, or inside a call of the store: after each of the changes that
it makes to its folder."""


@dataclass(frozen=True)
class Order:
    """A job, and at which call its worker dies; `root` holds the stores."""

    job: Job
    at: int
    where: Where
    root: Path
    policy: str
    key: str
    now: datetime


@dataclass(frozen=True)
class Call:
    """One call of the cluster."""

    method: str
    args: tuple[Any, ...]
    named: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What came of a call."""

    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True)
class Last:
    """The last words of a worker: where it dies, or the error that it ended with."""

    died: str = ""
    failed: str = ""


def nursery(control: int) -> None:
    """Fork a worker for each connection that arrives, and say how it ended."""
    with socket.socket(fileno=control) as orders, unsynced():
        while True:
            _, fds, _, _ = socket.recv_fds(orders, 1, 1)
            if not fds:
                return
            worker = os.fork()
            if not worker:
                orders.close()
                _work(Connection(fds[0]))
                os._exit(0)
            os.close(fds[0])
            _, status = os.waitpid(worker, 0)
            orders.send(struct.pack("i", status))


def _work(connection: Connection) -> None:
    remote = RemoteCluster(connection)
    try:
        order: Order = connection.recv()
        fuse = Fuse(order.at, order.where != "before", remote.die)
        inside = order.where == "inside"
        if inside:
            vars(store_local)["os"] = _ChangingOs(fuse)
        order.job(
            Given(
                stores=lambda name: folder_store(order.root, name, lambda: order.now),
                cluster=cast(Cluster, remote),
                policy=order.policy,
                key=order.key,
                clock=lambda: order.now,
                fuse=None if inside else fuse,
            )
        )
    except BaseException:
        remote.tell(Last(failed=traceback.format_exc()))


class RemoteCluster:
    """The test's process, as the worker sees it: a cluster that answers, and that hears its last
    words. Used by several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            with self._lock:
                self._connection.send(Call(method, args, named))
                answer: Answer = self._connection.recv()
            if answer.error:
                raise answer.error
            return answer.value

        return call

    def tell(self, last: Last) -> None:
        with self._lock:
            self._connection.send(last)

    def die(self, where: str) -> NoReturn:
        self.tell(Last(died=where))
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("nothing outlives SIGKILL")


class _ChangingOs:
    """`os`, with a fuse that burns after each call that changed something in a folder. The first
    write of a file is short, so that one can die with half of it written."""

    def __init__(self, fuse: Fuse) -> None:
        self._fuse = fuse
        self._begun: set[int] = set()

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        return self._changing(name, found) if name in _CHANGES else found

    def open(self, name: str, flags: int, *rest: Any, **named: Any) -> int:
        fd = os.open(name, flags, *rest, **named)
        self._begun.discard(fd)
        if flags & os.O_CREAT:
            self._burn(f"create {name}")
        return fd

    def write(self, fd: int, data: memoryview) -> int:
        half = data if fd in self._begun else data[: len(data) // 2 + 1]
        self._begun.add(fd)
        written = os.write(fd, half)
        self._burn(f"write {written} of {len(data)} bytes")
        return written

    def _changing(self, name: str, change: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            done = change(*args, **named)
            self._burn(f"{name} {args[0]}")
            return done

        return call

    def _burn(self, name: str) -> None:
        self._fuse.burn(f"os: {name}", lambda: None)


_CHANGES = ("link", "mkdir", "rmdir", "unlink")
