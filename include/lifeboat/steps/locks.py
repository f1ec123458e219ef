"""Locks what a point needs in the store itself, so that until the policy's lock has run out nobody
can delete it: not prune, not a stolen credential, not the owner.

Blobs that points share are locked for twice as long as asked. So the next points need not touch
them, and all of them are locked anew only once in a lock's length.
"""

from __future__ import annotations

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import Unsupported
from lifeboat.point import layout
from lifeboat.point.liveness import needed_by
from lifeboat.point.manifest import Manifest
from lifeboat.steps.context import Context


def lock_blobs(context: Context, manifest: Manifest, previous: Manifest | None) -> Manifest:
    """Lock the packs, trees and policy text of a point that is about to be made.

    Returns the manifest with `guarded_until`, or with a warning where the store has no locks. Two
    attempts may both do it: a lock is only ever made longer.
    """
    if not manifest.locked_until:
        return manifest
    asked = parse_rfc3339(manifest.locked_until)
    end = context.instance.policy.retention.locked_until(asked)
    assert end is not None  # it is by this lock that the manifest says until when
    vault = context.vault
    keys = needed_by(vault, [manifest]).keys
    keys.add(layout.policy(manifest.instance, manifest.policy_digest))
    guarded = rfc3339(end)
    if previous and previous.guarded_until and parse_rfc3339(previous.guarded_until) >= asked:
        keys -= needed_by(vault, [previous]).keys
        guarded = previous.guarded_until
    try:
        if vault.store.traits().immutability is False:
            raise Unsupported(f"{vault.store.describe()} cannot lock blobs")
        for key in sorted(keys):
            vault.store.extend_immutability(key, end)
    except Unsupported as error:
        told = f"only the policy's lock keeps this point, not the store's: {error.message}"
        return msgspec.structs.replace(manifest, warnings=(*manifest.warnings, told))
    return msgspec.structs.replace(manifest, guarded_until=guarded)


def lock_manifest(context: Context, manifest: Manifest) -> None:
    """Lock the manifest itself; a second attempt does it where the first one died before."""
    if not manifest.guarded_until:
        return
    until = parse_rfc3339(manifest.locked_until)
    if until > context.clock():
        key = layout.manifest(manifest.instance, manifest.point)
        context.vault.store.extend_immutability(key, until)
