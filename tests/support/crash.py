"""Kills a run before or after its n-th call of any port, to see that every moment is survived."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from lifeboat.ports.cluster import Kind


class Killed(BaseException):
    """Like SIGKILL, nothing in the engine may catch it."""


def raise_killed(told: str) -> NoReturn:
    """Death for a run in this process."""
    raise Killed(told)


@dataclass
class Fuse:
    """Counts calls; at the call number `at` (from 0) it dies, `after` its effect or before it.

    Threads may share it: a backup lists with several.
    """

    at: int = -1
    after: bool = False
    die: Callable[[str], NoReturn] = raise_killed
    calls: int = 0
    _dead: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def burn(self, name: str, call: Callable[[], Any]) -> Any:
        with self._lock:
            mine = self.calls
            self.calls += 1
        if self._dead:
            raise Killed(f"dead since {self._dead}: {name}")  # other threads die as well
        if mine != self.at:
            return call()
        if self.after:
            with contextlib.suppress(Exception):  # a refusal is an answer too
                call()
        self._dead = name
        return self.die(f"{'after' if self.after else 'before'} call {mine}: {name}")


class Fused:
    """A port behind a fuse: every method call goes through it."""

    def __init__(self, port: object, fuse: Fuse) -> None:
        self._port = port
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found) or name in ("describe", "why_not"):
            return found

        def through(*args: Any, **kwargs: Any) -> Any:
            label = f"{type(self._port).__name__}.{name}({', '.join(map(_short, args))})"
            return self._fuse.burn(label, lambda: found(*args, **kwargs))

        return through


def _short(argument: object) -> str:
    if isinstance(argument, Kind):
        return argument.resource
    return repr(argument) if isinstance(argument, str | None) else type(argument).__name__
