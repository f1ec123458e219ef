"""Commands that keep a vault in order: prune, reconcile, scrub."""

from __future__ import annotations

from typing import Annotated

import typer

from lifeboat.cli.options import AsJson, Include, InstanceArg, Key, VaultUrl
from lifeboat.cli.output import say, show_json, show_lines, size
from lifeboat.cli.plans import describe_impact, describe_prune
from lifeboat.cli.source import Source
from lifeboat.clock import utc_now
from lifeboat.errors import Damaged, UsageError
from lifeboat.steps.edit import edit_impact
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.reconcile import (
    Orphan,
    Reconciliation,
    ensure_nothing_gone,
    gone_lines,
    remove_orphans,
)
from lifeboat.steps.reconcile import reconcile as find_orphans
from lifeboat.steps.scrub import Scrubbed, damage_lines, ensure_sound, sample, turn_at
from lifeboat.steps.scrub import scrub as run_scrub

_DAY = 86_400


def prune(
    instance: InstanceArg,
    include: Include = None,
    dry_run: bool = typer.Option(False, "--dry-run", help="only show what would be removed"),
    as_json: AsJson = False,
) -> None:
    """Remove the points that the policy's retention no longer keeps."""
    context = Source(include=include).context(instance)
    plan = plan_prune(context)
    edit = edit_impact(context.vault, context.instance, context.clock())
    result = None if dry_run else execute_prune(context, plan)
    if as_json:
        show_json({"plan": plan, "edit": edit, "result": result})
        return
    show_lines(describe_prune(plan, done=not dry_run))
    if edit.changed:
        show_lines(describe_impact(edit))
    if result:
        show_lines(f"  left behind: {leftover}" for leftover in result.leftovers)


def reconcile(
    instance: InstanceArg,
    include: Include = None,
    delete: bool = typer.Option(
        False, "--delete", help="put orphans on record; delete those on record for a day"
    ),
    as_json: AsJson = False,
) -> None:
    """Find what crashes left behind, in the vault and in the cluster."""
    context = Source(include=include).context(instance)
    found = find_orphans(context)
    removed = remove_orphans(context, found) if delete else []
    if as_json:
        show_json({"found": found, "removed": removed})
        if found.damaged:
            raise typer.Exit(Damaged.exit_code)
        return
    show_lines(_describe_orphans(found, removed))
    ensure_nothing_gone(found)


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
    as_json: AsJson = False,
) -> None:
    """Read the vault again and say what is damaged, by point and by object."""
    opened = Source(include=include, vault_url=vault, key=key).vault(instance)
    number = turn_at(utc_now().timestamp(), _DAY) if turn is None else turn
    chosen = sample(_percent(share), number)
    if chosen.slots > 1:
        say(f"{chosen}, turn {number}: {chosen.slots} turns in a row read everything")
    found = run_scrub(opened, instance, chosen, say)
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
