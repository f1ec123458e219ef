"""Containers in memory that remember what ran in them."""

from __future__ import annotations

from dataclasses import dataclass, field

from lifeboat.errors import LifeboatError
from lifeboat.ports.pods import Ran, Target


@dataclass
class FakePods:
    """`answers` are exit codes, or errors to raise, by a command's first word."""

    answers: dict[str, int | LifeboatError] = field(default_factory=dict)
    ran: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def run(self, target: Target, command: tuple[str, ...], seconds: float) -> Ran:
        self.ran.append((f"{target.pod}/{target.container}", command))
        answer = self.answers.get(command[0], 0)
        if isinstance(answer, LifeboatError):
            raise answer
        return Ran(answer, min(seconds, 0.1), "output")
