"""Polls snapshots until each is ready, failed or late, then secures and accounts for them.

`look` is one look at everything, without waiting; whoever calls it loops (CLI) or defers (Airflow).
Each volume has the policy's time-out to itself, from the moment its snapshot was asked for: one
that was throttled for a while is not late with the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import msgspec

from lifeboat.clock import parse_rfc3339, poll_until, rfc3339
from lifeboat.errors import NotReady, SnapshotFailed
from lifeboat.point import layout
from lifeboat.point.manifest import LeftOut
from lifeboat.policy.fields import format_duration
from lifeboat.ports.disks import SnapshotState, SnapshotTicket, StoredSnapshot
from lifeboat.ports.parallel import each
from lifeboat.steps.context import Context
from lifeboat.steps.scope import VOLUMES_PART, Scope, VolumesPart


def look(context: Context, tickets: Iterable[SnapshotTicket]) -> list[str]:
    """Titles of the volumes whose snapshots are neither ready, failed nor late yet, with what is
    known of their progress.

    Raises ClusterUnreachable, Throttled, DisksUnavailable.
    """
    asked = [ticket for ticket in tickets if not _late(context, ticket)]
    states = context.disks.look_at_snapshots(asked) if asked else ()
    return [
        _progress(ticket, state)
        for ticket, state in zip(asked, states, strict=True)
        if not state.ready and not state.error
    ]


def wait(context: Context, tickets: Iterable[SnapshotTicket], timeout: timedelta) -> None:
    """Look until nothing is waiting or the time is up; `settle` judges what is late."""
    tickets = tuple(tickets)
    poll_until(lambda: look(context, tickets), seconds=timeout.total_seconds())


def settle(
    context: Context,
    scope: Scope,
    tickets: Iterable[SnapshotTicket],
    not_started: Iterable[LeftOut] = (),
) -> VolumesPart:
    """Secure every ready snapshot and store the account of all volumes of the point.

    A volume of the scope with neither ticket nor reason, a snapshot that failed, and one that is
    not ready by now are losses, named with the reason (P6). A second attempt returns the first
    account.
    """
    key = layout.part(scope.instance, scope.point, VOLUMES_PART)
    done = context.vault.find_document(key, VolumesPart)
    if done is not None:
        return done
    asked = list(tickets)
    found = list(each(_in_flight(context), partial(_account, context), asked))
    snapshots = [one for one in found if isinstance(one, StoredSnapshot)]
    left_out = [*not_started, *(one for one in found if isinstance(one, LeftOut))]
    titles = {ticket.volume.title for ticket in asked}
    named = {entry.what for entry in left_out}
    for volume in scope.volumes:
        what = f"volume {volume.title}"
        if volume.title not in titles and what not in named:
            left_out.append(LeftOut(what, "its snapshot was never started"))
    part = VolumesPart(
        snapshots=tuple(snapshots),
        left_out=tuple(left_out),
        captured_to=rfc3339(context.clock()),
    )
    return context.vault.settle_document(key, part, VolumesPart)


def _account(context: Context, ticket: SnapshotTicket) -> StoredSnapshot | LeftOut:
    """Secures what is ready, and names what is not."""
    try:
        state = context.disks.secure_snapshot(ticket)
    except (SnapshotFailed, NotReady):
        state = context.disks.poll_snapshot(ticket)
        if state.ready:
            raise  # it could not be kept: that is for another attempt
        reason = state.error or f"its snapshot was not ready within {_timeout(context)}"
        return LeftOut(f"volume {ticket.volume.title}", reason)
    return _stored(context, ticket, state)


def _late(context: Context, ticket: SnapshotTicket) -> bool:
    if not ticket.asked:
        return False  # a ticket of a version that did not write it down: the caller's limit holds
    timeout = context.instance.policy.volumes.timeout
    return context.clock() - parse_rfc3339(ticket.asked) > timeout


def _timeout(context: Context) -> str:
    return format_duration(context.instance.policy.volumes.timeout)


def _progress(ticket: SnapshotTicket, state: SnapshotState) -> str:
    percent = "" if state.percent is None else f" ({state.percent} %)"
    return f"{ticket.volume.title}{percent}"


def _in_flight(context: Context) -> int:
    return context.instance.policy.requests_in_flight


def _stored(context: Context, ticket: SnapshotTicket, state: SnapshotState) -> StoredSnapshot:
    stored = StoredSnapshot(
        kind="csi",
        volume=ticket.volume,
        name=ticket.name,
        handle=state.handle,
        driver=state.driver,
        size=state.size or ticket.volume.size,
        created=state.created,
        point=ticket.point,
        instance=ticket.instance,
        maker=state.maker,
    )
    if context.reader.why_not(state.driver):
        return stored
    return replace(stored, content_digest=context.reader.digest_snapshot(state.handle))


def ticket_from(document: object) -> SnapshotTicket:
    """A ticket from its plain form (what `msgspec.to_builtins` made of it)."""
    return msgspec.convert(document, SnapshotTicket)
