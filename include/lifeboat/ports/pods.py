"""What Lifeboat needs of whoever can run a command in a pod."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Target:
    """One container of one pod; `uid` tells a pod from its successor of the same name."""

    namespace: str
    pod: str
    uid: str
    container: str

    @property
    def title(self) -> str:
        """`shop/db-0 (postgres)`: how people name it."""
        return f"{self.namespace}/{self.pod} ({self.container})"


@dataclass(frozen=True)
class Ran:
    """A command that ended. `output` is the end of what it printed: it may hold secrets."""

    exit_code: int
    seconds: float
    output: str = field(default="", repr=False)


class Pods(Protocol):
    """Runs commands in containers."""

    def run(self, target: Target, command: tuple[str, ...], seconds: float) -> Ran:
        """Run `command`, without a shell, and wait until it ends.

        Never run twice by itself. Raises HookFailed when it could not be started, NotReady when it
        still ran after `seconds`, ClusterUnreachable when the connection broke before the end was
        known, and what the Cluster port raises for a refusal.
        """
        ...
