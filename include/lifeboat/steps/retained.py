"""What retention is told of an instance's points: manifests, verdicts, holds and locks, together.

The lock of a point is that of the policy it was made with, which it carries: an edit of the file
never shortens it.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from functools import lru_cache

from lifeboat.clock import parse_rfc3339
from lifeboat.errors import PolicyError
from lifeboat.point.facts import held_points, read_verdicts
from lifeboat.point.manifest import Manifest
from lifeboat.policy.document import parse_document
from lifeboat.policy.retention import RetentionPoint
from lifeboat.policy.spans import Span, parse_span
from lifeboat.vault.vault import Vault

ON_DEMAND = frozenset({"manual", "cli"})
"""Triggers (`manifest.run.trigger`) by which a person asked for a point."""


def retention_points(
    vault: Vault, instance: str, manifests: Iterable[Manifest], in_use: Set[str] = frozenset()
) -> list[RetentionPoint]:
    """One for each manifest. `in_use` are ids that a run under way builds on."""
    verified = {v.point for v in read_verdicts(vault, instance) if v.proven}
    held = held_points(vault, instance)
    return [
        _told(manifest, manifest.point in verified, manifest.point in held, in_use)
        for manifest in manifests
    ]


def _told(manifest: Manifest, verified: bool, held: bool, in_use: Set[str]) -> RetentionPoint:
    captured_at = parse_rfc3339(manifest.captured_to)
    lock = lock_in(manifest.policy_text)
    return RetentionPoint(
        id=manifest.point,
        captured_at=captured_at,
        complete=manifest.complete,
        verified=verified,
        held=held,
        in_use=manifest.point in in_use,
        on_demand=manifest.run.trigger in ON_DEMAND,
        locked_until=lock.after(captured_at) if lock else None,
    )


@lru_cache(maxsize=64)
def lock_in(policy_text: str) -> Span | None:
    """`retention.lock` of a stored policy, and nothing else of it: its other keys may be of a
    version that this one no longer reads, and the lock must hold all the same."""
    try:
        retention = parse_document("stored policy", policy_text.encode()).data.get("retention")
        return parse_span(str(retention["lock"])) if isinstance(retention, dict) else None
    except (PolicyError, KeyError, ValueError):
        return None
