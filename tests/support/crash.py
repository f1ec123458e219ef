"""Kills a run before or after its n-th call of any port, to see that every moment is survived."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Killed(BaseException):
    """Like SIGKILL, nothing in the engine may catch it."""


@dataclass
class Fuse:
    """Counts calls; the call number `at` (from 0) dies, `after` its effect or before it."""

    at: int = -1
    after: bool = False
    calls: int = 0
    last: str = ""
    _counting: threading.Lock = field(default_factory=threading.Lock)

    def burn(self, name: str, call: Callable[[], Any]) -> Any:
        with self._counting:
            mine = self.calls
            self.calls += 1
        if self.last:
            raise Killed(f"dead since {self.last}: {name}")  # other threads die as well
        if mine != self.at:
            return call()
        self.last = name
        if self.after:
            with contextlib.suppress(Exception):  # a refusal is an answer too
                call()
        raise Killed(f"{'after' if self.after else 'before'} call {mine}: {name}")


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
            label = f"{type(self._port).__name__}.{name}"
            return self._fuse.burn(label, lambda: found(*args, **kwargs))

        return through
