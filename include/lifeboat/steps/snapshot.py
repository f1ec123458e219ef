"""Asks for the snapshots of volumes. Nothing waits here: settle polls what was started."""

from __future__ import annotations

from lifeboat.errors import UsageError
from lifeboat.ports.disks import SnapshotTicket, Volume
from lifeboat.steps.context import Context
from lifeboat.steps.scope import Scope


def start_snapshot(context: Context, scope: Scope, title: str) -> SnapshotTicket:
    """Start the snapshot of the volume `namespace/claim`; starting it twice is one snapshot."""
    asked = scope.snapshot_classes.get(title, "")
    return context.disks.start_snapshot(scope.point, scope.instance, volume(scope, title), asked)


def volume(scope: Scope, title: str) -> Volume:
    """The scope's volume of this title."""
    for candidate in scope.volumes:
        if candidate.title == title:
            return candidate
    raise UsageError(f"point {scope.point} has no volume {title}")
