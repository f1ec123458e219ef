"""Brings a standby to a point: what changed is replaced, what left the point is deleted, what the
standby did not make is left alone.

Every phase goes on where an earlier attempt stopped; a point that is there already costs a listing
and two documents. The turn is an event in the standby's log: whoever comes after it has the next
one, and this one stops before its next change (restore/gate.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from lifeboat.clock import rfc3339
from lifeboat.errors import LifeboatError, NotStandingBy, RestoreIncomplete
from lifeboat.point import catalog, layout
from lifeboat.point.manifest import Manifest, open_contents, read_manifest
from lifeboat.point.standby import Mode, StandbyEvent, Standing, append, read_standing
from lifeboat.policy.standby import Standby
from lifeboat.restore.apply import find_result
from lifeboat.restore.model import RestorePlan, RestoreRequest, VolumesResult
from lifeboat.restore.plan import plan_restore, stored_plan
from lifeboat.restore.run import (
    Say,
    bring_volumes,
    prepare,
    ready,
    report,
    resources,
    restore_id,
    summary,
)
from lifeboat.restore.transforms.transforms import TransformText
from lifeboat.standby.sides import ReadTransform, texts_of, wanted_of
from lifeboat.steps.context import Context

_CLAIMS = "persistentvolumeclaims"
_MOST_LINES = 200
WARM: tuple[Mode, ...] = ("warm",)
TAKING_OVER: tuple[Mode, ...] = ("failing-over",)


@dataclass(frozen=True)
class Asked:
    """Who brings a point there: a run's id, a person if it was one; in which state of the standby
    that may be."""

    run: str
    by: str = ""
    when: tuple[Mode, ...] = WARM


def sync(
    context: Context, point: str, asked: Asked, say: Say, transforms: ReadTransform
) -> StandbyEvent:
    """Everything in one process; the event that says what lies there now.

    Raises NotStandingBy while the standby runs the application, RestoreIncomplete naming what was
    not brought.
    """
    began = begin(context, point, asked, transforms)
    if began.event == "synced":
        say(f"point {began.point} is there since {began.at}")
        return began
    started = rfc3339(context.clock())
    try:
        plan = start(context, began, say)
        bring_volumes(context, plan, say)
        resources(context, plan, say)
        if wanted_of(context.instance).workloads == "running":
            ready(context, plan, say)
    except LifeboatError as error:
        if not error.retryable:
            record_failure(context, began, error.message)
        raise
    ended = finish(context, began, started)
    ensure_whole(ended)
    return ended


def standing_of(context: Context) -> Standing:
    """How the standby of the context's policy stands."""
    cluster = wanted_of(context.instance).cluster
    return read_standing(context.vault, context.instance.id, cluster)


def points_waiting(context: Context) -> int:
    """Complete and other points that are newer than the one that lies there; all when none does."""
    brought = standing_of(context).brought
    points = catalog.point_ids(context.vault, context.instance.id)
    return sum(1 for point in points if brought is None or point > brought.point)


def begin(context: Context, point: str, asked: Asked, transforms: ReadTransform) -> StandbyEvent:
    """Take the turn to bring a point there: the event `syncing`, that of an attempt before if it
    did not end; or `synced` where there is nothing to do.

    Raises NotStandingBy in any other state of the standby than the asker expects, UsageError and
    PolicyError for transforms.
    """
    wanted, instance = wanted_of(context.instance), context.instance.id
    standing = standing_of(context)
    if standing.mode not in asked.when:
        raise NotStandingBy(_refusal(standing, instance, wanted.cluster))
    manifest = catalog.find(context.vault, instance, point)
    head, brought = standing.head, standing.brought
    kept = {**(brought.transforms if brought else {}), **(head.transforms if head else {})}
    named = (*wanted.transforms, *wanted.transforms_back)
    texts = {name: text.text for name, text in texts_of(named, transforms, kept).items()}
    shape = _shape(wanted, texts)
    there = head if standing.touched else brought
    same = there is not None and (there.point, there.shape) == (manifest.point, shape)
    if there is not None and same and (there.event == "syncing" or there.whole):
        return there
    began = append(
        context.vault,
        instance,
        wanted.cluster,
        standing,
        "syncing",
        at=rfc3339(context.clock()),
        run=asked.run,
        by=asked.by,
        point=manifest.point,
        captured=manifest.captured_to,
        restore=restore_id(instance, f"standby {wanted.cluster} {standing.number + 1}"),
        shape=shape,
        transforms=texts,
    )
    assert began.head is not None
    return began.head


def start(context: Context, began: StandbyEvent, say: Say) -> RestorePlan:
    """Plan it, and make definitions, namespaces and cluster-wide settings."""
    manifest = read_manifest(context.vault, began.instance, began.point)
    plan = plan_restore(context, request_for(context, manifest, began), began.restore)
    say(summary(plan))
    _drop_helpers(context)
    prepare(context, plan, say)
    return plan


def request_for(context: Context, manifest: Manifest, began: StandbyEvent) -> RestoreRequest:
    """What a standby is restored like; transforms as they were when the turn began."""
    wanted = wanted_of(context.instance)
    held = set(open_contents(context.vault, manifest).namespaces())
    volumes = wanted.volumes != "none"
    return RestoreRequest(
        instance=began.instance,
        point=began.point,
        mapping={name: wanted.mapping.get(name, name) for name in sorted(held)},
        mode="replace",
        mode_of={_CLAIMS: "recreate"} if volumes else {},
        volumes=volumes,
        from_vault=wanted.volumes == "vault",
        cluster_scoped=wanted.cluster_scoped,
        prune=wanted.prune and manifest.complete,
        transforms=tuple(TransformText(one, began.transforms[one]) for one in wanted.transforms),
        standby=began.cluster,
        turn=began.number,
        mark=began.instance,
        hold="all" if wanted.workloads == "held" else "jobs",
        swap=volumes,
    )


def finish(context: Context, began: StandbyEvent, started: str) -> StandbyEvent:
    """Write what lies there now; a second attempt returns what the first one wrote."""
    standing = standing_of(context)
    if standing.brought is not None and standing.brought.restore == began.restore:
        return standing.brought
    plan = stored_plan(context, began.instance, began.restore)
    account = report(context, plan, started)
    notes = [*account.warnings, *_gone_namespaces(standing, plan)]
    ended = append(
        context.vault,
        began.instance,
        began.cluster,
        _own_turn(standing, began),
        "synced",
        at=rfc3339(context.clock()),
        run=began.run,
        by=began.by,
        point=began.point,
        captured=began.captured,
        restore=began.restore,
        shape=began.shape,
        transforms=began.transforms,
        namespaces=plan.request.mapping,
        whole=account.ok,
        missing=bounded(account.failed),
        notes=bounded(notes),
        phases=account.phases,
    )
    assert ended.head is not None
    return ended.head


def came_through(context: Context, began: StandbyEvent) -> bool:
    """Whether every part of its plan was applied; a killed task tells nobody that it was not."""
    key = layout.restore_plan(began.instance, began.restore)
    plan = context.vault.find_document(key, RestorePlan)
    if plan is None or any(find_result(context, plan, part) is None for part in plan.parts):
        return False
    volumes = layout.restore_part(began.instance, began.restore, "volumes")
    return context.vault.find_document(volumes, VolumesResult) is not None


def record_failure(context: Context, began: StandbyEvent, message: str) -> None:
    """Write that it broke before it could be told what lies there. Nothing where somebody else has
    the turn by now."""
    standing = standing_of(context)
    if standing.head != began:
        return
    append(
        context.vault,
        began.instance,
        began.cluster,
        standing,
        "synced",
        at=rfc3339(context.clock()),
        run=began.run,
        missing=(message,),
    )


def ensure_whole(ended: StandbyEvent) -> None:
    """Raises RestoreIncomplete, naming everything that was not brought."""
    if not ended.whole:
        lines = "\n".join(f"  {line}" for line in ended.missing)
        raise RestoreIncomplete(
            f"point {ended.point} is in standby {ended.cluster}, but for"
            f" {len(ended.missing)} things:\n{lines}",
            hint="the others are there; mend the cause and sync again",
        )


def bounded(lines: Sequence[str]) -> tuple[str, ...]:
    """As many lines as an event holds; the others are counted."""
    if len(lines) <= _MOST_LINES:
        return tuple(lines)
    return (*lines[:_MOST_LINES], f"and {len(lines) - _MOST_LINES} more")


def _shape(wanted: Standby, texts: Mapping[str, str]) -> str:
    """What the transforms say is part of it: an edited one brings the point anew."""
    shape = wanted.shape | {"transforms": [[name, texts[name]] for name in wanted.transforms]}
    return hashlib.sha256(msgspec.json.encode(shape, order="sorted")).hexdigest()[:16]


def _own_turn(standing: Standing, began: StandbyEvent) -> Standing:
    if standing.number != began.number:
        raise NotStandingBy(
            f"standby {began.cluster} of {began.instance} moved on while point {began.point} was"
            " brought there"
        )
    return standing


def _refusal(standing: Standing, instance: str, cluster: str) -> str:
    since = f" since {standing.turned.at}" if standing.turned else ""
    if standing.mode == "active":
        return (
            f"{instance} runs in its standby {cluster}{since}: a point brought there would"
            " overwrite what it has written meanwhile; nothing was changed"
        )
    return f"standby {cluster} of {instance} is {standing.mode}{since}; nothing was changed"


def _drop_helpers(context: Context) -> None:
    """Those of claims that never found a pod: the claims are made anew."""
    brought = standing_of(context).brought
    if brought is None:
        return
    key = layout.restore_part(brought.instance, brought.restore, "volumes")
    found = context.vault.find_document(key, VolumesResult)
    if found is None:
        return
    bound = {one.title for one in found.volumes if one.handle}
    for ticket in found.tickets:
        if f"{ticket.namespace}/{ticket.claim}" not in bound:
            context.disks.finish_restore(ticket)


def _gone_namespaces(standing: Standing, plan: RestorePlan) -> list[str]:
    before = standing.brought.namespaces if standing.brought else {}
    gone = sorted(set(before.values()) - set(plan.request.mapping.values()))
    return [
        f"namespace {name} left the point: what the standby made there stays until it is deleted by"
        " hand"
        for name in gone
    ]
