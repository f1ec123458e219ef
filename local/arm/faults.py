"""Faults on order: answers instead of the real one, answers that get lost, operations that fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from local.arm.errors import ArmError


@dataclass
class Fault:
    """For the next `times` requests of `method` with `path` in their path, after `skip` others.

    `refuse`: `error` is the answer, nothing happens. `lose`: it happens, and the connection breaks
    before the answer. `fail`: the operation begins and ends badly, with `error`.
    """

    kind: Literal["refuse", "lose", "fail"]
    method: str
    path: str = ""
    error: ArmError = field(default_factory=lambda: ArmError(500, "InternalServerError", "ordered"))
    times: int = 1
    skip: int = 0


class Faults:
    """What is still on order."""

    def __init__(self) -> None:
        self._ordered: list[Fault] = []

    def order(self, fault: Fault) -> None:
        self._ordered.append(fault)

    def struck(self, kind: str, method: str, path: str) -> ArmError | None:
        """The error of a fault that strikes this request; counts it off."""
        for fault in self._ordered:
            wanted = fault.kind == kind and fault.method == method and fault.times > 0
            if not wanted or fault.path.lower() not in path.lower():
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.times -= 1
            return fault.error
        return None
