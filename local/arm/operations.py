"""Long-running operations: 202, two addresses to poll, and how they end."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from local.arm.errors import ArmError
from local.arm.model import Json


@dataclass
class Operation:
    """`resource` is the key of what it made or changed, empty for a deletion. `error`: it fails
    with this."""

    location: str
    subscription: str
    begin: datetime
    end: datetime
    resource: str = ""
    error: Json | None = None
    name: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def path(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/providers/Microsoft.Compute"
            f"/locations/{self.location}/DiskOperations/{self.name}"
        )

    def body(self, now: datetime) -> Json:
        """What Azure-AsyncOperation shows."""
        found: Json = {"name": self.name, "startTime": self.begin.isoformat()}
        if now < self.end:
            return {**found, "status": "InProgress"}
        found["endTime"] = self.end.isoformat()
        if self.error is not None:
            return {**found, "status": "Failed", "error": self.error}
        return {**found, "status": "Succeeded"}


class Operations:
    """All of them, by name."""

    def __init__(self) -> None:
        self._known: dict[str, Operation] = {}

    def add(self, operation: Operation) -> Operation:
        self._known[operation.name] = operation
        return operation

    def get(self, name: str) -> Operation:
        try:
            return self._known[name]
        except KeyError:
            raise ArmError(404, "NotFound", f"The operation '{name}' was not found.") from None
