"""What the engine needs of whoever runs a cluster: how it was ordered."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class ManagedDefinition(NamedTuple):
    """`cluster` and `node_pools` as the provider's API takes them in `api_version`, without secrets
    and without what changes by itself."""

    api_version: str
    cluster: dict[str, Any]
    node_pools: list[dict[str, Any]]


class Definitions(Protocol):
    """One managed cluster."""

    def read(self) -> ManagedDefinition:
        """Asks now, and does not wait. Raises NotFound, Forbidden, Unauthorized, Throttled,
        DisksUnavailable."""
        ...
