"""What a policy selects right now, without capturing anything."""

from __future__ import annotations

import msgspec

from lifeboat.errors import ClusterUnreachable
from lifeboat.point.manifest import LeftOut
from lifeboat.policy.selection import select_kinds, select_namespaces
from lifeboat.steps.claims import find_volumes
from lifeboat.steps.context import Context
from lifeboat.steps.enumerate import list_namespaces


class Preview(msgspec.Struct, frozen=True):
    """Names only. `kinds` as `deployments.apps`; `volumes` as `namespace/claim`. `unprotected` are
    the claims that a point would leave out, and why; `unmatched` kinds that nobody serves."""

    namespaces: tuple[str, ...]
    kinds: tuple[str, ...]
    volumes: tuple[str, ...]
    unprotected: tuple[LeftOut, ...]
    unmatched: tuple[str, ...]


def preview(context: Context) -> Preview:
    """Asks the cluster; raises what it raises, ClusterUnreachable among it."""
    policy = context.instance.policy
    discovery = context.cluster.discover()
    kinds = {kind.resource: kind for kind in discovery.kinds}
    if "namespaces" not in kinds:
        raise ClusterUnreachable(f"{context.cluster.describe()} serves no namespaces")
    there = list_namespaces(context.cluster, kinds["namespaces"])
    namespaces = select_namespaces(policy.select, there)
    chosen = select_kinds(policy.select, discovery.kinds)
    found = find_volumes(context.cluster, context.disks, policy.volumes, namespaces, kinds)
    return Preview(
        namespaces=namespaces,
        kinds=tuple(kind.resource for kind in chosen.kinds),
        volumes=tuple(volume.title for volume in found.volumes),
        unprotected=found.left_out,
        unmatched=chosen.unmatched,
    )
