"""Decides what one run captures: namespaces, kinds, volumes, and the shards of the dump.

Time is read here once; every attempt of the same run agrees on one point id by a claim, and on one
scope by a document, so that a retry after a crash goes on with the same point (P2).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from lifeboat.clock import rfc3339
from lifeboat.errors import LifeboatError
from lifeboat.point import layout
from lifeboat.point.ident import new_point_id
from lifeboat.point.manifest import LeftOut, Run
from lifeboat.policy.picking import CLUSTER_SCOPE, NAMESPACES, Picker
from lifeboat.policy.select import Select
from lifeboat.policy.selection import KindSelection, NamespaceSelection, kind_excluded
from lifeboat.ports.cluster import Cluster, Discovery
from lifeboat.ports.parallel import each
from lifeboat.steps.as_decided import keep_policy
from lifeboat.steps.claims import (
    FEW_NAMESPACES,
    Claims,
    FoundVolumes,
    find_volumes,
    list_claims,
)
from lifeboat.steps.context import Context
from lifeboat.steps.footing import find_footing
from lifeboat.steps.groups import Groups, find_groups
from lifeboat.steps.related import followed_kinds
from lifeboat.steps.scope import Claim, Listing, Scope, Shard
from lifeboat.steps.sight import Sight, count, look
from lifeboat.steps.sparse import sparse_packs

_SHARD_OBJECTS = 20_000  # two or three seconds of work; the start of a task takes half of one


def enumerate_scope(context: Context, run: Run, claimed_as: str = "") -> Scope:
    """The scope of this run; a second attempt returns what the first one decided. `claimed_as` is
    the name that its attempts agree under (Admission), by default the run's own.

    Raises ClusterUnreachable, Unauthorized, Forbidden (namespaces may not be listed).
    """
    instance = context.instance.id
    now = context.clock()
    claim = Claim(new_point_id(now), run, rfc3339(now))
    claim = context.vault.settle_document(
        layout.claim(instance, claimed_as or run.run_id), claim, Claim
    )
    key = layout.scope(instance, claim.point)
    known = context.vault.find_document(key, Scope)
    if known is not None:
        return known
    keep_policy(context.vault, context.instance)
    return context.vault.settle_document(key, decide_scope(context, claim), Scope)


def decide_scope(context: Context, claim: Claim) -> Scope:
    """What a run of this claim captures now; reads only."""
    policy = context.instance.policy
    sight = look(policy, context.cluster)
    kinds = {kind.resource: kind for kind in sight.discovery.kinds}
    names = sight.namespaces.names
    there = list_claims(context.cluster, kinds, names)
    found = find_volumes(there, context.disks, policy, names)
    previous = find_footing(context.vault, context.instance.id)
    groups = _groups(context, there, found)
    return Scope(
        point=claim.point,
        instance=context.instance.id,
        run=claim.run,
        captured_from=rfc3339(context.clock()),
        previous=previous.point,
        server_version=sight.discovery.server_version,
        namespaces=names,
        shards=_shards(
            context.cluster, plan_listings(policy.select, sight), policy.requests_in_flight
        ),
        volumes=found.volumes,
        left_out=(
            *_undiscovered(sight.discovery),
            *_refused(sight.kinds),
            *_opted_out(sight.namespaces),
            *found.left_out,
        ),
        warnings=(
            *_blackout(context),
            *sight.warnings,
            *previous.warnings,
            *groups.warnings,
        ),
        sparse=tuple(sorted({*previous.sparse, *sparse_packs(context, previous.point)})),
        needed=followed_kinds(policy.select, sight.discovery.kinds),
        snapshot_classes=found.snapshot_classes,
        moves=found.moves,
        groups=groups.labels,
        policy_digest=context.instance.policy_digest,
    )


def _groups(context: Context, there: Claims, found: FoundVolumes) -> Groups:
    titles = {volume.title for volume in found.volumes}
    skipped = (
        (claim.metadata.namespace, claim.metadata.name, claim.metadata.labels)
        for claim in there.claims
        if claim.title not in titles
    )
    key = context.instance.policy.volumes.group_by
    return find_groups(key, found.volumes, skipped, found.snapshot_classes, context.disks)


def _blackout(context: Context) -> Iterable[str]:
    """Nobody wanted a run now; a point that is missing would be worse."""
    schedule = context.instance.policy.schedule
    window = schedule.blackout_at(context.clock()) if schedule else None
    if schedule and window:
        yield f"captured within the blackout {window} ({schedule.timezone}) of the policy"


def plan_listings(select: Select, sight: Sight) -> list[Listing]:
    """The lists of a dump: few namespaces are listed one by one, many by one list of the whole
    cluster. What captured objects need of the cluster is found after them (`related`)."""
    names = sight.namespaces.names
    picker = Picker(select, names)
    listings = []
    for kind in sight.kinds.kinds:
        rules = picker.rules(kind)
        if CLUSTER_SCOPE in rules or len(rules) > FEW_NAMESPACES:
            listings.append(Listing(kind))
        else:
            listings += [Listing(kind, namespace) for namespace in rules]
    own = next(kind for kind in sight.discovery.kinds if kind.resource == NAMESPACES)
    if names and not kind_excluded(select, own):
        listings.append(Listing(own, only=names))
    return listings


def _shards(cluster: Cluster, listings: list[Listing], most: int) -> tuple[Shard, ...]:
    """Packs listings, biggest first, into as few shards of equal size as the count asks for."""
    weights = _weigh(cluster, listings, most)
    number = max(1, -(-sum(weights.values()) // _SHARD_OBJECTS))
    bins: list[list[Listing]] = [[] for _ in range(number)]
    loads = [0] * number
    for listing in sorted(listings, key=lambda one: -weights[one]):
        lightest = loads.index(min(loads))
        bins[lightest].append(listing)
        loads[lightest] += weights[listing]
    filled = [content for content in bins if content]
    return tuple(
        Shard(f"shard-{n}", f"part {n + 1} of {len(filled)}", tuple(content))
        for n, content in enumerate(filled)
    )


def _weigh(cluster: Cluster, listings: list[Listing], most: int) -> dict[Listing, int]:
    """Objects of each listing, by one `limit=1` request a kind (`remainingItemCount`); where one
    shard will not do, also a request for each listing of a single namespace. The order of one
    shard's own lists matters too: the longest must not be the last to begin.

    What cannot be counted weighs nothing here and tells its error in the dump.
    """
    whole = {Listing(listing.kind) for listing in listings if listing.only is None}
    counted = _counts(cluster, whole, most)
    if sum(counted.values()) <= _SHARD_OBJECTS:
        return {one: counted.get(Listing(one.kind), 0) for one in listings}
    single = [one for one in listings if one.namespace and counted.get(Listing(one.kind))]
    return {one: counted.get(one, 0) for one in listings} | _counts(cluster, single, most)


def _counts(cluster: Cluster, some: Iterable[Listing], most: int) -> dict[Listing, int]:
    asked = sorted(some, key=lambda one: (one.kind.resource, one.namespace or ""))
    return dict(zip(asked, each(most, partial(_count, cluster), asked), strict=True))


def _count(cluster: Cluster, listing: Listing) -> int:
    try:
        return count(cluster, listing.kind, listing.namespace)
    except LifeboatError:
        return 0


def _undiscovered(discovery: Discovery) -> list[LeftOut]:
    return [
        LeftOut(f"all kinds of {group}", f"cannot be discovered: {reason}")
        for group, reason in sorted(discovery.failures.items())
    ]


def _refused(chosen: KindSelection) -> list[LeftOut]:
    """Kinds that the policy names and that are never captured."""
    return [
        LeftOut(f"all {kind.resource}", f"never captured: {reason}", severity="note")
        for kind, reason in chosen.never
    ]


def _opted_out(namespaces: NamespaceSelection) -> list[LeftOut]:
    """Namespaces that would be selected and say themselves that they stay out."""
    return [
        LeftOut(f"namespace {name}", mark, severity="note")
        for name, mark in namespaces.opted_out.items()
    ]
