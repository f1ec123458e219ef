"""Tells what an edited policy does to the points there are, before a prune does it.

The newest point carries the policy it was made with; that is compared with the file of now.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from lifeboat.clock import rfc3339
from lifeboat.errors import PolicyError
from lifeboat.point import catalog
from lifeboat.point.manifest import read_policy
from lifeboat.policy.impact import Change, impact
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import parse_policy
from lifeboat.steps.retained import retention_points
from lifeboat.vault.vault import Vault


class Effect(msgspec.Struct, frozen=True):
    """One point that the edit concerns, what the policy said of it before, and what it says now."""

    point: str
    captured_to: str
    before: tuple[str, ...]
    after: tuple[str, ...]


class EditImpact(msgspec.Struct, frozen=True):
    """`against` is the point whose policy is compared, empty when there is none yet; `changed`
    whether the file is another one than then. `unreadable` says why nothing could be compared."""

    instance: str
    against: str
    changed: bool
    goes: tuple[Effect, ...] = ()
    stays: tuple[Effect, ...] = ()
    unreadable: str = ""


def edit_impact(vault: Vault, instance: Instance, now: datetime) -> EditImpact:
    """Reads the catalog only, and asks no cluster. Points in use by a run under way are judged as
    if they were not: they go once it is over."""
    manifests = catalog.manifests(vault, instance.id)
    if not manifests:
        return EditImpact(instance.id, "", changed=False)
    newest = manifests[-1]
    if newest.policy_digest == instance.policy_digest:
        return EditImpact(instance.id, newest.point, changed=False)
    try:
        before = parse_policy(read_policy(vault, newest), f"point {newest.point}", newest.policy)
    except PolicyError as error:
        told = f"the policy of point {newest.point} cannot be read: {error.message}"
        return EditImpact(instance.id, newest.point, changed=True, unreadable=told)
    points = retention_points(vault, instance.id, manifests)
    found = impact(points, before.retention, instance.policy.retention, now)
    return EditImpact(
        instance=instance.id,
        against=newest.point,
        changed=True,
        goes=tuple(map(_effect, found.goes)),
        stays=tuple(map(_effect, found.stays)),
    )


def _effect(change: Change) -> Effect:
    return Effect(change.point, rfc3339(change.captured_at), change.before, change.after)
