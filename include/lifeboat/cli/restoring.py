"""Commands that restore: plan, look, approve, apply."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
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
    TransformFiles,
    VaultUrl,
)
from lifeboat.cli.output import say, show_json, show_lines
from lifeboat.cli.source import Source
from lifeboat.cli.trail import leave_at, login
from lifeboat.clock import rfc3339
from lifeboat.errors import BlobMissing, LifeboatError, RestoreIncomplete, UsageError
from lifeboat.point import catalog
from lifeboat.restore.approval import approval_of, check_digest, needed
from lifeboat.restore.approval import approve as record_approval
from lifeboat.restore.model import PlanItem, RestorePlan, RestoreReport
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore, stored_plan
from lifeboat.restore.present import HARMFUL, WORDS, lines
from lifeboat.restore.request import Written, parse_moment
from lifeboat.restore.run import apply_plan, restore_id, stored_report, summary
from lifeboat.restore.transforms.transforms import read_transform
from lifeboat.steps.context import Context

Words = list[str] | None
DigestOption = Annotated[str, typer.Option(help="the digest of the plan that was looked at")]


def restore(
    instance: InstanceArg,
    point: PointArg = "latest",
    also: Annotated[
        Words, typer.Option(help="another instance, restored in the same way (repeatable)")
    ] = None,
    before: Annotated[
        str, typer.Option(help="the newest complete point captured before this time (RFC 3339)")
    ] = "",
    namespace: Annotated[
        Words, typer.Option("--namespace", "-n", help="only this namespace (repeatable)")
    ] = None,
    mapping: Annotated[
        Words, typer.Option("--map", help="FROM=TO: restore FROM as TO (repeatable)")
    ] = None,
    prefix: Annotated[str, typer.Option(help="before the names of all other namespaces")] = "",
    suffix: Annotated[str, typer.Option(help="after the names of all other namespaces")] = "",
    kind: Annotated[Words, typer.Option("--kind", help="only this kind (repeatable)")] = None,
    only: Annotated[
        Words, typer.Option("--object", help="only this object: deployment/web (repeatable)")
    ] = None,
    name: Annotated[Words, typer.Option("--name", help="only names like this: web-*")] = None,
    selector: Annotated[str, typer.Option(help="only objects with these labels: app=web")] = "",
    claim: Annotated[
        Words,
        typer.Option("--claim", help="of claims only this one; the mode may make it anew"),
    ] = None,
    part: Annotated[str, typer.Option(help="`all`, `data` (swap volumes) or `resources`")] = "all",
    mode: Annotated[
        str, typer.Option(help="objects that exist: skip, merge, replace, recreate or fail")
    ] = "skip",
    mode_of: Annotated[
        Words, typer.Option("--mode-of", help="KIND=MODE: another mode for a kind (repeatable)")
    ] = None,
    prune: Annotated[bool, typer.Option("--prune", help="delete what the point lacks")] = False,
    scale_down: Annotated[
        bool, typer.Option("--scale-down", help="stop workloads while they are changed")
    ] = False,
    transform: TransformFiles = None,
    volumes: Annotated[bool, typer.Option(help="bring volumes back with their data")] = True,
    volumes_as: Annotated[
        str, typer.Option(help="claims alone, under new names: {name}-restored")
    ] = "",
    status_of: Annotated[
        Words,
        typer.Option("--status-of", help="restore the status of this kind, too (repeatable)"),
    ] = None,
    from_vault: Annotated[
        bool, typer.Option("--from-vault", help="volumes from their files in the vault, if any")
    ] = False,
    try_creates: Annotated[
        bool, typer.Option("--try-creates", help="try what is new by dry run, too")
    ] = False,
    requests_in_flight: Annotated[
        int, typer.Option(help="requests open at once; 0: as the policy says")
    ] = 0,
    approval: Annotated[
        str, typer.Option(help="whose word it takes: none, required or second-person")
    ] = "none",
    plan_only: Annotated[
        bool, typer.Option("--plan-only", help="store the plan and show it; apply it with --plan")
    ] = False,
    plan: Annotated[str, typer.Option(help="apply this plan, and nothing else")] = "",
    digest: DigestOption = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask before deleting")] = False,
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
    written = Written(
        namespaces=namespace or (),
        mapping=mapping or (),
        prefix=prefix,
        suffix=suffix,
        kinds=kind or (),
        objects=only or (),
        names=name or (),
        labels=selector,
        claims=claim or (),
        part=part,
        mode=mode,
        mode_of=mode_of or (),
        prune=prune,
        scale_down=scale_down,
        volumes=volumes,
        volumes_as=volumes_as,
        from_vault=from_vault,
        compare_all=dry_run or plan_only,
        try_creates=try_creates,
        status_of=status_of or (),
        transforms=[read_transform(source.folder, one) for one in transform or ()],
        dry_run=dry_run,
        in_flight=requests_in_flight,
        approval=approval,
        asked_by=login(),
    )
    if plan and also:
        raise UsageError("--plan is of one instance, --also names another")
    asked = _Asked(source, written, plan, digest, yes, dry_run or plan_only, as_json)
    failed: list[LifeboatError] = []
    for one in (instance, *(also or ())):
        try:
            asked.restore(one, point, before)
        except LifeboatError as error:
            failed.append(error)
            if also:
                say(f"{one}: {error}")
    if failed:
        raise failed[0]


def approve(
    instance: InstanceArg,
    plan: Annotated[str, typer.Argument(help="the plan's id, as `restore --plan-only` printed it")],
    digest: DigestOption = "",
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    as_json: AsJson = False,
) -> None:
    """Approve a restore's plan, so that it may be applied."""
    context = Source(include, vault, key, None, "").context(instance)
    found = _stored(context, instance, plan)
    if not digest:
        show_lines(_describe(context, found))
        raise UsageError(
            "which plan was looked at?", hint=f"say it: --digest {found.digest}, if this one is it"
        )
    said = record_approval(context, found, by=login(), how="terminal", digest=digest)
    leave_at(context, "approve", found.restore, f"digest {said.digest}")
    if as_json:
        show_json(said)
    else:
        show_lines([f"plan {said.restore} is approved by {said.by} since {said.at}"])


@dataclass(frozen=True)
class _Asked:
    """The options that are the same for every instance."""

    source: Source
    written: Written
    plan: str
    digest: str
    yes: bool
    only_show: bool
    as_json: bool

    def restore(self, instance: str, point: str, before: str) -> None:
        context = self.source.context(instance)
        started = rfc3339(context.clock())
        plan = self._planned(context, instance, point, before)
        if self.only_show:
            self._show(context, plan)
            return
        say(summary(plan))
        self._may(context, plan)
        leave_at(context, "restore", plan.restore, summary(plan))
        try:
            account = apply_plan(context, plan, say, started)
        except RestoreIncomplete:
            with suppress(BlobMissing):  # none where the plan was refused as a whole
                self._show_report(stored_report(context, instance, plan.restore))
            raise
        self._show_report(account)

    def _planned(self, context: Context, instance: str, point: str, before: str) -> RestorePlan:
        if self.plan:
            plan = _stored(context, instance, self.plan)
            check_digest(plan, self.digest)
            return plan
        chosen = catalog.find(context.vault, instance, point, parse_moment(before)).point
        request = self.written.request(instance, chosen)
        return plan_restore(context, request, restore_id(instance, f"cli-{uuid4()}"))

    def _may(self, context: Context, plan: RestorePlan) -> None:
        """Asks before something is taken away; the answer approves the plan, where one person's
        word is enough."""
        counts = plan.counts()
        harm = [f"{counts[one]} objects {WORDS[one]}" for one in HARMFUL if counts[one]]
        wanted = needed(context, plan.request)
        looked_at = self.yes or bool(self.plan and self.digest)
        if approval_of(context, plan) is None and (harm or wanted == "required") and not looked_at:
            if not sys.stdin.isatty():
                raise UsageError(
                    f"plan {plan.restore}: {', '.join(harm) or 'somebody must approve it'}",
                    hint="look at it (--plan-only) and apply it with --plan and --digest, or say"
                    " --yes",
                )
            show_lines(_describe(context, plan))
            if not typer.confirm("Apply this plan?", err=True):
                raise UsageError(f"plan {plan.restore} was not approved; nothing was changed")
        if wanted == "required":
            record_approval(context, plan, by=login(), how="terminal", digest=self.digest)

    def _show(self, context: Context, plan: RestorePlan) -> None:
        if self.as_json:
            items = list(items_of(context.vault, plan))
            show_json({**msgspec.to_builtins(plan), "items": msgspec.to_builtins(items)})
        else:
            show_lines(_describe(context, plan))

    def _show_report(self, account: RestoreReport) -> None:
        show_json(account) if self.as_json else show_lines(_describe_report(account))


def _stored(context: Context, instance: str, plan: str) -> RestorePlan:
    try:
        found = stored_plan(context, instance, plan)
    except BlobMissing:
        raise UsageError(
            f"{instance} has no plan {plan}",
            hint="`lifeboat restore --plan-only` makes one and prints its id",
        ) from None
    if found.request.dry_run:
        raise UsageError(f"{plan} was a dry run: plan again with --plan-only")
    return found


def _describe(context: Context, plan: RestorePlan) -> Iterator[str]:
    def items() -> Iterator[PlanItem]:
        return items_of(context.vault, plan)

    yield from lines(plan, items)
    yield summary(plan)
    yield f"digest {plan.digest}"


def _describe_report(account: RestoreReport) -> list[str]:
    total = next((p.seconds for p in account.phases if p.name == "total"), 0.0)
    results = {name: number for name, number in account.results.items() if number}
    more = "".join(f" {results[n]} {n}," for n in ("replaced", "deleted") if n in results)
    told = [
        f"restored {account.point} of {account.instance} in {total:.1f} s:"
        f" {account.created} created, {account.merged} merged,{more}"
        f" {account.unchanged} unchanged, {len(account.skipped)} skipped,"
        f" {account.left} left to their makers, {len(account.failed)} failed"
    ]
    told += [f"  skipped {line}" for line in account.skipped]
    told += [f"  changed {line}" for line in account.changes]
    told += [f"  warning {line}" for line in account.warnings]
    return [*told, *(f"  FAILED  {line}" for line in account.failed)]
