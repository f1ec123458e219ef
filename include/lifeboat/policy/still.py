"""A policy where nothing of it runs: as a failover and a failback capture it, and as the points of
a standby (`<policy>.<standby>`) are kept in order and restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import yaml

from lifeboat.errors import PolicyError, UsageError
from lifeboat.policy.document import parse_document
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import (
    load_instance,
    load_policy,
    parse_policy,
    policy_files,
    standing_clusters,
)
from lifeboat.policy.model import ClusterEntry

_NOT_OF_A_STILL_CAPTURE = (
    "preset", "clusterLabels", "hooks", "quiesce", "testRestore", "copies", "standby",
)  # fmt: skip


def still(instance: Instance, cluster: ClusterEntry, namespaces: Mapping[str, str]) -> Instance:
    """The policy on a cluster where nothing of it runs: nothing has to be stilled, and no command
    could run in a pod. `namespaces`, source to target, where they are called otherwise there."""
    data = dict(parse_document(instance.source, instance.policy_text.encode()).data)
    for name in _NOT_OF_A_STILL_CAPTURE:
        data.pop(name, None)
    data |= {"name": instance.policy.name, "clusters": [cluster.name]}
    data["podHooks"] = {"enabled": False}
    if any(source != target for source, target in namespaces.items()):
        select = dict(data.get("select") or {})
        select["namespaces"] = {"include": sorted(namespaces.values())}
        data["select"] = select
    text = yaml.safe_dump(data, sort_keys=False)
    return replace(
        instance,
        policy=parse_policy(text, instance.source, instance.policy.name),
        cluster=cluster,
        policy_text=text,
        policy_digest=f"sha256:{sha256(text.encode()).hexdigest()}",
        copies=(),
    )


def find_instance(include: Path, instance_id: str) -> Instance:
    """The instance of this id; also one that only a standby's points have, `<policy>.<standby>`.
    Raises what `load_instance` raises."""
    try:
        return load_instance(include, instance_id)
    except UsageError:
        there = _at_standby(include, instance_id)
        if there is None:
            raise
        return there


def _at_standby(include: Path, instance_id: str) -> Instance | None:
    clusters = standing_clusters(include)
    for path in policy_files(include):
        try:
            instances = load_policy(path, clusters)
        except PolicyError:
            continue  # `load_instance` has named it
        for one in instances:
            if one.standby_id == instance_id and one.policy.standby is not None:
                entry = clusters.cluster(one.policy.standby.cluster)
                assert entry is not None  # else the policy was refused
                made = still(one, entry, one.policy.standby.mapping)
                return replace(made, stands_by_for=one.id)
    return None
