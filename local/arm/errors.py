"""What the stand-in answers when it refuses: a status, Azure's code, and perhaps a Retry-After."""

from __future__ import annotations

from typing import Any


class ArmError(Exception):
    """Becomes `{"error": {"code": ..., "message": ...}}`, the form of every error of ARM."""

    def __init__(
        self, status: int, code: str, message: str, *, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        return {"error": {"code": self.code, "message": self.message}}


def bad_request(code: str, message: str) -> ArmError:
    """The request is wrong, and stays so."""
    return ArmError(400, code, message)


def not_found(what: str) -> ArmError:
    """Azure names type and name, and the group that it looked in."""
    return ArmError(404, "ResourceNotFound", f"The Resource '{what}' was not found.")


def conflict(code: str, message: str) -> ArmError:
    """Not now, or not like this."""
    return ArmError(409, code, message)
