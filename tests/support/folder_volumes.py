"""The real local cluster's disks, with bytes that a test can write and compare."""

from __future__ import annotations

from dataclasses import dataclass

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.volumes_folder import FolderVolumes
from lifeboat.ports.cluster import Json
from lifeboat.ports.disks import SnapshotTicket, Volume
from lifeboat.ports.quantity import parse_quantity
from local.cluster import LocalCluster
from tests.support.kinds import CLAIM, NAMESPACE, VOLUME
from tests.support.manifests import claim
from tests.support.poll import until


@dataclass
class FolderWorld:
    """Adapters on the local cluster, and volumes of its folder driver."""

    local: LocalCluster
    cluster: ClusterApi
    disks: DisksCsi
    reader: FolderVolumes

    def make_volume(self, namespace: str, name: str, content: dict[str, bytes]) -> Volume:
        """A bound claim of 1 GiB with these files."""
        self.cluster.create(CLAIM, namespace, claim(name))

        def bound() -> Json | None:
            live = self.cluster.get(CLAIM, namespace, name)
            return live if live["status"].get("phase") == "Bound" else None

        live = until(f"{namespace}/{name} is bound", bound) or {}
        pv = self.cluster.get(VOLUME, None, live["spec"]["volumeName"])
        made = Volume(
            namespace=namespace,
            claim=name,
            claim_uid=live["metadata"]["uid"],
            pv=pv["metadata"]["name"],
            driver=pv["spec"]["csi"]["driver"],
            handle=pv["spec"]["csi"]["volumeHandle"],
            storage_class=live["spec"]["storageClassName"],
            volume_mode="Filesystem",
            access_modes=("ReadWriteOnce",),
            size=parse_quantity(pv["spec"]["capacity"]["storage"]),
        )
        for path, data in content.items():
            self.write(made, path, data)
        return made

    def lose_snapshot(self, ticket: SnapshotTicket) -> None:
        """Its class says Delete: one that nobody secured goes with its namespace."""
        self.cluster.delete(NAMESPACE, None, ticket.volume.namespace)

    def write(self, volume: Volume, path: str, data: bytes) -> None:
        """Write one file of a volume."""
        file = self.local.volume_path(volume.handle) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
