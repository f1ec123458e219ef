"""Commands that bring things back: restore."""

from __future__ import annotations

from typing import Annotated
from uuid import uuid4

import msgspec
import typer

from lifeboat.cli.options import (
    AsJson,
    ClusterName,
    Include,
    InstanceArg,
    Key,
    Kubeconfig,
    KubeContext,
    PointArg,
    VaultUrl,
)
from lifeboat.cli.output import say, show_json, show_lines
from lifeboat.cli.source import Source
from lifeboat.errors import RestoreIncomplete
from lifeboat.point import catalog
from lifeboat.restore.model import RestorePlan, RestoreReport, RestoreRequest
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.request import parse_mapping, parse_mode, parse_moment
from lifeboat.restore.run import restore as run_restore
from lifeboat.restore.run import restore_id, stored_report, summary
from lifeboat.steps.context import Context


def restore(
    instance: InstanceArg,
    point: PointArg = "latest",
    before: Annotated[
        str, typer.Option(help="the newest complete point captured before this time (RFC 3339)")
    ] = "",
    namespace: Annotated[
        list[str] | None, typer.Option("--namespace", "-n", help="only this namespace (repeatable)")
    ] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", help="FROM=TO: restore FROM as TO (repeatable)")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="only this kind (repeatable)")
    ] = None,
    mode: Annotated[
        str, typer.Option(help="objects that exist: `skip` leaves them, `merge` updates them")
    ] = "skip",
    volumes: Annotated[bool, typer.Option(help="bring volumes back with their data")] = True,
    from_vault: Annotated[
        bool, typer.Option("--from-vault", help="volumes from their files in the vault, if any")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only show the plan")] = False,
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    kubeconfig: Kubeconfig = None,
    kube_context: KubeContext = "",
    cluster: ClusterName = "",
    as_json: AsJson = False,
) -> None:
    """Restore a point, or part of it."""
    source = Source(include, vault, key, kubeconfig, kube_context, cluster)
    context = source.context(instance)
    request = RestoreRequest(
        instance=instance,
        point=catalog.find(context.vault, instance, point, parse_moment(before)).point,
        namespaces=tuple(namespace or ()),
        mapping=parse_mapping(mapping or ()),
        kinds=tuple(kind or ()),
        mode=parse_mode(mode),
        volumes=volumes,
        from_vault=from_vault,
        dry_run=dry_run,
    )
    run = f"cli-{uuid4()}"
    if dry_run:
        plan = plan_restore(context, request, restore_id(instance, run))
        if as_json:
            items = list(items_of(context.vault, plan))
            show_json({**msgspec.to_builtins(plan), "items": msgspec.to_builtins(items)})
        else:
            show_lines(_describe_plan(context, plan))
        return
    try:
        account = run_restore(context, request, run, say)
    except RestoreIncomplete:
        account = stored_report(context, instance, restore_id(instance, run))
        show_json(account) if as_json else show_lines(_describe_report(account))
        raise
    show_json(account) if as_json else show_lines(_describe_report(account))


def _describe_plan(context: Context, plan: RestorePlan) -> list[str]:
    lines = [
        f"{item.action:7} {item.title}" + (f"  ({item.reason})" if item.reason else "")
        for item in items_of(context.vault, plan)
    ]
    for volume in plan.volumes:
        lines.append(f"volume  {volume.namespace}/{volume.claim} from {volume.snapshot.handle}")
    lines += [f"warning {warning}" for warning in plan.warnings]
    return [*lines, summary(plan), f"digest {plan.digest}"]


def _describe_report(account: RestoreReport) -> list[str]:
    total = next((p.seconds for p in account.phases if p.name == "total"), 0.0)
    lines = [
        f"restored {account.point} of {account.instance} in {total:.1f} s:"
        f" {account.created} created, {account.merged} merged, {account.unchanged} unchanged,"
        f" {len(account.skipped)} skipped, {account.left} left to their makers,"
        f" {len(account.failed)} failed"
    ]
    lines += [f"  skipped {line}" for line in account.skipped]
    lines += [f"  changed {line}" for line in account.changes]
    lines += [f"  warning {line}" for line in account.warnings]
    return [*lines, *(f"  FAILED  {line}" for line in account.failed)]
