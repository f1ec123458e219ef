"""What no policy protects in one cluster: namespaces and volumes, whoever forgot them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lifeboat.point.exposure import OpenSpace, OpenVolume
from lifeboat.policy.model import Policy
from lifeboat.policy.select import SYSTEM_NAMESPACES
from lifeboat.policy.selection import NamespaceSelection, select_namespaces
from lifeboat.ports.cluster import Cluster
from lifeboat.ports.disks import Disks
from lifeboat.steps.claims import VolumeVerdict, find_volumes, list_claims
from lifeboat.steps.sight import look_around

_NO_POLICY = "no policy selects its namespace"


class Coverage(msgspec.Struct, frozen=True):
    """`protected` counts namespaces that are selected whole, `snapshotted` volumes."""

    protected: int
    snapshotted: int
    namespaces: tuple[OpenSpace, ...]
    volumes: tuple[OpenVolume, ...]


def find_unprotected(policies: Sequence[Policy], cluster: Cluster, disks: Disks) -> Coverage:
    """Asks the cluster once, however many policies there are. Raises what the cluster raises."""
    discovery, spaces = look_around(cluster)
    kinds = {kind.resource: kind for kind in discovery.kinds}
    there = list_claims(cluster, kinds)
    selections = {one.name: select_namespaces(one.select, spaces) for one in policies}
    names = sorted(space.name for space in spaces)
    found = [_space(name, policies, selections) for name in names]
    verdicts: dict[str, dict[str, VolumeVerdict]] = {
        f"{claim.metadata.namespace}/{claim.metadata.name}": {} for claim in there.claims
    }
    for policy in policies:
        told = find_volumes(there, disks, policy, selections[policy.name].names)
        for verdict in told.verdicts:
            verdicts[verdict.title][policy.name] = verdict
    volumes = [_volume(title, by_policy) for title, by_policy in sorted(verdicts.items())]
    return Coverage(
        protected=sum(space is None for space in found),
        snapshotted=sum(volume is None for volume in volumes),
        namespaces=tuple(space for space in found if space),
        volumes=tuple(volume for volume in volumes if volume),
    )


def _space(
    name: str, policies: Sequence[Policy], selections: Mapping[str, NamespaceSelection]
) -> OpenSpace | None:
    reasons, partly = {}, []
    for policy in policies:
        selection = selections[policy.name]
        if name not in selection.names:
            reasons[policy.name] = selection.left_out.get(name) or selection.opted_out[name]
        elif policy.select.takes_whole(name):
            return None
        else:
            partly.append(policy.name)
    return OpenSpace(name, name in SYSTEM_NAMESPACES, reasons, tuple(partly))


def _volume(title: str, verdicts: Mapping[str, VolumeVerdict]) -> OpenVolume | None:
    if any(verdict.action == "snapshot" for verdict in verdicts.values()):
        return None
    reasons = {policy: verdict.reason for policy, verdict in verdicts.items()}
    system = title.partition("/")[0] in SYSTEM_NAMESPACES
    return OpenVolume(title, system, reasons or {"": _NO_POLICY})
