"""A run under the policy that it began with: a file that is edited, broken or removed meanwhile
changes nothing of a point that is under way, nor what has to be brought back."""

from __future__ import annotations

from dataclasses import replace

from lifeboat.point import layout
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import ClusterEntry, VaultEntry
from lifeboat.steps.context import Context
from lifeboat.steps.scope import Scope
from lifeboat.vault.vault import Vault


def keep_policy(vault: Vault, instance: Instance) -> None:
    """Store the text, once: policies change seldom. Scopes and manifests name it by its digest."""
    key = layout.policy(instance.id, instance.policy_digest)
    vault.settle_document(key, instance.policy_text, str)


def as_decided(context: Context, scope: Scope) -> Context:
    """The context under the policy of the scope."""
    instance = context.instance
    if scope.policy_digest in ("", instance.policy_digest):
        return context
    decided = instance_of(context.vault, scope, instance.cluster, instance.vault)
    return replace(context, instance=replace(decided, copies=instance.copies))


def instance_of(vault: Vault, scope: Scope, cluster: ClusterEntry, place: VaultEntry) -> Instance:
    """The instance of a scope, from the vault alone. Raises NotFound where an older version wrote
    the scope, PolicyError when this version cannot read the policy."""
    text = vault.get_document(layout.policy(scope.instance, scope.policy_digest), str)
    source = f"point {scope.point}"
    return Instance(
        policy=parse_policy(text, source, scope.instance.partition(".")[0]),
        cluster=cluster,
        vault=place,
        policy_text=text,
        policy_digest=scope.policy_digest,
        source=source,
    )
