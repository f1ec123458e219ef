"""Keeps a point out of prune's reach for as long as a person wants, and lets it go again.

A hold is a document of its own and so is its end: nothing is edited, and both stay as an account
of who asked for what.
"""

from __future__ import annotations

import secrets
from datetime import datetime

from lifeboat.clock import rfc3339
from lifeboat.errors import UsageError
from lifeboat.point import layout
from lifeboat.point.facts import Hold, Release, read_holds, record_hold, record_release
from lifeboat.point.ident import stamp
from lifeboat.vault.vault import Vault


def hold(vault: Vault, instance: str, point: str, reason: str, now: datetime) -> Hold:
    """Hold an existing point. Several holds of one point count one by one.

    Raises UsageError without a reason, and when a prune removed the point meanwhile.
    """
    if not reason.strip():
        raise UsageError("a hold without a reason", hint='say why: --reason "before the migration"')
    made = Hold(f"{stamp(now)}-{secrets.token_hex(4)}", point, rfc3339(now), reason.strip())
    record_hold(vault, instance, made)
    if vault.store.stat(layout.manifest(instance, point)) is None:
        raise UsageError(f"point {point} of {instance} is gone: a prune removed it")
    return made


def release(
    vault: Vault, instance: str, point: str, reason: str, now: datetime, hold_id: str = ""
) -> Release:
    """End the hold of this id; without an id the only one there is. The next prune decides anew.

    Raises UsageError naming the open holds when that does not name exactly one.
    """
    there = read_holds(vault, instance, point)
    chosen = [one for one in there if one.id == hold_id] if hold_id else there
    if len(chosen) != 1:
        names = "; ".join(f"{one.id} ({one.reason})" for one in there)
        if not there:
            raise UsageError(f"nobody holds point {point} of {instance}")
        raise UsageError(
            f"point {point} has {len(there)} open holds and {hold_id or 'no one'} names none of"
            f" them alone: {names}",
            hint="name one: --hold <id>",
        )
    ended = Release(chosen[0].id, point, rfc3339(now), reason.strip())
    return record_release(vault, instance, ended)
