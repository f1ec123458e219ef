"""Claims and volumes of a cluster as the disks adapters see them, whoever makes the snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import msgspec

from lifeboat.adapters import snapshot_api as api
from lifeboat.errors import AlreadyExists, NotFound, SnapshotFailed
from lifeboat.ports import marks
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.ports.disks import RestoreState, RestoreTicket, Volume
from lifeboat.ports.quantity import parse_quantity

_decode = msgspec.json.Decoder(Json).decode


def find(cluster: Cluster, kind: Kind, namespace: str | None, name: str) -> Json | None:
    """The object, or None when it (or its kind) is not there."""
    try:
        return cluster.get(kind, namespace, name) if name else None
    except NotFound:
        return None


def listed(cluster: Cluster, kind: Kind, selector: str = "") -> list[Json]:
    """All objects with these labels, in all namespaces; none where nobody serves the kind."""
    try:
        return list(each(cluster, kind, selector))
    except NotFound:
        return []


def each(cluster: Cluster, kind: Kind, selector: str = "") -> Iterator[Json]:
    """`listed`, page by page. Raises NotFound where nobody serves the kind."""
    for page in cluster.list_pages(kind, label_selector=selector):
        yield from map(_decode, page.items)


def create(cluster: Cluster, kind: Kind, namespace: str | None, body: Json) -> Json:
    """Create, or return what an earlier attempt created: names are derived."""
    try:
        return cluster.create(kind, namespace, body)
    except AlreadyExists:
        return cluster.get(kind, namespace, body["metadata"]["name"])


def refuse_other_claim(cluster: Cluster, volume: Volume) -> None:
    """Raises SnapshotFailed unless the claim is the one that was listed."""
    claim = find(cluster, api.CLAIM, volume.namespace, volume.claim)
    if claim is None:
        raise SnapshotFailed(f"the claim {volume.title} was deleted after it was listed")
    if claim["metadata"]["uid"] != volume.claim_uid:
        raise SnapshotFailed(f"the claim {volume.title} was deleted and made anew meanwhile")


def refuse_stranger(claim: Json | None, ticket: RestoreTicket) -> None:
    """Raises AlreadyExists for a claim that this restore did not make."""
    if claim is not None and api.annotation(claim, marks.RESTORE) != ticket.restore_id:
        raise AlreadyExists(f"claim {ticket.namespace}/{ticket.claim} exists")


def lost_claim(claim: Json | None, ticket: RestoreTicket) -> RestoreState | None:
    """What polling says when the restored claim is not there, another's, or without its volume."""
    if claim is None:
        return RestoreState(bound=False, error="the restored claim was deleted")
    if api.annotation(claim, marks.RESTORE) != ticket.restore_id:
        return RestoreState(bound=False, error="another claim has taken its name")
    if phase(claim) == "Lost":
        return RestoreState(bound=False, error="the restored claim lost its volume")
    return None


def phase(claim: Json) -> str:
    """Pending, Bound or Lost."""
    return str((claim.get("status") or {}).get("phase", "Pending"))


def restored_claim(body: Json, restore_id: str, size: int) -> Json:
    """The claim to create, carrying our mark and asking for `size` bytes at least; it names neither
    a volume nor a source yet."""
    claim = deepcopy(body)
    spec = claim["spec"]
    for name in ("volumeName", "dataSource", "dataSourceRef"):
        spec.pop(name, None)
    requests = spec.setdefault("resources", {}).setdefault("requests", {})
    if parse_quantity(str(requests.get("storage", "0"))) < size:
        requests["storage"] = str(size)
    claim["metadata"].setdefault("annotations", {})[marks.RESTORE] = restore_id
    return claim
