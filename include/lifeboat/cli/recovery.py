"""The command that proves a point: test-restore."""

from __future__ import annotations

from uuid import uuid4

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
from lifeboat.errors import NotProven
from lifeboat.point import catalog
from lifeboat.point.facts import Verdict, read_verdicts
from lifeboat.proof.run import prove


def prove_point(
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
    """Restore a point into scratch namespaces, check it, write the verdict, clean up."""
    source = Source(include, vault, key, kubeconfig, kube_context, cluster)
    context = source.context(instance)
    chosen = catalog.find(context.vault, instance, point).point
    try:
        verdict = prove(context, chosen, f"cli-{uuid4()}", say)
    except NotProven:
        verdict = read_verdicts(context.vault, instance, chosen)[-1]
        show_json(verdict) if as_json else show_lines(_describe_verdict(verdict))
        raise
    show_json(verdict) if as_json else show_lines(_describe_verdict(verdict))


def _describe_verdict(verdict: Verdict) -> list[str]:
    state = "proven" if verdict.proven else "NOT proven"
    lines = [f"point {verdict.point} is {state}, recovered in {verdict.rto_seconds:.1f} s"]
    lines += [f"  {phase.seconds:7.1f} s  {phase.name}" for phase in verdict.phases]
    lines += [f"  {c.outcome:10} {c.name}: {c.detail}" for c in verdict.checks]
    lines += [f"  cannot be pulled any more: {image}" for image in verdict.images_lost]
    return lines + ([f"  {verdict.error}"] if verdict.error else [])
