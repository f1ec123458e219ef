"""Points that something under way needs: prune leaves them until it is over (P3)."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from lifeboat.errors import Damaged, NewerFormat
from lifeboat.point import catalog, layout
from lifeboat.point.facts import removed_points
from lifeboat.steps.context import Custody
from lifeboat.steps.scope import Scope
from lifeboat.vault.vault import Vault

GIVEN_UP = timedelta(days=1)
"""A restore without a report of which nothing was heard for this long is over: it was killed, or
only planned. Whoever plans, approves, begins or finishes a part of one is heard."""
_GRACE = timedelta(minutes=30)
"""What was answered in time may be recorded so much later, and prune may delete so much later than
it looked: points are kept for both."""


class _Request(msgspec.Struct):
    point: str
    dry_run: bool = False


class _Plan(msgspec.Struct):
    """What matters here of a restore's plan (restore/model.py)."""

    request: _Request


def last_heard(vault: Vault, instance: str, restore: str) -> datetime | None:
    """When the last document of a restore was written; None where there is none."""
    stats = vault.store.list(layout.restore_part(instance, restore, ""))
    return max((stat.created for stat in stats), default=None)


def is_kept(vault: Vault, instance: str, restore: str, now: datetime) -> bool:
    """Whether a restore may count on its point: prune leaves it for long enough to say so."""
    heard = last_heard(vault, instance, restore)
    return heard is not None and now - heard <= GIVEN_UP + _GRACE


def points_in_use(context: Custody) -> set[str]:
    """Ids of points that open backups build on, and that restores and test restores read."""
    return {scope.previous for scope in open_scopes(context)} | _being_restored(context)


def open_scopes(context: Custody) -> list[Scope]:
    """Scopes of runs that have neither committed nor been given up: no manifest, no tombstone."""
    instance, vault = context.instance.id, context.vault
    settled = set(catalog.point_ids(vault, instance)) | removed_points(vault, instance)
    prefix = layout.scope(instance, "")
    return [
        vault.get_document(stat.key, Scope)
        for stat in vault.store.list(prefix)
        if layout.last_segment(stat.key) not in settled
    ]


def _being_restored(context: Custody) -> set[str]:
    vault, found = context.vault, set[str]()
    prefix = layout.restores(context.instance.id)
    heard: dict[str, datetime] = {}
    parts: dict[str, set[str]] = {}
    for stat in vault.store.list(prefix):
        restore, _, part = stat.key.removeprefix(prefix).partition("/")
        heard[restore] = max(stat.created, heard.get(restore, stat.created))
        if part in ("plan", "report"):
            parts.setdefault(restore, set()).add(part)
    for restore, there in parts.items():
        if there != {"plan"} or context.clock() - heard[restore] > GIVEN_UP + 2 * _GRACE:
            continue
        key = layout.restore_plan(context.instance.id, restore)
        try:
            plan = vault.find_document(key, _Plan)
        except (Damaged, NewerFormat):
            continue  # then the restore cannot go on either
        if plan is not None and not plan.request.dry_run:
            found.add(plan.request.point)
    return found
