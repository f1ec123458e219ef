"""Whether a policy's standby fits clusters.yaml and the transforms; said at load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lifeboat.errors import Problem
from lifeboat.policy.document import Document
from lifeboat.policy.model import ClustersFile, Policy
from lifeboat.policy.problems import closest, problem_at

TRANSFORMS = "transforms"


def standby_problems(
    document: Document,
    policy: Policy,
    clusters: ClustersFile,
    broken: frozenset[str],
    include: Path,
    file: str,
) -> Iterator[Problem]:
    """What is wrong with `standby`; `policy` has the clusters of its labels, `file` is the name of
    the file that `clusters` come from, `broken` are clusters whose entries are wrong there."""
    standby = policy.standby
    if standby is None:
        return
    at, name = ("standby", "cluster"), standby.cluster
    known = [entry.name for entry in clusters.clusters if entry.name not in policy.clusters]
    others = ", ".join(known) or "it names none"
    if name in policy.clusters:
        found = f"{name!r}, which this policy protects"
        yield problem_at(document, at, found, f"another cluster of {file}: {others}")
    elif name not in known and name not in broken:
        expected = f"a cluster of {file}: {others}{closest(name, known)}"
        yield problem_at(document, at, repr(name), expected)
    if len(policy.clusters) > 1:
        yield problem_at(
            document,
            ("standby",),
            f"a policy of {len(policy.clusters)} clusters ({', '.join(policy.clusters)})",
            "a policy of one cluster: two would stand by in the same namespaces",
        )
    if standby.volumes == "vault" and policy.volumes.vault_tier is None:
        yield problem_at(
            document,
            ("standby", "volumes"),
            "vault, but no files of volumes go there",
            "snapshots or none; or volumes.vaultTier, which takes files into the vault",
        )
    for field, names in (
        ("transforms", standby.transforms),
        ("transformsBack", standby.transforms_back),
    ):
        for index, one in enumerate(names):
            if not (include / TRANSFORMS / f"{one}.yaml").is_file():
                there = sorted(path.stem for path in (include / TRANSFORMS).glob("*.yaml"))
                expected = f"a file of {TRANSFORMS}/: {', '.join(there) or 'there is none'}"
                yield problem_at(
                    document, ("standby", field, index), repr(one), expected + closest(one, there)
                )
