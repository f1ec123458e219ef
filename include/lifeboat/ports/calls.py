"""What Lifeboat needs of whoever can send a request for a hook.

Guarantees every adapter keeps (tests/contract/test_calls.py): one request is sent, redirects are
not followed, and no message says a header's value, the query of the url, or the answer's body.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Call:
    """One request. `headers` maps names to the places of their values (`env:NAME`, `file:/path`,
    `connection:ID`)."""

    method: str
    url: str = field(repr=False)
    body: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str:
        """`POST https://shop.example.com/hold`: without the query."""
        return f"{self.method} {self.url.partition('?')[0]}"


class Calls(Protocol):
    """Sends requests."""

    def call(self, call: Call, seconds: float) -> int:
        """The status of the answer.

        Raises UsageError when a header's value is not where it should be, NotReady when no answer
        came within `seconds`, HookFailed when nobody could be reached.
        """
        ...
