"""Commands that make and show points: backup, points, show."""

from __future__ import annotations

from uuid import uuid4

import msgspec

from lifeboat.cli.copies import VOLUME_DATA, describe_copies, read_copies
from lifeboat.cli.options import AsJson, Include, InstanceArg, Key, PointArg, VaultUrl
from lifeboat.cli.output import say, show_json, show_lines, show_table, size
from lifeboat.cli.source import Source
from lifeboat.cli.trail import leave_at
from lifeboat.errors import BlobMissing, Damaged, NewerFormat
from lifeboat.point import catalog
from lifeboat.point.capture import Capture, describe
from lifeboat.point.contents import Contents
from lifeboat.point.facts import Hold, Verdict, read_holds, readable_verdicts
from lifeboat.point.liveness import bereft, stored_blobs
from lifeboat.point.manifest import Manifest, Run, open_contents
from lifeboat.policy.load import load_include
from lifeboat.steps.backup import backup as run_backup
from lifeboat.steps.commit import ensure_complete
from lifeboat.steps.note import note_exposure, note_served
from lifeboat.vault.vault import Vault


def backup(instance: InstanceArg, include: Include = None, as_json: AsJson = False) -> None:
    """Capture a point now."""
    source = Source(include=include)
    context = source.context(instance)
    run = Run(run_id=f"cli-{uuid4()}", trigger="cli")
    manifest = run_backup(context, run, say)
    assert manifest is not None  # only backfills capture nothing
    policies = load_include(source.folder).policies_on(context.instance.cluster.name)
    note_served(context, manifest, say)
    note_exposure(context, manifest, policies, say)
    leave_at(context, "backup", manifest.point)
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
    source = Source(include=include, vault_url=vault, key=key)
    opened = source.vault(instance)
    copies = read_copies(opened, source.copies(instance))
    manifests, damaged = catalog.readable(opened, instance)
    gone = bereft(opened, manifests, stored_blobs(opened).keys())
    told = {m.point: m for m in manifests} | dict.fromkeys(damaged)
    damaged |= {point: "; ".join(what) for point, what in gone.items()}
    proofs = {verdict.point: verdict for verdict in readable_verdicts(opened, instance)}
    holds = _by_point(read_holds(opened, instance))
    newest_first = sorted(told.items(), reverse=True)
    if as_json:
        for line in describe_copies(copies):
            say(line)
        show_json(
            [
                {
                    **(_summary(manifest) if manifest else {"point": point}),
                    "damaged": damaged.get(point, ""),
                    "verdict": proofs.get(point),
                    "holds": holds.get(point, []),
                    "copies": copies.holding(point),
                }
                for point, manifest in newest_first
            ]
        )
        return
    if not told:
        show_lines([f"{instance} has no points yet; `lifeboat backup {instance}` makes one"])
        return
    columns = ("POINT", "CAPTURED", "STATE", "OBJECTS", "VOLUMES", "STORED", "PROVEN")
    rows = [
        (
            *_row(p, m, proofs.get(p), damaged=p in damaged, held=p in holds),
            *([", ".join(copies.holding(p)) or "-"] if copies else []),
        )
        for p, m in newest_first
    ]
    show_table((*columns, "COPIES") if copies else columns, rows)
    show_lines(f"DAMAGED {point}: {why}" for point, why in sorted(damaged.items(), reverse=True))
    show_lines(describe_copies(copies))
    if any(manifest.volumes for manifest in manifests):
        show_lines([VOLUME_DATA])


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
    verdicts = readable_verdicts(opened, instance, manifest.point)
    gone = bereft(opened, [manifest], stored_blobs(opened).keys()).get(manifest.point, ())
    holds = read_holds(opened, instance, manifest.point)
    contents = _opened(opened, manifest)
    if as_json:
        told = _summary(manifest)
        told |= {"namespaces": (), "kinds": {}, "damaged": "; ".join(gone)}
        if contents:
            told |= {"namespaces": contents.namespaces(), "kinds": contents.kinds()}
        show_json({"manifest": told, "verdicts": verdicts, "holds": holds})
        return
    show_lines(_describe(manifest, contents))
    show_lines(f"DAMAGED    {what}" for what in gone)
    show_lines(f"held       since {hold.held}, {hold.id}: {hold.reason}" for hold in holds)
    show_lines(_describe_verdict(verdict) for verdict in verdicts)


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


def _row(
    point: str, manifest: Manifest | None, verdict: Verdict | None, *, damaged: bool, held: bool
) -> tuple[str, ...]:
    if manifest is None:
        return (point, "", "DAMAGED", "", "", "", "")
    state = "complete" if manifest.complete else "INCOMPLETE"
    proven = "never tested"
    if verdict is not None:
        proven = f"yes, in {verdict.rto_seconds:.0f} s" if verdict.proven else "test failed"
    return (
        manifest.point,
        manifest.captured_to,
        ("DAMAGED" if damaged else state) + (", held" if held else ""),
        str(manifest.objects),
        str(len(manifest.volumes)),
        size(manifest.new_bytes),
        proven,
    )


def _opened(vault: Vault, manifest: Manifest) -> Contents | None:
    """What the point holds, None when that cannot be read any more."""
    try:
        contents = open_contents(vault, manifest)
        contents.namespaces()
    except (Damaged, NewerFormat, BlobMissing):
        return None
    return contents


def _describe(manifest: Manifest, contents: Contents | None) -> list[str]:
    state = "complete" if manifest.complete else "INCOMPLETE: see what is left out below"
    lines = [
        f"point      {manifest.point} of {manifest.instance}, {state}",
        f"captured   {manifest.captured_from} to {manifest.captured_to}"
        f" (Kubernetes {manifest.server_version})",
        f"namespaces {_namespaces(contents)}",
        f"objects    {manifest.objects} ({size(manifest.object_bytes)}), of which"
        f" {manifest.new_objects} new ({size(manifest.new_bytes)} stored)",
        *(
            f"  {number:6} {kind}"
            for kind, number in (contents.kinds() if contents else {}).items()
        ),
    ]
    for volume in manifest.volumes:
        lines.append(f"volume     {volume.volume.title}, {size(volume.size)}, {volume.handle}")
    lines += [f"           {VOLUME_DATA}"] if manifest.volumes else []
    lines += _describe_freeze(manifest)
    lines += [f"           {line}" for line in describe(manifest.capture or Capture())]
    if manifest.quiet and manifest.quiet.since:
        quiet = manifest.quiet
        until = quiet.until or "nobody could tell"
        lines.append(f"held DAGs  {', '.join(quiet.dags)} ({quiet.mode}), {quiet.since} to {until}")
    lines += [f"warning    {warning}" for warning in manifest.warnings]
    for entry in manifest.left_out:
        mark = "LEFT OUT  " if entry.severity == "loss" else "left out  "
        lines.append(f"{mark} {entry.what}: {entry.reason}")
    return lines


def _describe_freeze(manifest: Manifest) -> list[str]:
    freeze = manifest.freeze
    if not freeze:
        return []
    lines = [f"stilled    {freeze.began} to {freeze.ended or 'later'}"]
    for run in freeze.hooks:
        told = "FAILED" if run.trouble else f"{run.seconds:.1f} s"
        lines.append(f"  {run.phase:4} {run.what}: {told}")
    return lines


def _namespaces(contents: Contents | None) -> str:
    if contents is None:
        return "cannot be read"
    return ", ".join(contents.namespaces()) or "none"


def _describe_verdict(verdict: Verdict) -> str:
    if verdict.proven:
        return f"proven     {verdict.ended}, recovered in {verdict.rto_seconds:.1f} s"
    failed = [f"{c.name}: {c.detail}" for c in verdict.checks if c.outcome != "passed"]
    return f"NOT proven {verdict.ended}: {'; '.join(failed) or verdict.error}"
