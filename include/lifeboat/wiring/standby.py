"""The two clusters of a standby."""

from __future__ import annotations

from pathlib import Path

from lifeboat.policy.instance import Instance
from lifeboat.policy.model import ClusterEntry
from lifeboat.restore.transforms.transforms import (
    TransformText,
    read_transform,
    transform_names,
)
from lifeboat.standby.sides import Sides
from lifeboat.steps.context import Context
from lifeboat.wiring.clusters import open_context
from lifeboat.wiring.references import Connections
from lifeboat.wiring.vaults import unlock


def open_sides(
    instance: Instance, entry: ClusterEntry, connections: Connections, include: Path
) -> Sides:
    """`entry` is the cluster that stands by. No cluster is asked for yet: one may be gone."""

    def opened(wanted: Instance, target: ClusterEntry | None) -> Context:
        return open_context(wanted, connections, target=target)

    def read(name: str) -> TransformText | None:
        return read_transform(include, name) if name in transform_names(include) else None

    return Sides(
        instance=instance,
        entry=entry,
        vault=unlock(instance.vault, connections),
        open=opened,
        read_transform=read,
    )
