"""The audit trail of a vault: who set out to do what, one document an event, never edited.

An event that takes something away is written before the deed: a trail that only knew of what ended
well would not know of what a crash cut off. Nobody prunes the trail; it lives as long as the vault.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Literal

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import BlobExists, BlobMissing, Damaged, NewerFormat, Unsupported
from lifeboat.point import layout
from lifeboat.point.ident import stamp
from lifeboat.vault.vault import Vault

ACTIONS = (
    "approve", "backup", "copy", "delete", "failback", "failover", "hold", "key-add", "key-remove",
    "lapse", "make-vault", "prove", "reconcile", "refuse", "reject", "release", "restore",
    "standby", "thaw",
)  # fmt: skip
"""What this version records. A reader shows others as they are."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who did it. `who`: a user of Airflow, or `login@host`; empty when a schedule did. `how`:
    `airflow` or `terminal`. `dag`, `run` and `trigger` are Airflow's; `attempt` is the same for
    every attempt at one deed, empty for a deed that is tried once."""

    who: str
    how: Literal["airflow", "terminal"]
    dag: str = ""
    run: str = ""
    trigger: str = ""
    attempt: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `at`: RFC 3339. `subject`: the point, plan or key that it is about; `detail`: what
    else a person would ask, in one line and without secrets. `instance` is empty for what concerns
    the whole vault."""

    at: str
    action: str
    who: str
    how: str
    instance: str = ""
    subject: str = ""
    detail: str = ""
    dag: str = ""
    run: str = ""
    trigger: str = ""


class Deed(msgspec.Struct, frozen=True):
    """What is done, without by whom and when; the fields are those of Event."""

    action: str
    instance: str = ""
    subject: str = ""
    detail: str = ""


def record(
    vault: Vault, actor: Actor, deed: Deed, now: datetime, until: datetime | None = None
) -> None:
    """Write the event; an attempt that comes again writes nothing new. Where the store has locks,
    nobody can delete it before `until`. Raises what the store raises: who cannot leave a trail may
    not act.
    """
    event = Event(
        at=rfc3339(now),
        action=deed.action,
        who=actor.who,
        how=actor.how,
        instance=deed.instance,
        subject=deed.subject,
        detail=deed.detail,
        dag=actor.dag,
        run=actor.run,
        trigger=actor.trigger,
    )
    key = layout.audit_event(stamp(now), secrets.token_hex(8))
    if actor.attempt:
        said = "\0".join((actor.attempt, actor.dag, actor.run, *msgspec.structs.astuple(deed)))
        since = stamp(parse_rfc3339(actor.attempt))
        key = layout.audit_event(since, hashlib.sha256(said.encode()).hexdigest()[:16])
    with suppress(BlobExists):
        vault.put_document(key, event)
    if until is not None and vault.store.traits().immutability is not False:
        with suppress(Unsupported):
            vault.store.extend_immutability(key, until)


def read(vault: Vault, since: datetime | None = None) -> Iterator[tuple[str, Event | None]]:
    """The events, oldest first, each with its key; None where one cannot be read. `since` is
    compared to the second."""
    first = stamp(since) if since else ""
    keys = [stat.key for stat in vault.store.list(layout.AUDIT)]
    for key in sorted(keys, key=layout.last_segment):
        if layout.last_segment(key) < first:
            continue
        try:
            yield key, vault.get_document(key, Event)
        except BlobMissing:
            continue
        except (Damaged, NewerFormat):
            yield key, None
