"""What retention is told of an instance's points: manifests, verdicts, holds and locks, together.

The lock of a point is that of the policy it was made with, which it carries: an edit of the file
never shortens it.
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from lifeboat.clock import parse_rfc3339
from lifeboat.point.facts import Verdict, held_points, read_verdicts
from lifeboat.point.manifest import Manifest
from lifeboat.policy.retention import RetentionPoint
from lifeboat.vault.vault import Vault

ON_DEMAND = frozenset({"manual", "cli"})
"""Triggers (`manifest.run.trigger`) by which a person asked for a point."""


def retention_points(
    vault: Vault,
    instance: str,
    manifests: Iterable[Manifest],
    in_use: Set[str] = frozenset(),
    verdicts: Iterable[Verdict] | None = None,
) -> list[RetentionPoint]:
    """One for each manifest. `in_use` are ids that a run under way builds on; `verdicts` default to
    all, and then a damaged one raises: nothing is removed on half the evidence."""
    told = read_verdicts(vault, instance) if verdicts is None else verdicts
    verified = {verdict.point for verdict in told if verdict.proven}
    held = held_points(vault, instance)
    return [
        _told(manifest, manifest.point in verified, manifest.point in held, in_use)
        for manifest in manifests
    ]


def _told(manifest: Manifest, verified: bool, held: bool, in_use: Set[str]) -> RetentionPoint:
    captured_at = parse_rfc3339(manifest.captured_to)
    return RetentionPoint(
        id=manifest.point,
        captured_at=captured_at,
        complete=manifest.complete,
        verified=verified,
        held=held,
        in_use=manifest.point in in_use,
        on_demand=manifest.run.trigger in ON_DEMAND,
        locked_until=parse_rfc3339(manifest.locked_until) if manifest.locked_until else None,
    )
