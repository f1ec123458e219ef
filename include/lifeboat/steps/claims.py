"""Finds the volumes of the selected namespaces: every claim, its volume, and who can snapshot it.

A claim that cannot be protected is named with the reason; whether that is a loss or a note is the
policy's `volumes.onUnprotected`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

import msgspec

from lifeboat.point.manifest import LeftOut
from lifeboat.policy.model import Volumes
from lifeboat.ports.cluster import Cluster, Kind
from lifeboat.ports.disks import Disks, Volume
from lifeboat.ports.quantity import parse_quantity

T = TypeVar("T", bound=msgspec.Struct)


class _Meta(msgspec.Struct, frozen=True):
    name: str
    uid: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _ClaimSpec(msgspec.Struct, frozen=True, rename="camel"):
    volume_name: str = ""
    storage_class_name: str = ""
    volume_mode: Literal["Filesystem", "Block"] = "Filesystem"
    access_modes: list[str] = []


class _ClaimStatus(msgspec.Struct, frozen=True):
    phase: str = ""


class ClaimObject(msgspec.Struct, frozen=True):
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


class _PvSpec(msgspec.Struct, frozen=True):
    capacity: dict[str, str] = {}
    csi: _CsiSource | None = None


class VolumeObject(msgspec.Struct, frozen=True):
    """The fields of a PersistentVolume that capture looks at."""

    metadata: _Meta
    spec: _PvSpec


class FoundVolumes(msgspec.Struct, frozen=True):
    """`claims` are all claims seen, also those without a snapshot."""

    claims: tuple[ClaimObject, ...]
    volumes: tuple[Volume, ...]
    left_out: tuple[LeftOut, ...]


def find_volumes(
    cluster: Cluster,
    disks: Disks,
    policy: Volumes,
    namespaces: Iterable[str],
    kinds: dict[str, Kind],
) -> FoundVolumes:
    """`kinds` maps `persistentvolumeclaims` and `persistentvolumes` to their discovered kinds."""
    claim_kind, pv_kind = kinds["persistentvolumeclaims"], kinds["persistentvolumes"]
    claims = [
        claim
        for namespace in namespaces
        for claim in _all(cluster, claim_kind, ClaimObject, namespace)
    ]
    pvs: dict[str, VolumeObject] = {}
    if claims:
        pvs = {pv.metadata.name: pv for pv in _all(cluster, pv_kind, VolumeObject, None)}
    volumes, left_out = [], []
    for claim in claims:
        volume, reason = _volume(claim, pvs)
        reason = reason or (disks.why_not(volume) if volume and policy.snapshot else "")
        if volume and not policy.snapshot:
            asked = "the policy takes no snapshots (volumes.snapshot: false)"
            left_out.append(LeftOut(f"volume {claim.title}", asked, severity="note"))
        elif volume and not reason:
            volumes.append(volume)
        else:
            left_out.append(_unprotected(claim, reason, policy))
    return FoundVolumes(tuple(claims), tuple(volumes), tuple(left_out))


def _all(cluster: Cluster, kind: Kind, shape: type[T], namespace: str | None) -> list[T]:
    decode = msgspec.json.Decoder(shape).decode
    return [
        decode(raw) for page in cluster.list_pages(kind, namespace=namespace) for raw in page.items
    ]


def _volume(claim: ClaimObject, pvs: dict[str, VolumeObject]) -> tuple[Volume | None, str]:
    if claim.status.phase == "Lost":
        return None, f"the claim is Lost: its volume {claim.spec.volume_name} is gone"
    if claim.status.phase != "Bound":
        return None, f"the claim is {claim.status.phase or 'new'}: it has no volume yet"
    pv = pvs.get(claim.spec.volume_name)
    if pv is None:
        return None, f"its volume {claim.spec.volume_name} does not exist"
    if pv.spec.csi is None:
        return None, f"its volume {pv.metadata.name} is not from a CSI driver"
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


def _unprotected(claim: ClaimObject, reason: str, policy: Volumes) -> LeftOut:
    empty = claim.status.phase not in ("Bound", "Lost")
    severity = "note" if empty or policy.on_unprotected == "warn" else "loss"
    return LeftOut(f"volume {claim.title}", reason, severity=severity)
