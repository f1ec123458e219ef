"""Holds other pipelines while volumes are snapshotted, and lets them go.

What is to be unpaused is recorded before anything is paused, so that neither a retry nor the next
run forgets it: a record without an end is of a run that died, and whoever comes next ends it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import Forbidden, NotFound, NotQuiet
from lifeboat.point import layout
from lifeboat.point.manifest import HeldDags
from lifeboat.policy.quiet import Quiesce
from lifeboat.ports.flows import Flows
from lifeboat.steps.context import Context
from lifeboat.vault.vault import Vault

_ASKED, _SINCE, _UNTIL, _ENDED = "quiet.asked", "quiet.since", "quiet.until", "quiet.ended"
_EARLY = "quiet.early"

_MOST = timedelta(hours=1)  # beyond the time-outs of a hold and of its snapshots


class Asked(msgspec.Struct, frozen=True):
    """What one run holds. `paused` are to be unpaused at the end: those that it pauses, and those
    that the dead runs of the points `inherited` left paused. `until` is when they are let go
    whatever happens (RFC 3339)."""

    dags: tuple[str, ...]
    mode: str
    paused: tuple[str, ...]
    inherited: tuple[str, ...] = ()
    until: str = ""


class _Since(msgspec.Struct, frozen=True):
    """When they were quiet; `busy` names who was not when the time was up."""

    moment: str
    busy: tuple[str, ...] = ()


class _Until(msgspec.Struct, frozen=True):
    """When the snapshots were there; `disturbed` names runs that began before."""

    moment: str
    disturbed: tuple[str, ...] = ()


def hold(context: Context, flows: Flows, point: str) -> Asked:
    """Pause what the policy wants paused; waits for nothing. A second attempt does the same.

    Raises NotFound for a DAG that does not exist, before anything is paused.
    """
    wanted = _wanted(context)
    key = layout.part(context.instance.id, point, _ASKED)
    asked = context.vault.find_document(key, Asked)
    if asked is None:
        dead = dict(_unended(context, point))
        left = {dag for record in dead.values() for dag in record.paused}
        free = {dag for dag in wanted.dags if not flows.is_paused(dag)}
        pausing = free if wanted.mode == "pause" else set()
        longest = wanted.timeout + context.instance.policy.volumes.timeout + _MOST
        made = Asked(
            wanted.dags,
            wanted.mode,
            tuple(sorted(pausing | left)),
            tuple(sorted(dead)),
            rfc3339(context.clock() + longest),
        )
        asked = context.vault.settle_document(key, made, Asked)
    if asked.mode == "pause":
        for dag in asked.dags:
            flows.set_paused(dag, paused=True)
    return asked


def busy(context: Context, flows: Flows) -> list[str]:
    """Who is not quiet yet: `load_orders: run scheduled__…`."""
    return [f"{dag}: {who}" for dag in _wanted(context).dags for who in flows.busy(dag)]


def held(context: Context, point: str, still_busy: list[str]) -> None:
    """Write down that they are quiet now, or who is not although the time is up.

    Raises NotQuiet where the policy wants the run to fail then.
    """
    wanted = _wanted(context)
    if still_busy and wanted.on_timeout == "fail":
        raise NotQuiet(
            f"quiesce: still busy: {'; '.join(still_busy)}",
            hint="a longer quiesce.timeout, or onTimeout: warn, snapshots anyway",
        )
    since = _Since(rfc3339(context.clock()), tuple(still_busy))
    context.vault.settle_document(_key(context, point, _SINCE), since, _Since)


def confirm(context: Context, flows: Flows, point: str) -> None:
    """The snapshots are there: write down until when they were quiet, and who disturbed them."""
    since = context.vault.find_document(_key(context, point, _SINCE), _Since)
    if since is None:
        return
    wanted = _wanted(context)
    disturbed = [
        f"{dag}: run {run}"
        for dag in wanted.dags
        for run in flows.began_since(dag, parse_rfc3339(since.moment))
    ]
    until = _Until(rfc3339(context.clock()), tuple(disturbed))
    context.vault.settle_document(_key(context, point, _UNTIL), until, _Until)


def release(context: Context, flows: Flows, point: str) -> list[str]:
    """Unpause what this run paused, and what dead ones left; returns their ids. Idempotent."""
    asked = context.vault.find_document(_key(context, point, _ASKED), Asked)
    if asked is None:
        return []
    for dag in asked.paused:
        flows.set_paused(dag, paused=False)
    now = rfc3339(context.clock())
    for ended in (*asked.inherited, point):
        context.vault.settle_document(_key(context, ended, _ENDED), now, str)
    return list(asked.paused)


def why_let_go(context: Context, flows: Flows, point: str) -> str:
    """Why what this run holds has to go now, although nobody ends it; empty when it has not to."""
    asked = context.vault.find_document(_key(context, point, _ASKED), Asked)
    if asked is None or not is_held(context, point):
        return ""
    own = context.instance.backup_dag
    try:
        if flows.is_paused(own):
            return f"{own} was paused, and no task of it could have let them go"
    except NotFound:
        return f"{own} was gone, and no task of it could have let them go"
    except Forbidden:
        pass  # who may not see it still lets go in time
    if asked.until and context.clock() >= parse_rfc3339(asked.until):
        return "they had been held as long as they may be"
    return ""


def let_go(context: Context, flows: Flows, point: str, why: str) -> list[str]:
    """Unpause what this run paused before its end, and say so in the point; returns their ids. The
    run itself still ends the hold."""
    asked = context.vault.find_document(_key(context, point, _ASKED), Asked)
    for dag in asked.paused if asked else ():
        flows.set_paused(dag, paused=False)
    if context.vault.find_document(_key(context, point, _UNTIL), _Until) is None:
        context.vault.settle_document(_key(context, point, _EARLY), why, str)
    return list(asked.paused) if asked else []


def is_held(context: Context, point: str) -> bool:
    """Whether this run may hold something, and has not let go."""
    asked = context.vault.find_document(_key(context, point, _ASKED), Asked)
    if asked is None or not asked.paused:
        return False
    return context.vault.find_document(_key(context, point, _ENDED), str) is None


def quiet_facts(context: Context, point: str) -> tuple[HeldDags | msgspec.UnsetType, list[str]]:
    """What the manifest tells, and its warnings."""
    wanted = context.instance.policy.quiesce
    if wanted is None:
        return msgspec.UNSET, []
    names = ", ".join(wanted.dags)
    since = context.vault.find_document(_key(context, point, _SINCE), _Since)
    if since is None:
        told = HeldDags(wanted.dags, wanted.mode)
        return told, [f"quiesce: nobody held {names}: only a run of Airflow's, with volumes, does"]
    until = context.vault.find_document(_key(context, point, _UNTIL), _Until) or _Until("")
    warnings = [f"quiesce: was busy when the snapshots began: {who}" for who in since.busy]
    warnings += [f"quiesce: began before the snapshots were there: {r}" for r in until.disturbed]
    early = context.vault.find_document(_key(context, point, _EARLY), str)
    if early:
        warnings.append(f"quiesce: {names} ran on before the snapshots were there: {early}")
    if not until.moment:
        warnings.append(f"quiesce: nobody could tell whether {names} stayed quiet")
    told = HeldDags(
        wanted.dags, wanted.mode, since.moment, until.moment, since.busy, until.disturbed
    )
    return told, warnings


def held_records(vault: Vault, instance: str) -> dict[str, str]:
    """Keys of the records of runs that have not let go, with their points: nobody removes them."""
    prefix = layout.all_parts(instance)
    keys = {stat.key for stat in vault.store.list(prefix)}
    found = {}
    for key in keys:
        point, _, name = key.removeprefix(prefix).partition("/")
        if name == _ASKED and layout.part(instance, point, _ENDED) not in keys:
            found[key] = point
    return found


def _unended(context: Context, point: str) -> Iterator[tuple[str, Asked]]:
    """Records of other points whose run ended without letting go."""
    for key, other in sorted(held_records(context.vault, context.instance.id).items()):
        record = context.vault.find_document(key, Asked) if other != point else None
        if record is not None:
            yield other, record


def _wanted(context: Context) -> Quiesce:
    wanted = context.instance.policy.quiesce
    if wanted is None:
        raise NotQuiet(f"the policy of {context.instance.id} names no DAGs to hold any more")
    return wanted


def _key(context: Context, point: str, what: str) -> str:
    return layout.part(context.instance.id, point, what)
