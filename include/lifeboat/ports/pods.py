"""What Lifeboat needs of whoever can run a command in a pod.

Guarantees every adapter keeps (tests/contract/test_pods.py): the words arrive as they are, a
command is never run twice by itself, and no message quotes it or what it printed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

OUTPUT_BYTES = 4096
"""How much of the end of a command's output is kept."""


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
    """Runs commands in containers. Safe to use from several threads."""

    def run(self, target: Target, command: tuple[str, ...], seconds: float) -> Ran:
        """Run `command`, without a shell, and wait until it ends.

        Raises HookFailed when it could not be started (and, where the kubelet tells no exit code,
        when it failed), NotReady when it still ran after `seconds`, ClusterUnreachable when the
        connection broke before the end was known, NotFound for a pod that is not there, and what
        the Cluster port raises for another refusal.
        """
        ...
