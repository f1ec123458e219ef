"""Containers in memory that remember what ran in them (tests/contract/test_pods.py)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from lifeboat.errors import Invalid, LifeboatError, NotFound, NotReady
from lifeboat.ports.pods import OUTPUT_BYTES, Ran, Target

Words = tuple[str, ...]


@dataclass(frozen=True)
class Said:
    """How a command ends: after `takes` seconds of no real time."""

    exit_code: int = 0
    output: str = ""
    takes: float = 0.1


Answer = int | LifeboatError | Said | Callable[[Words], Said]


@dataclass
class FakePods:
    """`answers` are exit codes, outcomes or errors, by a command's first word; `gone` are names of
    pods, and `pod/container`s, that are not there; `seen` is called before each command."""

    answers: dict[str, Answer] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    ran: list[tuple[str, Words]] = field(default_factory=list)
    seen: Callable[[Target, Words], None] = lambda _target, _command: None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, target: Target, command: Words, seconds: float) -> Ran:
        if target.pod in self.gone:
            raise NotFound(f'pods "{target.pod}" not found')
        if f"{target.pod}/{target.container}" in self.gone:
            raise Invalid(f"container {target.container} is not valid for pod {target.pod}")
        with self._lock:
            self.ran.append((f"{target.pod}/{target.container}", command))
        self.seen(target, command)
        answer = self.answers.get(command[0], 0)
        if isinstance(answer, LifeboatError):
            raise answer
        said = Said(answer) if isinstance(answer, int) else answer
        if not isinstance(said, Said):
            said = said(command)
        if said.takes > seconds:
            raise NotReady(f"the command in {target.title} still ran after {seconds:g} s")
        return Ran(said.exit_code, said.takes, said.output[-OUTPUT_BYTES:])
