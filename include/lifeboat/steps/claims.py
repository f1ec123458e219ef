"""Finds the volumes of the selected namespaces: every claim, its volume, and who can snapshot it.

A claim that is not protected is named with the reason. A note is what was asked for: it opts out,
`select` leaves it out, or a rule of `volumes` does. Whether one that cannot be protected is a loss
is the policy's `volumes.onUnprotected`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal, get_args

import msgspec

from lifeboat.point.manifest import LeftOut
from lifeboat.policy.model import Policy
from lifeboat.policy.picking import Picker
from lifeboat.policy.selection import opted_out
from lifeboat.policy.volumes import Decision, VolumeFacts, Volumes, VolumeType, decide
from lifeboat.ports.cluster import Cluster, Kind
from lifeboat.ports.disks import Disks, Volume
from lifeboat.ports.marks import MANAGED
from lifeboat.ports.quantity import parse_quantity

FEW_NAMESPACES = 8
"""Up to so many are listed one by one, more by one list of the whole cluster."""

_CLASS_OF_CLAIM = "velero.io/csi-volumesnapshot-class"
"""Names the VolumeSnapshotClass for one claim, as Velero has it ("Container Storage Interface
Snapshot Support in Velero", Choosing VolumeSnapshotClass)."""


class _Meta(msgspec.Struct, frozen=True):
    name: str
    uid: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _Resources(msgspec.Struct, frozen=True):
    requests: dict[str, str] = {}


class _ClaimSpec(msgspec.Struct, frozen=True, rename="camel"):
    volume_name: str = ""
    storage_class_name: str = ""
    volume_mode: Literal["Filesystem", "Block"] = "Filesystem"
    access_modes: list[str] = []
    resources: _Resources = _Resources()


class _ClaimStatus(msgspec.Struct, frozen=True):
    phase: str = ""


class _Claim(msgspec.Struct, frozen=True):
    """The fields of a PersistentVolumeClaim that capture looks at."""

    metadata: _Meta
    spec: _ClaimSpec
    status: _ClaimStatus = _ClaimStatus()

    @property
    def title(self) -> str:
        return f"{self.metadata.namespace}/{self.metadata.name}"


class _CsiSource(msgspec.Struct, frozen=True, rename="camel"):
    driver: str
    volume_handle: str


class _NfsSource(msgspec.Struct, frozen=True):
    server: str = ""
    path: str = ""


class _PvSpec(msgspec.Struct, frozen=True, rename="camel"):
    capacity: dict[str, str] = {}
    storage_class_name: str = ""
    csi: _CsiSource | None = None
    nfs: _NfsSource | None = None


class _Volume(msgspec.Struct, frozen=True):
    """The fields of a PersistentVolume that capture looks at. `type` is the key of its source."""

    metadata: _Meta
    spec: _PvSpec
    type: str = ""


class _Sources(msgspec.Struct, frozen=True):
    spec: dict[str, msgspec.Raw]


class VolumeVerdict(msgspec.Struct, frozen=True):
    """What happens to the data of one claim, and why. `severity` is that of a LeftOut; empty for a
    snapshot."""

    title: str
    action: Literal["snapshot", "skip", "unprotected"]
    reason: str
    severity: str = ""


class FoundVolumes(msgspec.Struct, frozen=True):
    """`volumes` are to be snapshotted, `snapshot_classes` those that a rule or the claim itself
    names for them, by title, `moves` the titles of those whose files go into the vault; `verdicts`
    tell of every claim."""

    volumes: tuple[Volume, ...]
    snapshot_classes: dict[str, str]
    verdicts: tuple[VolumeVerdict, ...]
    moves: tuple[str, ...] = ()

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        return tuple(
            LeftOut(f"volume {one.title}", one.reason, severity=one.severity)
            for one in self.verdicts
            if one.action != "snapshot"
        )


class Claims(msgspec.Struct, frozen=True):
    """Claims that a cluster holds, but our own, and their volumes by name."""

    kind: Kind
    claims: tuple[_Claim, ...]
    pvs: dict[str, _Volume]


def list_claims(
    cluster: Cluster, kinds: Mapping[str, Kind], namespaces: Sequence[str] | None = None
) -> Claims:
    """Of these namespaces, or of all. `kinds` maps `persistentvolumeclaims` and `persistentvolumes`
    to their discovered kinds."""
    kind = kinds["persistentvolumeclaims"]
    claims = tuple(_claims(cluster, kind, namespaces))
    wanted = {claim.spec.volume_name for claim in claims if claim.spec.volume_name}
    return Claims(kind, claims, _volumes(cluster, kinds["persistentvolumes"], wanted))


def find_volumes(
    there: Claims, disks: Disks, policy: Policy, namespaces: Sequence[str]
) -> FoundVolumes:
    """What a policy that selects these namespaces does with each of their claims."""
    picker = Picker(policy.select, namespaces)
    inside = frozenset(namespaces)
    volumes, classes, verdicts, moves = [], {}, [], []
    for claim in there.claims:
        meta = claim.metadata
        if meta.namespace not in inside:
            continue
        asked = opted_out(meta.labels, meta.annotations) or picker.why_not(
            there.kind, meta.namespace, meta.name, meta.labels
        )
        if asked:
            verdicts.append(VolumeVerdict(claim.title, "skip", asked, "note"))
            continue
        decision = decide(policy.volumes, _facts(claim, there.pvs.get(claim.spec.volume_name)))
        named = decision.snapshot_class or meta.annotations.get(_CLASS_OF_CLAIM, "")
        decision = replace(decision, snapshot_class=named)
        volume, verdict = _judge(claim, there.pvs, decision, disks, policy.volumes)
        verdicts.append(verdict)
        if volume:
            volumes.append(volume)
            if decision.snapshot_class:
                classes[volume.title] = decision.snapshot_class
            if decision.vault:
                moves.append(volume.title)
    return FoundVolumes(tuple(volumes), classes, tuple(verdicts), tuple(moves))


def _claims(cluster: Cluster, kind: Kind, namespaces: Sequence[str] | None) -> Iterator[_Claim]:
    wanted = None if namespaces is None else frozenset(namespaces)
    decode = msgspec.json.Decoder(_Claim).decode
    places: Sequence[str | None] = [None]
    if namespaces is not None and len(namespaces) <= FEW_NAMESPACES:
        places = namespaces
    for place in places:
        for page in cluster.list_pages(kind, namespace=place):
            for claim in map(decode, page.items):
                own = claim.metadata.labels.get(MANAGED) == "true"
                if not own and (wanted is None or claim.metadata.namespace in wanted):
                    yield claim


def _volumes(cluster: Cluster, kind: Kind, wanted: set[str]) -> dict[str, _Volume]:
    if not wanted:
        return {}
    decode = msgspec.json.Decoder(_Volume).decode
    sources = msgspec.json.Decoder(_Sources).decode
    found = {}
    for page in cluster.list_pages(kind):
        for raw in page.items:
            pv = decode(raw)
            if pv.metadata.name in wanted:
                keys = sources(raw).spec
                known = next((name for name in get_args(VolumeType) if name in keys), "")
                found[pv.metadata.name] = msgspec.structs.replace(pv, type=known)
    return found


def _facts(claim: _Claim, pv: _Volume | None) -> VolumeFacts:
    """What rules look at; of a claim without a volume, what it asks for."""
    size = claim.spec.resources.requests if pv is None else pv.spec.capacity
    storage_class = claim.spec.storage_class_name or (pv.spec.storage_class_name if pv else "")
    csi, nfs = (pv.spec.csi, pv.spec.nfs) if pv else (None, None)
    return VolumeFacts(
        capacity=parse_quantity(size.get("storage", "0")),
        storage_class=storage_class,
        type=pv.type if pv else "",
        driver=csi.driver if csi else "",
        nfs=(nfs.server, nfs.path) if nfs else ("", ""),
        labels=claim.metadata.labels,
        phase=claim.status.phase or "Pending",
        mode=claim.spec.volume_mode,
        access_modes=tuple(claim.spec.access_modes),
    )


def _judge(
    claim: _Claim,
    pvs: Mapping[str, _Volume],
    decision: Decision,
    disks: Disks,
    policy: Volumes,
) -> tuple[Volume | None, VolumeVerdict]:
    if not decision.snapshot:
        return None, VolumeVerdict(claim.title, "skip", f"{decision.source} skips it", "note")
    volume, reason = _volume(claim, pvs)
    if volume and not reason:
        reason = disks.why_not(volume, decision.snapshot_class or policy.snapshot_class)
    if volume and not reason:
        return volume, VolumeVerdict(claim.title, "snapshot", decision.source)
    empty = claim.status.phase not in ("Bound", "Lost")
    severity = "note" if empty or policy.on_unprotected == "warn" else "loss"
    return None, VolumeVerdict(claim.title, "unprotected", reason, severity)


def _volume(claim: _Claim, pvs: Mapping[str, _Volume]) -> tuple[Volume | None, str]:
    if claim.status.phase == "Lost":
        return None, f"the claim is Lost: its volume {claim.spec.volume_name} is gone"
    if claim.status.phase != "Bound":
        return None, f"the claim is {claim.status.phase or 'new'}: it has no volume yet"
    pv = pvs.get(claim.spec.volume_name)
    if pv is None:
        return None, f"its volume {claim.spec.volume_name} does not exist"
    if pv.spec.csi is None:
        what = f"is of the type {pv.type}," if pv.type else "is"
        return None, f"its volume {pv.metadata.name} {what} not from a CSI driver"
    meta = claim.metadata
    return (
        Volume(
            namespace=meta.namespace,
            claim=meta.name,
            claim_uid=meta.uid,
            pv=pv.metadata.name,
            driver=pv.spec.csi.driver,
            handle=pv.spec.csi.volume_handle,
            storage_class=claim.spec.storage_class_name,
            volume_mode=claim.spec.volume_mode,
            access_modes=tuple(claim.spec.access_modes),
            size=parse_quantity(pv.spec.capacity.get("storage", "0")),
            labels=tuple(sorted(meta.labels.items())),
        ),
        "",
    )
