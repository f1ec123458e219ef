"""Commands that work on points: backup, points, show, prune, reconcile."""

from __future__ import annotations

from uuid import uuid4

import msgspec
import typer

from lifeboat.cli.options import AsJson, Include, InstanceArg, Key, PointArg, VaultUrl
from lifeboat.cli.output import say, show_json, show_lines, show_table, size
from lifeboat.cli.plans import describe_impact, describe_prune
from lifeboat.cli.source import Source
from lifeboat.point import catalog
from lifeboat.point.contents import Contents
from lifeboat.point.facts import Hold, Verdict, read_holds, read_verdicts
from lifeboat.point.manifest import Manifest, Run, open_contents
from lifeboat.steps.backup import backup as run_backup
from lifeboat.steps.commit import ensure_complete
from lifeboat.steps.edit import edit_impact
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.reconcile import Reconciliation, remove_orphans
from lifeboat.steps.reconcile import reconcile as find_orphans


def backup(instance: InstanceArg, include: Include = None, as_json: AsJson = False) -> None:
    """Capture a point now."""
    context = Source(include=include).context(instance)
    run = Run(run_id=f"cli-{uuid4()}", trigger="cli")
    manifest = run_backup(context, run, say)
    assert manifest is not None  # only backfills capture nothing
    if as_json:
        show_json(_summary(manifest))
    else:
        show_lines(_describe(manifest, open_contents(context.vault, manifest)))
    ensure_complete(manifest)


def points(
    instance: InstanceArg,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """List the points of an instance, newest first."""
    opened = Source(include=include, vault_url=vault, key=key).vault(instance)
    manifests = list(reversed(catalog.manifests(opened, instance)))
    proofs = {verdict.point: verdict for verdict in read_verdicts(opened, instance)}
    holds = _by_point(read_holds(opened, instance))
    if as_json:
        rows = [
            {**_summary(m), "verdict": proofs.get(m.point), "holds": holds.get(m.point, [])}
            for m in manifests
        ]
        show_json(rows)
        return
    if not manifests:
        show_lines([f"{instance} has no points yet; `lifeboat backup {instance}` makes one"])
        return
    show_table(
        ("POINT", "CAPTURED", "STATE", "OBJECTS", "VOLUMES", "STORED", "PROVEN"),
        [_row(m, proofs.get(m.point), held=m.point in holds) for m in manifests],
    )


def show(
    instance: InstanceArg,
    point: PointArg = "latest",
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Show what a point holds and what it leaves out."""
    opened = Source(include=include, vault_url=vault, key=key).vault(instance)
    manifest = catalog.find(opened, instance, point)
    verdicts = read_verdicts(opened, instance, manifest.point)
    holds = read_holds(opened, instance, manifest.point)
    contents = open_contents(opened, manifest)
    if as_json:
        told = _summary(manifest)
        told |= {"namespaces": contents.namespaces(), "kinds": contents.kinds()}
        show_json({"manifest": told, "verdicts": verdicts, "holds": holds})
        return
    show_lines(_describe(manifest, contents))
    show_lines(f"held       since {hold.held}, {hold.id}: {hold.reason}" for hold in holds)
    show_lines(_describe_verdict(verdict) for verdict in verdicts)


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
    delete: bool = typer.Option(False, "--delete", help="delete orphans older than a day"),
    as_json: AsJson = False,
) -> None:
    """Find what crashes left behind, in the vault and in the cluster."""
    context = Source(include=include).context(instance)
    found = find_orphans(context)
    removed = remove_orphans(context, found) if delete else []
    if as_json:
        show_json({"found": found, "removed": removed})
        return
    show_lines(_describe_orphans(found, removed))


def _summary(manifest: Manifest) -> dict[str, object]:
    """A manifest without where its contents lie."""
    document: dict[str, object] = msgspec.to_builtins(manifest)
    document.pop("tree")
    return document


def _by_point(holds: list[Hold]) -> dict[str, list[Hold]]:
    found: dict[str, list[Hold]] = {}
    for hold in holds:
        found.setdefault(hold.point, []).append(hold)
    return found


def _row(manifest: Manifest, verdict: Verdict | None, *, held: bool) -> tuple[str, ...]:
    proven = "never tested"
    if verdict is not None:
        proven = f"yes, in {verdict.rto_seconds:.0f} s" if verdict.proven else "test failed"
    return (
        manifest.point,
        manifest.captured_to,
        ("complete" if manifest.complete else "INCOMPLETE") + (", held" if held else ""),
        str(manifest.objects),
        str(len(manifest.volumes)),
        size(manifest.new_bytes),
        proven,
    )


def _describe(manifest: Manifest, contents: Contents) -> list[str]:
    state = "complete" if manifest.complete else "INCOMPLETE: see what is left out below"
    lines = [
        f"point      {manifest.point} of {manifest.instance}, {state}",
        f"captured   {manifest.captured_from} to {manifest.captured_to}"
        f" (Kubernetes {manifest.server_version})",
        f"namespaces {', '.join(contents.namespaces()) or 'none'}",
        f"objects    {manifest.objects} ({size(manifest.object_bytes)}), of which"
        f" {manifest.new_objects} new ({size(manifest.new_bytes)} stored)",
        *(f"  {number:6} {kind}" for kind, number in contents.kinds().items()),
    ]
    for volume in manifest.volumes:
        lines.append(f"volume     {volume.volume.title}, {size(volume.size)}, {volume.handle}")
    lines += [f"warning    {warning}" for warning in manifest.warnings]
    for entry in manifest.left_out:
        mark = "LEFT OUT  " if entry.severity == "loss" else "left out  "
        lines.append(f"{mark} {entry.what}: {entry.reason}")
    return lines


def _describe_verdict(verdict: Verdict) -> str:
    if verdict.proven:
        return f"proven     {verdict.ended}, recovered in {verdict.rto_seconds:.1f} s"
    failed = [f"{c.name}: {c.detail}" for c in verdict.checks if c.outcome != "passed"]
    return f"NOT proven {verdict.ended}: {'; '.join(failed) or verdict.error}"


def _describe_orphans(found: Reconciliation, removed: list[str]) -> list[str]:
    lines = [f"damaged  {point}: {', '.join(what)}" for point, what in found.damaged.items()]
    for orphan in found.orphans:
        age = "older than the grace age" if orphan.ripe else "young: may belong to a running backup"
        lines.append(f"orphan   {orphan.what}: {orphan.reason} ({age})")
    lines += [f"removed  {what}" for what in removed]
    return lines or ["nothing is orphaned, nothing is damaged"]
