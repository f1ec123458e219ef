"""Commands that prove points: prove, rehearse, coverage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import uuid4

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
from lifeboat.cli.trail import leave_at
from lifeboat.clock import utc_now
from lifeboat.errors import LifeboatError, NotProven, UsageError
from lifeboat.point import catalog
from lifeboat.point.facts import Verdict, read_verdicts
from lifeboat.policy.fields import format_duration
from lifeboat.policy.load import load_include
from lifeboat.proof.run import Place, place_of
from lifeboat.proof.run import prove as run_prove
from lifeboat.proof.when import newest_of_each
from lifeboat.report.coverage import WITHIN, Covered, Share, by_cluster, covered, unreadable
from lifeboat.restore.request import parse_moment
from lifeboat.steps.context import Context
from lifeboat.wiring import NoConnections, unlock

_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


def prove(
    instance: InstanceArg,
    point: PointArg = "latest",
    every: Annotated[
        str, typer.Option(help="prove the newest point of each period: hourly, daily, … yearly")
    ] = "",
    since: Annotated[str, typer.Option(help="with --every: not before this time (RFC 3339)")] = "",
    until: Annotated[str, typer.Option(help="with --every: before this time (RFC 3339)")] = "",
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    kubeconfig: Kubeconfig = None,
    kube_context: KubeContext = "",
    cluster: ClusterName = "",
    as_json: AsJson = False,
) -> None:
    """Restore a point into scratch namespaces, check it, write the verdict, clean up.

    With --every, one point after the other; the last line tells how many were proven.
    """
    source = Source(include, vault, key, kubeconfig, kube_context, cluster)
    context, where = _opened(source, instance)
    if not every and (since or until):
        raise UsageError("--since and --until go with --every", hint="such as --every monthly")
    if not every:
        chosen = catalog.find(context.vault, instance, point).point
        verdict, failed = _proven(context, chosen, place_of(context, chosen, where))
        show_json(verdict) if as_json else show_lines(_describe(verdict))
        if failed:
            raise failed
        return
    limits = (parse_moment(since) or _BEGINNING, parse_moment(until) or utc_now())
    points = newest_of_each(context.vault, context.instance, every, *limits)
    if not points:
        raise UsageError(f"{instance} has no complete point in that time")
    found = [_proven(context, one, place_of(context, one, where)) for one in points]
    verdicts = [verdict for verdict, _ in found]
    proven = sum(verdict.proven for verdict in verdicts)
    if as_json:
        show_json({"verdicts": verdicts, "proven": proven})
    else:
        show_lines(line for verdict in verdicts for line in _describe(verdict))
        show_lines([f"{proven} of {len(verdicts)} points proven"])
    for _, failed in found:
        if failed:
            raise failed


def rehearse(
    instance: InstanceArg,
    point: PointArg = "latest",
    include: Include = None,
    vault: VaultUrl = "",
    key: Key = "",
    kubeconfig: Kubeconfig = None,
    kube_context: KubeContext = "",
    cluster: ClusterName = "",
    as_json: AsJson = False,
) -> None:
    """Rehearse an upgrade: prove a point in another cluster, of the version to come.

    Tells which kinds and versions of the point that cluster does not serve, and which checks fail
    there. Needs --cluster or --kubeconfig.
    """
    if not (cluster or kubeconfig):
        raise UsageError(
            "a rehearsal needs another cluster", hint="give --cluster NAME or --kubeconfig FILE"
        )
    source = Source(include, vault, key, kubeconfig, kube_context, cluster)
    context, where = _opened(source, instance)
    chosen = catalog.find(context.vault, instance, point).point
    place = place_of(context, chosen, where)
    for line in place.api:
        say(f"API: {line}")
    verdict, failed = _proven(context, chosen, place)
    show_json(verdict) if as_json else show_lines(_describe(verdict))
    if failed:
        raise failed


def coverage(
    days: Annotated[
        int, typer.Option(min=1, help="the time of policies without `within`")
    ] = WITHIN.days,
    include: Include = None,
    as_json: AsJson = False,
) -> None:
    """Tell which instances have a point that was proven in time, by cluster.

    Ends with the exit code of a vault that could not be read, after telling of all.
    """
    found = load_include(Source(include=include).folder)
    now, default = utc_now(), timedelta(days=days)
    rows, failed = [], 0
    for instance in found.instances:
        try:
            vault = unlock(instance.vault, NoConnections(), read_only=True)
            rows.append(covered(vault, instance, now, default))
        except LifeboatError as error:
            failed = failed or error.exit_code
            rows.append(unreadable(instance, default, error.message))
    shares = by_cluster(rows)
    if as_json:
        told = [{"cluster": s.cluster, "instances": s.instances, "proven": s.proven,
                 "percent": round(s.percent, 1)} for s in shares]  # fmt: skip
        show_json({"instances": rows, "clusters": told[:-1], "all": told[-1]})
    else:
        show_lines(_row(row) for row in rows)
        show_lines(_share(share) for share in shares)
    if failed:
        raise typer.Exit(failed)


def _opened(source: Source, instance: str) -> tuple[Context, str]:
    """Where the options say, else where the policy says; the name of another cluster."""
    wanted = source.instance(instance).policy.test_restore
    elsewhere = wanted.cluster if wanted else ""
    if elsewhere and not (source.cluster or source.kubeconfig or ":" in source.vault_url):
        source = replace(source, cluster=elsewhere)
    name = source.cluster or (str(source.kubeconfig) if source.kubeconfig else "")
    return source.context(instance), name


def _proven(context: Context, point: str, place: Place) -> tuple[Verdict, NotProven | None]:
    run = f"cli-{uuid4()}"
    leave_at(context, "prove", point)
    try:
        return run_prove(context, point, run, say, place), None
    except NotProven as error:
        return read_verdicts(context.vault, context.instance.id, point)[-1], error


def _describe(verdict: Verdict) -> Iterator[str]:
    state = "proven" if verdict.proven else "NOT proven"
    partly = " (partial)" if verdict.outcome == "partial" else ""
    yield f"point {verdict.point} is {state}{partly}, recovered in {verdict.rto_seconds:.1f} s"
    for phase in verdict.phases:
        yield f"  {phase.seconds:7.1f} s  {phase.name}"
    if not verdict.in_time:
        objective = format_duration(timedelta(seconds=verdict.objective_seconds))
        yield f"  TOO SLOW   the objective is {objective}"
    if verdict.trend:
        yield f"  {'REGRESSION' if verdict.slower else 'trend     '} {verdict.trend}"
    for check in verdict.checks:
        yield f"  {check.outcome:10} {check.name}: {check.detail}"
    for line in verdict.api:
        yield f"  API        {line}"
    for line in verdict.warnings:
        yield f"  warning    {line}"
    for image in verdict.images_lost:
        yield f"  cannot be pulled any more: {image}"
    if verdict.error:
        yield f"  {verdict.error}"
    for one in verdict.evidence:
        yield f"  {one.what}:"
        yield from (f"    {line}" for line in one.text.splitlines())


def _row(row: Covered) -> str:
    if row.days is None:
        return f"{row.standing:10} {row.instance}: {row.detail}"
    limit = f"of {row.within_days:g} days"
    return f"{row.standing:10} {row.instance}: {row.point}, {row.days:.1f} {limit} ago"


def _share(share: Share) -> str:
    name = share.cluster or "all clusters"
    return f"{name}: {share.proven} of {share.instances} proven ({share.percent:.0f} %)"
