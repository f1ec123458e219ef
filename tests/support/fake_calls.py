"""Somebody to call, in memory (tests/contract/test_calls.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lifeboat.errors import LifeboatError, UsageError
from lifeboat.ports.calls import Call


@dataclass(frozen=True)
class Heard:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: str


def no_secret(place: str) -> str:
    raise UsageError(f"there is nothing at {place}")


@dataclass
class FakeCalls:
    """`answers` are statuses, or errors to raise, by path; the others get a 200."""

    resolve: Callable[[str], str] = no_secret
    answers: dict[str, int | LifeboatError] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    seen: Callable[[Call], None] = lambda _call: None

    def call(self, call: Call, seconds: float) -> int:
        headers = {name: self.resolve(place).strip() for name, place in call.headers}
        for value in headers.values():
            if not (value.isprintable() and value.isascii()):
                raise UsageError(f"{call.title}: a header is not one line of ASCII")
        path = urlsplit(call.url).path
        self.heard.append(Heard(call.method, path, headers, call.body))
        self.seen(call)
        answer = self.answers.get(path, 200)
        if isinstance(answer, LifeboatError):
            raise answer
        return answer
