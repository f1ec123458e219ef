"""The command that ends a freeze whose run died."""

from __future__ import annotations

from lifeboat.cli.options import (
    AsJson,
    Include,
    InstanceArg,
    Key,
    Kubeconfig,
    KubeContext,
    VaultUrl,
)
from lifeboat.cli.output import show_json, show_lines
from lifeboat.cli.source import Source
from lifeboat.cli.trail import leave_at
from lifeboat.steps.freeze import thaw_all


def thaw(
    instance: InstanceArg,
    vault: VaultUrl = "",
    key: Key = "",
    kubeconfig: Kubeconfig = None,
    kube_context: KubeContext = "",
    include: Include = None,
    as_json: AsJson = False,
) -> None:
    """Bring back what the hooks of a run that died still hold.

    A run that lives thaws by itself; the volumes of its point that are not cut by now are named in
    it. The policy's file may be broken or gone: what was stilled lies in the vault.
    """
    source = Source(include, vault, key, kubeconfig, kube_context)
    context = source.to_thaw(instance)
    leave_at(context, "thaw")
    thawed = thaw_all(context)
    if as_json:
        show_json(thawed)
        return
    show_lines([f"brought back {title}" for title in thawed] or ["nothing stands still"])
