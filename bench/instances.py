"""An instance for a measurement."""

from __future__ import annotations

from hashlib import sha256

from lifeboat.policy.instance import Instance
from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import ClusterEntry, VaultEntry


def instance_of(text: str) -> Instance:
    """The instance of a policy's text, on a cluster called local."""
    return Instance(
        policy=parse_policy(text, "bench.yaml", "bench"),
        cluster=ClusterEntry(name="local", in_cluster=True),
        vault=VaultEntry(name="main", url="file:///none", key="env:NONE"),
        policy_text=text,
        policy_digest=f"sha256:{sha256(text.encode()).hexdigest()}",
        source="bench.yaml",
    )
