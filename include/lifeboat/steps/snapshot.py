"""Asks for the snapshots of volumes, in batches. Nothing waits here: settle polls what was started.

A batch is what one task does: starting a task costs as much as asking for a dozen snapshots.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import msgspec

from lifeboat.clock import rfc3339
from lifeboat.errors import LifeboatError, SnapshotFailed, UsageError
from lifeboat.point.manifest import LeftOut
from lifeboat.ports.disks import SnapshotTicket, Volume
from lifeboat.ports.parallel import each
from lifeboat.steps.context import Context
from lifeboat.steps.scope import Scope

BATCH = 25
_TITLE = 160  # Airflow keeps 250 characters of a mapped task's name


class Batch(msgspec.Struct, frozen=True):
    """Volumes of a scope by their titles; `title` is the batch's own name, for people."""

    title: str
    volumes: tuple[str, ...]


class Started(msgspec.Struct, frozen=True):
    """What asking came to: every volume of a batch has a ticket or a reason. `left_out` holds also
    what may succeed later: `ensure_started` tells them apart by `errors`."""

    tickets: tuple[SnapshotTicket, ...]
    left_out: tuple[LeftOut, ...]
    errors: tuple[LifeboatError, ...] = ()


def batches(scope: Scope) -> tuple[Batch, ...]:
    """The volumes of a scope in as few batches of equal size as BATCH allows."""
    titles = [volume.title for volume in scope.volumes]
    number = -(-len(titles) // BATCH)
    ends = [len(titles) * n // number for n in range(number + 1)] if number else []
    return tuple(
        Batch(_title(titles[begin:end], n, number), tuple(titles[begin:end]))
        for n, (begin, end) in enumerate(pairwise(ends), 1)
    )


def start_batch(context: Context, scope: Scope, titles: tuple[str, ...], in_flight: int) -> Started:
    """Ask for the snapshot of each of these volumes; asking twice is one snapshot. One that fails
    keeps no other from being asked for."""

    def start(title: str) -> SnapshotTicket | tuple[str, LifeboatError]:
        try:
            return _start(context, scope, title)
        except LifeboatError as error:
            return title, error

    found = list(each(in_flight, start, titles))
    failed = [one for one in found if not isinstance(one, SnapshotTicket)]
    return Started(
        tuple(one for one in found if isinstance(one, SnapshotTicket)),
        tuple(
            LeftOut(f"volume {title}", f"its snapshot could not be started: {error.message}")
            for title, error in failed
        ),
        tuple(error for _, error in failed),
    )


def ensure_started(started: Started) -> None:
    """Raises the first error that may pass, so that asking again can help; without one,
    SnapshotFailed naming every volume that was refused."""
    for error in started.errors:
        if error.retryable:
            raise error
    if started.left_out:
        lines = "\n".join(f"  {entry.what}: {entry.reason}" for entry in started.left_out)
        raise SnapshotFailed(f"{len(started.left_out)} volumes were refused:\n{lines}")


def _start(context: Context, scope: Scope, title: str) -> SnapshotTicket:
    asked, group = scope.snapshot_classes.get(title, ""), scope.groups.get(title, "")
    ticket = context.disks.start_snapshot(
        scope.point, scope.instance, volume(scope, title), asked, group
    )
    return replace(ticket, asked=rfc3339(context.clock()))


def volume(scope: Scope, title: str) -> Volume:
    """The scope's volume of this title."""
    for candidate in scope.volumes:
        if candidate.title == title:
            return candidate
    raise UsageError(f"point {scope.point} has no volume {title}")


def _title(titles: list[str], number: int, batches: int) -> str:
    """`shop/data, shop/logs`; of many `shop/data and 24 more (1 of 20)`."""
    names = ", ".join(titles)
    if len(names) <= _TITLE and batches == 1:
        return names
    return f"{titles[0][:_TITLE]} and {len(titles) - 1} more ({number} of {batches})"
