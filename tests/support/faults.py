"""Errors on order, for fakes that have no more to say about their calls than a method's name."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Faults:
    """`calls` is every call in order."""

    calls: list[str] = field(default_factory=list)
    _ordered: dict[str, list[Exception]] = field(default_factory=dict)

    def fail_next(self, method: str, error: Exception, times: int = 1) -> None:
        """The next `times` calls of `method` raise `error`."""
        self._ordered.setdefault(method, []).extend([error] * times)

    def enter(self, method: str) -> None:
        """Called by the fake at the start of each call."""
        self.calls.append(method)
        if self._ordered.get(method):
            raise self._ordered[method].pop(0)
