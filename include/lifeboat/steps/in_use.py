"""Points that something under way needs: prune leaves them until it is over (P3)."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from lifeboat.errors import Damaged, NewerFormat
from lifeboat.point import catalog, layout
from lifeboat.point.facts import removed_points
from lifeboat.steps.context import Custody
from lifeboat.steps.scope import Scope

GIVEN_UP = timedelta(days=1)
"""A restore without a report after this long is over: it was killed, or only planned."""


class _Request(msgspec.Struct):
    point: str
    dry_run: bool = False


class _Plan(msgspec.Struct):
    """What matters here of a restore's plan (restore/model.py)."""

    request: _Request


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
    stats = {stat.key: stat for stat in vault.store.list(layout.restores(context.instance.id))}
    for key, stat in stats.items():
        restore, part = key.rsplit("/", 1)
        over = f"{restore}/report" in stats or context.clock() - stat.created > GIVEN_UP
        if part != "plan" or over:
            continue
        try:
            plan = vault.find_document(key, _Plan)
        except (Damaged, NewerFormat):
            continue  # then the restore cannot go on either
        if plan is not None and not plan.request.dry_run:
            found.add(plan.request.point)
    return found
