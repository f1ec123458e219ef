"""Decides what one run captures: namespaces, kinds, volumes, and the shards of the dump.

Time is read here once; every attempt of the same run agrees on one point id by a claim, and on one
scope by a document, so that a retry after a crash goes on with the same point (P2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from lifeboat.clock import rfc3339
from lifeboat.errors import ClusterUnreachable, LifeboatError
from lifeboat.point import layout
from lifeboat.point.ident import new_point_id
from lifeboat.point.manifest import LeftOut, Run
from lifeboat.policy.model import Select
from lifeboat.policy.selection import KindSelection, select_kinds, select_namespaces
from lifeboat.ports.cluster import Cluster, Discovery, Kind
from lifeboat.steps.claims import find_volumes
from lifeboat.steps.context import Context
from lifeboat.steps.footing import find_footing
from lifeboat.steps.related import Related
from lifeboat.steps.scope import Claim, Listing, Scope, Shard
from lifeboat.steps.sparse import sparse_packs

_SHARD_OBJECTS = 20_000  # two or three seconds of work; the start of a task takes half of one
_FEW_NAMESPACES = 8


class _Named(msgspec.Struct, frozen=True):
    name: str
    labels: dict[str, str] = {}


class _NamespaceObject(msgspec.Struct, frozen=True):
    metadata: _Named


def enumerate_scope(context: Context, run: Run) -> Scope:
    """The scope of this run; a second attempt returns what the first one decided.

    Raises ClusterUnreachable, Unauthorized, Forbidden (namespaces may not be listed).
    """
    instance = context.instance.id
    now = context.clock()
    claim = Claim(new_point_id(now), run, rfc3339(now))
    claim = context.vault.settle_document(layout.claim(instance, run.run_id), claim, Claim)
    key = layout.scope(instance, claim.point)
    known = context.vault.find_document(key, Scope)
    if known is not None:
        return known
    return context.vault.settle_document(key, decide_scope(context, claim), Scope)


def decide_scope(context: Context, claim: Claim) -> Scope:
    """What a run of this claim captures now; reads only."""
    policy = context.instance.policy
    discovery = context.cluster.discover()
    kinds = {kind.resource: kind for kind in discovery.kinds}
    if "namespaces" not in kinds:
        raise ClusterUnreachable(f"{context.cluster.describe()} serves no namespaces")
    namespaces = select_namespaces(
        policy.select, list_namespaces(context.cluster, kinds["namespaces"])
    )
    chosen = select_kinds(policy.select, discovery.kinds)
    found = find_volumes(context.cluster, context.disks, policy.volumes, namespaces, kinds)
    listings = _namespaced(chosen.kinds, namespaces)
    related = Related(context.cluster, discovery.kinds, namespaces)
    if _takes_all_cluster_scoped(policy.select):
        listings += [Listing(kind) for kind in chosen.kinds if not kind.namespaced]
    elif policy.select.cluster_scoped == "none":
        listings.append(Listing(kinds["namespaces"], only=namespaces))
    else:
        listings += related.listings(found.claims, chosen.kinds)
    previous = find_footing(context.vault, context.instance.id)
    return Scope(
        point=claim.point,
        instance=context.instance.id,
        run=claim.run,
        captured_from=rfc3339(context.clock()),
        previous=previous.point,
        server_version=discovery.server_version,
        namespaces=namespaces,
        shards=_shards(context.cluster, listings, policy.requests_in_flight),
        volumes=found.volumes,
        left_out=(
            *_undiscovered(discovery),
            *_refused(chosen),
            *related.left_out,
            *found.left_out,
        ),
        warnings=(*_warnings(policy.select, namespaces, chosen.unmatched), *previous.warnings),
        sparse=tuple(sorted({*previous.sparse, *sparse_packs(context, previous.point)})),
    )


def list_namespaces(cluster: Cluster, kind: Kind) -> list[tuple[str, Mapping[str, str]]]:
    """Every namespace with its labels; `kind` is the discovered one of namespaces."""
    decode = msgspec.json.Decoder(_NamespaceObject).decode
    objects = [decode(raw) for page in cluster.list_pages(kind) for raw in page.items]
    return [(item.metadata.name, item.metadata.labels) for item in objects]


def _namespaced(kinds: Iterable[Kind], namespaces: tuple[str, ...]) -> list[Listing]:
    """Few namespaces are listed one by one, many by one list of the whole cluster."""
    namespaced = [kind for kind in kinds if kind.namespaced and namespaces]
    if len(namespaces) > _FEW_NAMESPACES:
        return [Listing(kind) for kind in namespaced]
    return [Listing(kind, namespace) for kind in namespaced for namespace in namespaces]


def _takes_all_cluster_scoped(select: Select) -> bool:
    everything = select.namespaces.include == ("*",) and not select.namespaces.exclude
    unfiltered = everything and not select.namespaces.labels
    automatic = select.cluster_scoped == "auto" and unfiltered
    return select.cluster_scoped == "all" or automatic


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
    shard will not do, also a request for each listing of a single namespace.

    What cannot be counted weighs nothing here and tells its error in the dump.
    """
    whole = {Listing(listing.kind) for listing in listings if listing.only is None}
    with ThreadPoolExecutor(most) as pool:

        def count(some: Iterable[Listing]) -> dict[Listing, int]:
            asked = sorted(some, key=lambda one: (one.kind.resource, one.namespace or ""))
            return dict(zip(asked, pool.map(partial(_count, cluster), asked), strict=True))

        counted = count(whole)
        if sum(counted.values()) <= _SHARD_OBJECTS:
            return dict.fromkeys(listings, 0)
        single = [one for one in listings if one.namespace and counted.get(Listing(one.kind))]
        return {one: counted.get(one, 0) for one in listings} | count(single)


def _count(cluster: Cluster, listing: Listing) -> int:
    pages = cluster.list_pages(listing.kind, namespace=listing.namespace, limit=1)
    try:
        page = next(iter(pages), None)
    except LifeboatError:
        return 0
    return len(page.items) + (page.remaining or 0) if page else 0


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


def _warnings(
    select: Select, namespaces: tuple[str, ...], unmatched: tuple[str, ...]
) -> tuple[str, ...]:
    warnings = [f"kind {name!r} is not served by this cluster" for name in unmatched]
    if not namespaces:
        asked = ", ".join(select.namespaces.include)
        warnings.append(f"no namespace matches the policy's selection ({asked})")
    return tuple(warnings)
