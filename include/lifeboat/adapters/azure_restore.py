"""Brings a disk back from a snapshot of Azure: a new disk, a volume for it, and the claim.

The claim names its volume from the start, so nobody provisions another for it; the volume follows
when the disk is there, so no pod waits for a disk that cannot be made. The new disk carries the
tags of those that the CSI driver makes, and its volume the mark of the driver's provisioner: with
the claim the driver deletes both, as it does for disks of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from lifeboat.adapters import claim_api
from lifeboat.adapters import snapshot_api as api
from lifeboat.adapters import snapshot_tags as tags
from lifeboat.adapters.azure_arm import ArmId, arm_id
from lifeboat.adapters.azure_snapshots import AzureSnapshots, access_of, lasting_error
from lifeboat.errors import Forbidden, NotFound, SnapshotFailed
from lifeboat.ports import marks
from lifeboat.ports.cluster import Cluster, Json
from lifeboat.ports.copies import CopyRegion
from lifeboat.ports.disks import RestoreState, RestoreTicket, StoredSnapshot
from lifeboat.ports.quantity import parse_quantity

_GIB = 2**30
# The key of the driver's topology; values are like westeurope-1 (azuredisk-csi-driver, docs).
_TOPOLOGY = "topology.disk.csi.azure.com/zone"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"


class AzureRestore:
    """The restore half of lifeboat.ports.disks.Disks. `disks` are subscription and resource group
    of the new disks."""

    def __init__(
        self,
        cluster: Cluster,
        azure: AzureSnapshots,
        *,
        region: str,
        disks: tuple[str, str],
        zones: Sequence[str],
        places: Sequence[CopyRegion],
        tags: Mapping[str, str],
    ) -> None:
        self._cluster = cluster
        self._azure = azure
        self._region = region
        self._disks = disks
        self._zones = sorted(zones)
        self._places = places
        self._own_tags = tags

    def ticket(
        self, snapshot: StoredSnapshot, namespace: str, claim: str, restore_id: str
    ) -> RestoreTicket:
        """By it the disk is found again, whether it was asked for or not."""
        name = api.helper_name(restore_id, namespace, claim)
        disk = ArmId(*self._disks, "disks", name)
        return RestoreTicket(snapshot, namespace, claim, restore_id, str(disk), name)

    def start(
        self,
        snapshot: StoredSnapshot,
        namespace: str,
        claim: str,
        restore_id: str,
        claim_body: Json,
    ) -> RestoreTicket:
        """Raises AlreadyExists for a stranger's claim, SnapshotFailed when neither the snapshot nor
        a copy of it lies in the cluster's region, NotReady, Throttled."""
        ticket = self.ticket(snapshot, namespace, claim, restore_id)
        name = ticket.content_name
        disk = ArmId(*self._disks, "disks", name)
        there = claim_api.find(self._cluster, api.CLAIM, namespace, claim)
        claim_api.refuse_stranger(there, ticket)
        body = there or claim_api.restored_claim(claim_body, restore_id, snapshot.size)
        if self._azure.disk(disk) is None:
            self._azure.put_disk(disk, self._disk_body(ticket, body))
        if there is None:
            body["spec"]["volumeName"] = name
            made = claim_api.create(self._cluster, api.CLAIM, namespace, body)
            claim_api.refuse_stranger(made, ticket)
        return ticket

    def poll(self, ticket: RestoreTicket) -> RestoreState:
        """Also makes the volume, once the disk is there."""
        claim = claim_api.find(self._cluster, api.CLAIM, ticket.namespace, ticket.claim)
        lost = claim_api.lost_claim(claim, ticket)
        if claim is None or lost is not None:
            return lost or RestoreState(bound=False)
        if claim_api.phase(claim) == "Bound":
            return RestoreState(bound=True, handle=ticket.snapshot_name, pv=ticket.content_name)
        disk = self._azure.disk(self._disk_of(ticket))
        if disk is None:
            return RestoreState(bound=False, error="the restored disk was deleted")
        if disk.provisioning_state in ("Failed", "Canceled"):
            return RestoreState(bound=False, error="Azure could not make the disk")
        if disk.provisioning_state == "Succeeded":
            claim_api.create(self._cluster, api.PV, None, self._volume(ticket, claim, disk))
        return RestoreState(bound=False)

    def finish(self, ticket: RestoreTicket) -> None:
        """A claim that has its volume keeps both. Else the disk was made for nobody: it goes."""
        claim = claim_api.find(self._cluster, api.CLAIM, ticket.namespace, ticket.claim)
        ours = claim is not None and api.annotation(claim, marks.RESTORE) == ticket.restore_id
        if claim is not None and ours and claim_api.phase(claim) == "Bound":
            return
        live = self._azure.disk(self._disk_of(ticket))
        if live is not None and (live.tags or {}).get(tags.RESTORE) == ticket.restore_id:
            self._azure.delete_disk(self._disk_of(ticket))
        volume = claim_api.find(self._cluster, api.PV, None, ticket.content_name)
        if volume is not None and api.label(volume, marks.RESTORE) == ticket.restore_id:
            self._cluster.delete(api.PV, None, ticket.content_name)

    def _disk_of(self, ticket: RestoreTicket) -> ArmId:
        return ArmId(*self._disks, "disks", ticket.content_name)

    def _source(self, snapshot: StoredSnapshot) -> Any:
        """The snapshot, or its copy in the cluster's region."""
        here = [arm_id(snapshot.handle, "snapshots")]
        for place in self._places:
            if place.region == self._region:
                name = tags.copy_name(snapshot.name, place.region)
                here.append(ArmId(place.subscription, place.group, "snapshots", name))
        for named in here:
            live = self._azure.find(named) if named else None
            if live is not None and live.location == self._region and not lasting_error(live):
                return live
        raise SnapshotFailed(
            f"neither snapshot {snapshot.name} of {snapshot.volume.title} nor a copy of it lies in"
            f" {self._region}, where the cluster's disks are"
        )

    def _disk_body(self, ticket: RestoreTicket, claim: Json) -> Json:
        source = self._source(ticket.snapshot)
        marked = source.tags or {}
        sku = self._class_parameter(claim, "skuname", "storageaccounttype") or marked.get(tags.SKU)
        wanted = parse_quantity(str(claim["spec"]["resources"]["requests"]["storage"]))
        size = max(wanted, ticket.snapshot.size, int(source.disk_size_bytes or 0))
        body: Json = {
            "location": self._region,
            "sku": {"name": sku or "Premium_LRS"},
            "tags": self._disk_tags(ticket),
            "properties": {
                "creationData": {"createOption": "Copy", "sourceResourceId": str(source.id)},
                "diskSizeGB": -(-size // _GIB),
                **access_of(source),
            },
        }
        zone = self._zone(marked.get(tags.ZONE, ""), ticket)
        if zone and not body["sku"]["name"].endswith("_ZRS"):
            body["zones"] = [zone]
        return body

    def _zone(self, was: str, ticket: RestoreTicket) -> str:
        """A disk of one zone must lie where nodes are: its own zone, else one that is spelled out
        by the claim's name, so that volumes spread and a retry chooses the same."""
        if not self._zones or was in self._zones:
            return was
        pick = hashlib.sha256(f"{ticket.namespace}/{ticket.claim}".encode()).digest()[0]
        return self._zones[pick % len(self._zones)]

    def _disk_tags(self, ticket: RestoreTicket) -> tags.Tags:
        return {
            **self._own_tags,
            tags.CSI_MADE: tags.CSI_NAME,
            "kubernetes.io-created-for-pv-name": ticket.content_name,
            "kubernetes.io-created-for-pvc-name": ticket.claim,
            "kubernetes.io-created-for-pvc-namespace": ticket.namespace,
            tags.RESTORE: ticket.restore_id,
            tags.POINT: ticket.snapshot.point,
        }

    def _volume(self, ticket: RestoreTicket, claim: Json, disk: Any) -> Json:
        spec = claim["spec"]
        source: Json = {
            "driver": tags.DRIVER,
            "volumeHandle": str(disk.id),
            "volumeAttributes": {"requestedsizegib": str(disk.disk_size_gb)},
        }
        mode = spec.get("volumeMode", "Filesystem")
        fs_type = self._class_parameter(claim, "fstype", "csi.storage.k8s.io/fstype")
        if fs_type and mode == "Filesystem":
            source["fsType"] = fs_type
        body: Json = {
            "accessModes": list(spec.get("accessModes") or ["ReadWriteOnce"]),
            "capacity": {"storage": f"{disk.disk_size_gb}Gi"},
            "claimRef": {
                "apiVersion": "v1",
                "kind": api.CLAIM.kind,
                "namespace": ticket.namespace,
                "name": ticket.claim,
                "uid": claim["metadata"]["uid"],
            },
            "csi": source,
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec.get("storageClassName", ""),
            "volumeMode": mode,
        }
        if disk.zones:
            values = [f"{self._region}-{disk.zones[0]}"]
            term = {"key": _TOPOLOGY, "operator": "In", "values": values}
            terms = [{"matchExpressions": [term]}]
            body["nodeAffinity"] = {"required": {"nodeSelectorTerms": terms}}
        return {
            "apiVersion": "v1",
            "kind": api.PV.kind,
            "metadata": {
                "name": ticket.content_name,
                "labels": {marks.MANAGED: "true", marks.RESTORE: ticket.restore_id},
                "annotations": {_PROVISIONED_BY: tags.DRIVER},
            },
            "spec": body,
        }

    def _class_parameter(self, claim: Json, *names: str) -> str:
        """A parameter of the claim's storage class; the driver's keys know no case."""
        wanted = claim["spec"].get("storageClassName")
        if not wanted:
            return ""
        try:
            found = self._cluster.get(api.STORAGE_CLASS, None, wanted)
        except (NotFound, Forbidden):
            return ""  # then the disk becomes what it was
        given = {key.lower(): str(value) for key, value in (found.get("parameters") or {}).items()}
        return next((given[name] for name in names if given.get(name)), "")
