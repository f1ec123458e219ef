"""What can go wrong with the local control plane; nothing here is raised by the engine."""

from __future__ import annotations


class LocalClusterError(Exception):
    """The local control plane cannot be built, started or stopped; `hint` is the next step."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}\n  {hint}" if hint else message)


class ApiError(LocalClusterError):
    """The API server answered with an error; `status` is the HTTP status, 0 if none came."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
