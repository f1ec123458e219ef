"""What failover and failback have in common: their turns in the log, fences and captures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339, utc_now
from lifeboat.point import catalog, layout
from lifeboat.point.manifest import Manifest, Run, open_contents
from lifeboat.point.standby import StandbyEvent, Standing, Word, append, read_standing
from lifeboat.policy.picking import Picker
from lifeboat.ports.cluster import Json, Kind
from lifeboat.ports.marks import STANDBY
from lifeboat.restore.superfluous import prunable
from lifeboat.standby.sides import Sides
from lifeboat.standby.workloads import Mine, fence
from lifeboat.steps.backup import backup
from lifeboat.steps.commit import ensure_complete
from lifeboat.steps.context import Context
from lifeboat.steps.scope import Claim

Say = Callable[[str], None]


@dataclass(frozen=True)
class Wish:
    """What a person asked for. `run`: an id for the log; `point`: which one a failover brings;
    `planned`: the primary answers, stands still and is captured first; `as_it_is`: nothing is
    brought, the standby takes over with what lies there; `accept`: a failback goes on although
    something could not be brought home, and names it."""

    run: str
    by: str = ""
    point: str = "latest"
    planned: bool = False
    as_it_is: bool = False
    accept: bool = False


def standing(sides: Sides) -> Standing:
    """How the standby stands now."""
    return read_standing(sides.vault, sides.instance.id, sides.entry.name)


def turn(sides: Sides, before: Standing, word: Word, wish: Wish, **fields: Any) -> Standing:
    """Write the next event of the log. Raises NotStandingBy when somebody else did."""
    return append(
        sides.vault,
        sides.instance.id,
        sides.entry.name,
        before,
        word,
        at=rfc3339(utc_now()),
        run=wish.run,
        by=wish.by,
        **fields,
    )


def fence_primary(sides: Sides, say: Say) -> list[str]:
    """Hold what the policy protects in the primary; what still runs there. Raises what the cluster
    raises."""
    context = sides.primary()
    newest = catalog.newest(sides.vault, sides.instance.id, complete=False)
    spaces = open_contents(sides.vault, newest).namespaces() if newest else ()
    picker = Picker(sides.instance.policy.select, spaces)

    def selected(kind: Kind, live: Json) -> bool:
        meta = live["metadata"]
        labels = meta.get("labels") or {}
        return not picker.why_not(kind, meta["namespace"], meta["name"], labels)

    return fence(context.cluster, spaces, selected, say)


def own(instance: str) -> Mine:
    """What the standby made, or took in."""

    def mine(_: Kind, live: Json) -> bool:
        return bool((live["metadata"].get("annotations") or {}).get(STANDBY) == instance)

    return mine


def take_in(context: Context, brought: StandbyEvent, since: str, say: Say) -> int:
    """Mark what was made in the standby's namespaces since it runs the application: it is part of
    it, goes home with it, and later points replace it. What somebody else had there before, and
    what controllers make, stays theirs."""
    began, taken = parse_rfc3339(since), 0
    marked = {"metadata": {"annotations": {STANDBY: brought.instance}}}
    for kind in filter(prunable, context.cluster.discover().kinds):
        for space in sorted(brought.namespaces.values()):
            for page in context.cluster.list_pages(kind, namespace=space):
                for raw in page.items:
                    meta = msgspec.json.decode(raw)["metadata"]
                    owned = any(o.get("controller") for o in meta.get("ownerReferences") or ())
                    known = STANDBY in (meta.get("annotations") or {})
                    if owned or known or parse_rfc3339(meta["creationTimestamp"]) < began:
                        continue
                    context.cluster.patch(kind, space, meta["name"], marked)
                    taken += 1
    if taken:
        say(f"{taken} objects made in the standby meanwhile are its own now")
    return taken


def capture(context: Context, run: str, say: Say) -> Manifest:
    """A point of what stands still; the same one for each attempt at a run, unless it came out
    incomplete: the cause may have been mended. Raises PointIncomplete: what is missing would be
    lost."""
    name, attempt = run, 1
    while _came_out_incomplete(context, name):
        attempt += 1
        name = f"{run}, attempt {attempt}"
    made = backup(context, Run(name, "manual"), say)
    assert made is not None  # only backfills capture nothing
    ensure_complete(made)
    return made


def _came_out_incomplete(context: Context, run: str) -> bool:
    vault, instance = context.vault, context.instance.id
    claim = vault.find_document(layout.claim(instance, run), Claim)
    if claim is None:
        return False
    made = vault.find_document(layout.manifest(instance, claim.point), Manifest)
    return made is not None and not made.complete


def seconds_since(moment: str) -> float:
    """Since an RFC 3339 moment."""
    return (utc_now() - parse_rfc3339(moment)).total_seconds()
