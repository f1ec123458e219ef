"""Whether everything that a policy stores lies where its residency allows; said at load."""

from __future__ import annotations

from collections.abc import Iterator

from lifeboat.errors import Problem
from lifeboat.policy.document import Document
from lifeboat.policy.model import ClustersFile, Policy
from lifeboat.policy.problems import problem_at

_Place = tuple[tuple[str | int, ...], str, str]


def residency_problems(
    document: Document, policy: Policy, clusters: ClustersFile, file: str
) -> Iterator[Problem]:
    """Places of one policy that are outside, or that do not say where they lie. `file` is the name
    of the file that `clusters` come from."""
    residency = policy.residency
    if residency is None:
        return
    for path, what, region in _places(policy, clusters):
        reason = residency.why_not(region)
        if reason:
            expected = f"a place in {residency.allowed}, as residency says"
            if not region:
                expected += f": write location: beside {what} in {file}"
            yield problem_at(document, path, f"{what}, which {reason}", expected)


def _places(policy: Policy, clusters: ClustersFile) -> Iterator[_Place]:
    """The field that names each place, the place in words, and the region it lies in."""
    vault = clusters.vault(policy.vault)
    if vault:
        yield ("vault",), f"vault {vault.name}", vault.lies_in
    for index, copy in enumerate(policy.copies):
        there = clusters.vault(copy.vault)
        if there:
            yield ("copies", index, "vault"), f"vault {there.name}", there.lies_in
    for index, name in enumerate(policy.clusters):
        cluster = clusters.cluster(name)
        if cluster:
            yield ("clusters", index), f"cluster {name}", cluster.lies_in
    for section, named in (
        ("standby", policy.standby.cluster if policy.standby else ""),
        ("testRestore", policy.test_restore.cluster if policy.test_restore else ""),
    ):
        other = clusters.cluster(named)
        if other:
            yield (section, "cluster"), f"cluster {other.name}", other.lies_in
    for index, rule in enumerate(policy.volumes.azure.copies):
        field = ("volumes", "azure", "copies", index, "region")
        yield field, "the copies of snapshots", rule.region
