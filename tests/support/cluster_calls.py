"""Calls of the cluster port as a fake records them, and the faults that strike them on order."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClusterCall:
    """One call of the port; each page of a list is a call of its own."""

    method: str
    resource: str
    namespace: str
    name: str


@dataclass
class Fault:
    method: str
    error: Exception
    times: int
    skip: int
    resource: str

    def strikes(self, call: ClusterCall) -> bool:
        if self.method != call.method or self.resource not in ("", call.resource) or not self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True
