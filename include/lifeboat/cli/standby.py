"""Commands of a standby: what lies there, bring it a point, let it take over, bring it home."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from lifeboat.cli.options import (
    AsJson,
    Include,
    InstanceArg,
    Key,
    KubeContext,
    PointOption,
    VaultUrl,
)
from lifeboat.cli.output import say, show_json, show_lines, show_table
from lifeboat.cli.source import Source
from lifeboat.cli.trail import leave_at, login
from lifeboat.clock import utc_now
from lifeboat.errors import LifeboatError, UsageError
from lifeboat.point.standby import StandbyEvent
from lifeboat.policy.load import load_include, standing_clusters
from lifeboat.policy.model import ClusterEntry
from lifeboat.report.standby import StandbyRow, standby_row, standbys_in
from lifeboat.standby import failback as back
from lifeboat.standby import failover as over
from lifeboat.standby.runbook import Wish, capture, standing
from lifeboat.standby.sides import Sides, wanted_of
from lifeboat.standby.situation import look
from lifeboat.standby.sync import Asked, bounded
from lifeboat.standby.sync import sync as run_sync
from lifeboat.standby.undone import not_undone
from lifeboat.wiring import NoConnections, open_sides, unlock

standby_app = typer.Typer(
    invoke_without_command=True, help="A second cluster at the newest point, ready to take over."
)
_COLUMNS = ("INSTANCE", "STANDBY", "STATE", "POINT", "LAG", "OBJECTIVE", "SINCE")

StandbyKubeconfig = Annotated[
    Path | None,
    typer.Option("--kubeconfig", help="the standby is the cluster of this kubeconfig"),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only say what would happen")]


@standby_app.callback()
def standby(
    context: typer.Context,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Tell what lies in every standby, and how far it is behind. Needs the vault alone.

    Ends with the exit code of a vault that could not be read, after telling of all.
    """
    if context.invoked_subcommand is not None:
        return
    source = Source(include=include, vault_url=vault, key=key)
    rows, failed = _rows(source)
    if as_json:
        show_json(rows)
    else:
        show_table(_COLUMNS, map(_row, rows))
        for row in rows:
            show_lines(f"{row.instance}: {line}" for line in (*row.missing, *row.notes))
    for error in failed:
        say(str(error))
    if failed:
        raise typer.Exit(failed[0].exit_code)


@standby_app.command()
def show(
    instance: InstanceArg,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    kubeconfig: StandbyKubeconfig = None,
    kube_context: KubeContext = "",
    as_json: AsJson = False,
) -> None:
    """Tell how one standby stands: both clusters are asked, nothing is changed."""
    found = look(_sides(Source(include, vault, key, kubeconfig, kube_context), instance), utc_now())
    show_json(found) if as_json else show_lines(found.lines())


@standby_app.command()
def sync(
    instance: InstanceArg,
    point: PointOption = "latest",
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    kubeconfig: StandbyKubeconfig = None,
    kube_context: KubeContext = "",
    as_json: AsJson = False,
) -> None:
    """Bring a point to the standby now. Refused while the standby runs the application."""
    sides = _sides(Source(include, vault, key, kubeconfig, kube_context), instance)
    opened = sides.standby()
    leave_at(opened, "standby", point, f"to {sides.entry.name}")
    asked = Asked(f"cli-{uuid4()}", login())
    ended = run_sync(opened, point, asked, say, sides.read_transform)
    show_json(ended) if as_json else show_lines(_told(ended))


@standby_app.command("capture")
def capture_it(
    instance: InstanceArg,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    kubeconfig: StandbyKubeconfig = None,
    kube_context: KubeContext = "",
) -> None:
    """Capture the standby while it runs the application, as a point of <policy>.<standby>."""
    sides = _sides(Source(include, vault, key, kubeconfig, kube_context), instance)
    now = standing(sides)
    if now.brought is None or now.mode != "active":
        raise UsageError(f"{sides.title} does not run the application")
    opened = sides.still_standby(now.brought.namespaces)
    made = capture(opened, f"cli-{uuid4()}", say)
    leave_at(opened, "backup", made.point)
    show_lines([f"point {made.point} of {made.instance}: {made.objects} objects"])


def failover(
    instance: InstanceArg,
    point: PointOption = "latest",
    planned: Annotated[
        bool,
        typer.Option("--planned", help="hold the primary and capture it first: nothing is lost"),
    ] = False,
    as_it_is: Annotated[
        bool,
        typer.Option("--as-it-is", help="bring nothing: take over with what lies there already"),
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    kubeconfig: StandbyKubeconfig = None,
    kube_context: KubeContext = "",
    as_json: AsJson = False,
) -> None:
    """Let the standby take over. Goes on where an earlier one stopped."""
    sides = _sides(Source(include, vault, key, kubeconfig, kube_context), instance)
    if planned and (as_it_is or point != "latest"):
        raise UsageError("--planned captures a point of its own", hint="leave the other one out")
    wish = Wish(f"cli-{uuid4()}", login(), point, planned=planned, as_it_is=as_it_is)
    if not _Question(sides, yes, dry_run).agreed("Let the standby take over?", over.STEPS):
        return
    leave_at(sides.standby(), "failover", sides.entry.name, point)
    _end(over.failover(sides, wish, say), as_json)


def failback(
    instance: InstanceArg,
    accept: Annotated[
        bool, typer.Option("--accept", help="go on although something cannot be brought home")
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    kubeconfig: StandbyKubeconfig = None,
    kube_context: KubeContext = "",
    as_json: AsJson = False,
) -> None:
    """Bring the application home, with what it wrote meanwhile. Goes on where one stopped."""
    sides = _sides(Source(include, vault, key, kubeconfig, kube_context), instance)
    show_lines(bounded(list(not_undone(sides))))
    if not _Question(sides, yes, dry_run).agreed("Bring it home?", back.STEPS):
        return
    leave_at(sides.standby(), "failback", sides.entry.name)
    wish = Wish(f"cli-{uuid4()}", login(), accept=accept)
    _end(back.failback(sides, wish, say), as_json)


def _end(ended: StandbyEvent, as_json: bool) -> None:
    show_json(ended) if as_json else show_lines(_told(ended))
    over.ensure_up(ended)


@dataclass(frozen=True)
class _Question:
    """Shows how things stand before anything is changed."""

    sides: Sides
    yes: bool
    dry_run: bool

    def agreed(self, question: str, steps: Iterable[str]) -> bool:
        """False after a dry run. Raises UsageError when nobody said yes."""
        show_lines(look(self.sides, utc_now()).lines())
        if self.dry_run:
            show_lines(f"would {step}" for step in steps)
            return False
        if self.yes:
            return True
        if not sys.stdin.isatty():
            raise UsageError("somebody must agree", hint="look with --dry-run, then say --yes")
        if not typer.confirm(question, err=True):
            raise UsageError("nobody agreed; nothing was changed")
        return True


def _sides(source: Source, name: str) -> Sides:
    """By the files; given a vault's url, by its newest point: then the standby is the cluster of
    `--kubeconfig`, the primary that of KUBECONFIG."""
    primary = Source(source.include, source.vault_url, source.key)
    instance = primary.instance(name)
    wanted = wanted_of(instance).cluster
    if source.kubeconfig:
        path = str(source.kubeconfig.resolve())
        entry = ClusterEntry(name=wanted, kubeconfig=path, context=source.kube_context)
    elif ":" in source.vault_url:
        raise UsageError("with a vault alone, --kubeconfig says which cluster stands by")
    else:
        found = standing_clusters(source.folder).cluster(wanted)
        if found is None:
            raise UsageError(f"no cluster {wanted!r} in {source.folder / 'clusters.yaml'}")
        entry = found
    return open_sides(instance, entry, NoConnections(), source.folder)


def _rows(source: Source) -> tuple[list[StandbyRow], list[LifeboatError]]:
    now = utc_now()
    rows: list[StandbyRow] = []
    failed: list[LifeboatError] = []
    if ":" in source.vault_url:
        vault = unlock(source.vault_entry(""), NoConnections(), read_only=True)
        for name, _ in standbys_in(vault):
            row = standby_row(vault, source.instance(name), now)
            rows += [row] if row else []
        return rows, failed
    for instance in load_include(source.folder).instances:
        if instance.policy.standby is None:
            continue
        try:
            vault = unlock(instance.vault, NoConnections(), read_only=True)
            row = standby_row(vault, instance, now)
            rows += [row] if row else []
        except LifeboatError as error:
            error.message = f"{instance.id}: {error.message}"
            failed.append(error)
    return rows, failed


def _row(row: StandbyRow) -> tuple[str, ...]:
    return (row.instance, row.cluster, row.state, row.point or "-", row.lag, row.limit, row.since)


def _told(ended: StandbyEvent) -> Iterator[str]:
    yield f"standby {ended.cluster} of {ended.instance}: {ended.event}, point {ended.point or '-'}"
    for phase in ended.phases:
        yield f"  {phase.seconds:7.1f} s  {phase.name}"
    yield from (f"  {line}" for line in ended.notes)
    yield from (f"  {one.outcome} {one.name}: {one.detail}" for one in ended.checks)
    yield from (f"  MISSING {line}" for line in ended.missing)
    yield from (f"  FAILED  {line}" for line in ended.failed)
