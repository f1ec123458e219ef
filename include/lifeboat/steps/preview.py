"""What a policy selects right now, without capturing anything."""

from __future__ import annotations

import msgspec

from lifeboat.errors import LifeboatError
from lifeboat.point.manifest import LeftOut
from lifeboat.policy.model import Policy
from lifeboat.policy.select import Select
from lifeboat.ports.cluster import Cluster
from lifeboat.ports.disks import Disks
from lifeboat.steps.claims import VolumeVerdict, find_volumes, list_claims
from lifeboat.steps.enumerate import plan_listings
from lifeboat.steps.related import followed_kinds
from lifeboat.steps.sight import Sight, count, look


class KindCount(msgspec.Struct, frozen=True):
    """`objects` are those that a run would look at; with `narrowed`, it takes at most these."""

    kind: str
    objects: int
    narrowed: bool


class Preview(msgspec.Struct, frozen=True):
    """`namespaces` are selected, `left_out` says why the others are not, by name. `kinds` are named
    as `deployments.apps`, `needed` those of which objects come along that the others need. `failed`
    are kinds that cannot be counted, and why."""

    namespaces: tuple[str, ...]
    left_out: dict[str, str]
    kinds: tuple[KindCount, ...]
    needed: tuple[str, ...]
    volumes: tuple[VolumeVerdict, ...]
    failed: tuple[LeftOut, ...]
    warnings: tuple[str, ...]


def preview(policy: Policy, cluster: Cluster, disks: Disks) -> Preview:
    """Asks the cluster, one small request a listing; raises what it raises, ClusterUnreachable
    among it. No vault is needed."""
    sight = look(policy, cluster)
    kinds = {kind.resource: kind for kind in sight.discovery.kinds}
    names = sight.namespaces.names
    found = find_volumes(list_claims(cluster, kinds, names), disks, policy, names)
    counts, failed = _counts(policy.select, cluster, sight)
    return Preview(
        namespaces=names,
        left_out={**sight.namespaces.left_out, **sight.namespaces.opted_out},
        kinds=counts,
        needed=tuple(kind.resource for kind in followed_kinds(policy.select, kinds.values())),
        volumes=found.verdicts,
        failed=failed,
        warnings=sight.warnings,
    )


def _counts(
    select: Select, cluster: Cluster, sight: Sight
) -> tuple[tuple[KindCount, ...], tuple[LeftOut, ...]]:
    counted: dict[str, int] = {}
    failed = []
    narrows = bool(select.labels or select.any_labels or select.namespace_filters)
    narrowed = set()
    for listing in plan_listings(select, sight):
        name = listing.kind.resource
        if listing.only is not None:
            counted[name] = len(listing.only)
            continue
        try:
            objects = count(cluster, listing.kind, listing.namespace)
        except LifeboatError as error:
            failed.append(LeftOut(listing.title, error.message))
            continue
        counted[name] = counted.get(name, 0) + objects
        across = listing.kind.namespaced and listing.namespace is None
        if narrows or (across and not select.every_namespace) or select.cluster_filters:
            narrowed.add(name)
    kinds = tuple(KindCount(name, counted[name], name in narrowed) for name in sorted(counted))
    return kinds, tuple(failed)
