"""Commands that keep a vault in order: copy, prune, reconcile, scrub."""

from __future__ import annotations

from functools import partial
from typing import Annotated, TypedDict

import msgspec
import typer

from lifeboat.cli.options import AsJson, Include, InstanceArg, Key, VaultUrl
from lifeboat.cli.output import say, show_json, show_lines, size
from lifeboat.cli.plans import describe_impact, describe_prune
from lifeboat.cli.source import Source
from lifeboat.cli.trail import leave_at
from lifeboat.clock import rfc3339, utc_now
from lifeboat.errors import Damaged, LifeboatError, UsageError
from lifeboat.policy.fields import parse_duration
from lifeboat.proof.run import clean_up
from lifeboat.steps.context import AtCopy, Custody
from lifeboat.steps.copy_plan import wanted_by
from lifeboat.steps.copy_regions import ensure_copied, finish_copies, look_at_copies
from lifeboat.steps.edit import edit_impact
from lifeboat.steps.prune import PrunePlan, PruneResult, execute_prune, going, plan_prune
from lifeboat.steps.reconcile import (
    CleanTest,
    Orphan,
    Reconciliation,
    ensure_nothing_gone,
    gone_lines,
    remove_orphans,
)
from lifeboat.steps.reconcile import reconcile as find_orphans
from lifeboat.steps.scrub import (
    Scrubbed,
    damage_lines,
    ensure_sound,
    record_damage,
    sample,
    turn_at,
)
from lifeboat.steps.scrub import scrub as run_scrub

_DAY = 86_400


def prune(
    instance: InstanceArg,
    include: Include = None,
    dry_run: bool = typer.Option(False, "--dry-run", help="only show what would be removed"),
    at_once: bool = typer.Option(
        False, "--at-once", help="let an edit of the policy count now, not after a day"
    ),
    as_json: AsJson = False,
) -> None:
    """Remove the points that the policy's retention no longer keeps, and from each copy those that
    the copy's does not."""
    source = Source(include=include)
    context, copies = source.context(instance), _readable(source.copies(instance))
    plan = plan_prune(context, wanted_by(context.vault, copies), at_once=at_once)
    edit = edit_impact(context.vault, context.instance, context.clock())
    pruned = _executed(context, plan, dry_run=dry_run)
    there = {
        copy.instance.vault.name: _prune_copy(copy, dry_run=dry_run, at_once=at_once)
        for copy in copies
    }
    if as_json:
        plain = {"plan": plan, "edit": edit, "result": pruned.result}
        show_json({**plain, "copies": there})
        return
    show_lines(_describe_pruned(pruned))
    if edit.changed:
        show_lines(describe_impact(edit))
    for name, found in there.items():
        show_lines([f"copy {name}:", *_describe_pruned(found)])


class _Pruned(msgspec.Struct, frozen=True):
    """What would go from one place, and what went, unless it was a dry run."""

    plan: PrunePlan
    result: PruneResult | None


def _prune_copy(copy: AtCopy, *, dry_run: bool, at_once: bool) -> _Pruned:
    plan = plan_prune(copy, at_once=at_once)
    return _executed(copy, plan, dry_run=dry_run)


def _executed(place: Custody, plan: PrunePlan, *, dry_run: bool) -> _Pruned:
    if dry_run:
        return _Pruned(plan, None)
    if plan.remove:
        leave_at(place, "delete", detail=going(plan))
    return _Pruned(plan, execute_prune(place, plan))


def _describe_pruned(pruned: _Pruned) -> list[str]:
    leftovers = pruned.result.leftovers if pruned.result else ()
    return [
        *describe_prune(pruned.plan, done=pruned.result is not None),
        *(f"  left behind: {leftover}" for leftover in leftovers),
    ]


def _readable(copies: list[AtCopy | LifeboatError]) -> list[AtCopy]:
    """Raises for a copy that cannot be read: what it lacks is not known, and must not go."""
    for copy in copies:
        if isinstance(copy, LifeboatError):
            raise copy
    return [copy for copy in copies if isinstance(copy, AtCopy)]


def copy_regions(
    instance: InstanceArg,
    include: Include = None,
    wait: Annotated[
        str, typer.Option("--wait", help="look again until all is copied, such as 2h")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Copy snapshots into the regions that the policy names, and remove old copies."""
    context = Source(include=include).context(instance)
    if not context.instance.policy.volumes.azure.copies:
        raise UsageError(f"{instance} copies nothing", hint="see volumes.azure.copies")
    try:
        limit = parse_duration(wait) if wait else None
    except ValueError as error:
        raise UsageError(f"--wait {wait} is not {error}") from None
    found = finish_copies(context, limit) if limit else look_at_copies(context)
    if as_json:
        show_json(found)
    else:
        show_lines(
            [
                f"{found.ready} copies are whole",
                *(f"  {word}: {title}" for word, title in found.told()),
            ]
        )
    ensure_copied(found)


def reconcile(
    instance: InstanceArg,
    include: Include = None,
    delete: bool = typer.Option(
        False, "--delete", help="put orphans on record; delete those on record for a day"
    ),
    as_json: AsJson = False,
) -> None:
    """Find what crashes left behind, in the vault, in the cluster and in the copies."""
    source = Source(include=include)
    context = source.context(instance)
    places: list[Custody] = [context, *_readable(source.copies(instance))]
    clean_test = partial(clean_up, context)
    first, *there = [_reconciled(place, clean_test, delete=delete) for place in places]
    if as_json:
        show_json({**first, "copies": dict(zip(map(_name, places[1:]), there, strict=True))})
        if any(told["found"].damaged for told in (first, *there)):
            raise typer.Exit(Damaged.exit_code)
        return
    for place, told in zip(places, (first, *there), strict=True):
        if place is not places[0]:
            show_lines([f"copy {_name(place)}:"])
        show_lines(_describe_orphans(told["found"], told["removed"]))
    for told in (first, *there):
        ensure_nothing_gone(told["found"])


class _Told(TypedDict):
    found: Reconciliation
    removed: list[str]


def _reconciled(place: Custody, clean_test: CleanTest, *, delete: bool) -> _Told:
    found = find_orphans(place)
    if delete:
        leave_at(place, "reconcile", detail=f"{len(found.orphans)} orphans")
    removed = remove_orphans(place, found, clean_test) if delete else []
    return {"found": found, "removed": removed}


def _name(place: Custody) -> str:
    return place.instance.vault.name


def scrub(
    instance: InstanceArg,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    share: Annotated[
        str, typer.Option("--sample", help="how much of the packs to read, such as 5%")
    ] = "100%",
    turn: Annotated[
        int | None,
        typer.Option("--turn", min=0, help="which share; default: the number of the day (UTC)"),
    ] = None,
    record: bool = typer.Option(
        False, "--record", help="put damaged packs on record: the next backup replaces them"
    ),
    as_json: AsJson = False,
) -> None:
    """Read the vault again and say what is damaged, by point and by object."""
    opened = Source(include=include, vault_url=vault, key=key).vault(instance)
    number = turn_at(utc_now().timestamp(), _DAY) if turn is None else turn
    chosen = sample(_percent(share), number)
    if chosen.slots > 1:
        say(f"{chosen}, turn {number}: {chosen.slots} turns in a row read everything")
    found = run_scrub(opened, instance, chosen, say)
    if record:
        for pack in record_damage(opened, found, rfc3339(utc_now())):
            say(f"pack {pack} is on record: the next backup stores anew what it needs of it")
    if not as_json:
        show_lines(_describe_scrub(found))
        ensure_sound(found)
        return
    show_json(found)
    if found.damage:
        raise typer.Exit(Damaged.exit_code)


def _percent(text: str) -> int:
    digits = text.removesuffix("%")
    if not digits.isdecimal():
        raise UsageError(f"{text!r} is no sample: write 1% to 100%")
    return int(digits)


def _describe_orphans(found: Reconciliation, removed: list[str]) -> list[str]:
    lines = [f"DAMAGED  {line}" for line in gone_lines(found)]
    lines += [f"orphan   {one.what}: {one.reason} ({_standing(one)})" for one in found.orphans]
    lines += [f"removed  {what}" for what in removed]
    return lines or ["nothing is orphaned, nothing is damaged"]


def _standing(orphan: Orphan) -> str:
    if orphan.ripe:
        return f"on record since {orphan.since}: may go"
    if orphan.since:
        return f"on record since {orphan.since}"
    return "not on record yet: --delete puts it there"


def _describe_scrub(found: Scrubbed) -> list[str]:
    lines = [
        f"read {found.packs} packs, {found.frames} frames, {size(found.bytes)} of"
        f" {found.points} points of {found.instance} ({found.sample})"
    ]
    lines += [f"DAMAGED  {line}" for line in damage_lines(found)] or ["nothing is damaged"]
    whole = found.newest_whole or "none"
    return [*lines, f"newest whole point: {whole}"]
