"""A cluster in memory whose volumes are managed disks of the stand-in for Azure.

The stand-in and the official client are real; of Kubernetes only what binds a claim to the volume
that is made for it is played here, as kube-controller-manager does it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from lifeboat.adapters.azure_arm import ArmClients, ArmSettings
from lifeboat.adapters.azure_place import AzurePlace
from lifeboat.adapters.copies_azure import CopiesAzure
from lifeboat.adapters.disks_azure import DisksAzure
from lifeboat.errors import NotFound
from lifeboat.ports.cluster import Json
from lifeboat.ports.copies import CopyRegion
from lifeboat.ports.disks import SnapshotTicket, Volume
from local.arm import TOKEN
from local.arm.errors import ArmError
from local.arm.model import Content
from tests.support.arm import (
    NODES,
    NORTH,
    REGION,
    SNAPSHOTS,
    SUBSCRIPTION,
    ArmWorld,
    disk_id,
)
from tests.support.fake_cluster import FakeCluster
from tests.support.kinds import CLAIM, NAMESPACE
from tests.support.manifests import claim, manifest
from tests.support.static_credential import StaticCredential

DRIVER = "disk.csi.azure.com"
PLACE = AzurePlace(SUBSCRIPTION, REGION, SNAPSHOTS, NODES)
NORTHERN = CopyRegion("northeurope", SUBSCRIPTION, NORTH)
COPYING = replace(PLACE, places=(NORTHERN,))


@dataclass
class ArmReader:
    """A VolumeReader that looks into the stand-in."""

    world: ArmWorld

    def why_not(self, driver: str) -> str:
        return "" if driver == DRIVER else f"driver {driver} is not Azure's"

    def digest_volume(self, handle: str) -> str:
        try:
            return digest(self.world.arm.disk(handle).content)
        except ArmError as error:
            raise NotFound(error.message) from None

    def digest_snapshot(self, handle: str) -> str:
        try:
            return digest(self.world.arm.snapshot(handle).content)
        except ArmError as error:
            raise NotFound(error.message) from None


@dataclass
class AzureDisksWorld:
    """See tests.support.disks.World. `place` and `token` are those of the adapter."""

    azure: ArmWorld
    place: AzurePlace = PLACE
    token: str = TOKEN
    cluster: FakeCluster = field(default_factory=FakeCluster)

    def __post_init__(self) -> None:
        self.cluster.reactions["PersistentVolume"] = self._bind
        self.disks = self.adapter()
        self.reader = ArmReader(self.azure)

    def clients(self, token: str = "") -> ArmClients:
        settings = ArmSettings(endpoint=self.azure.url, certificates=str(self.azure.ca))
        return ArmClients(settings, StaticCredential(token or self.token))

    def adapter(self, place: AzurePlace | None = None, token: str = "") -> DisksAzure:
        """Another adapter to the same cluster, as another task has one."""
        return DisksAzure(self.cluster, self.clients(token), place or self.place)

    def copies(self, place: AzurePlace | None = None, token: str = "") -> CopiesAzure:
        return CopiesAzure(self.clients(token), place or self.place)

    def make_volume(
        self,
        namespace: str,
        name: str,
        content: dict[str, bytes],
        sku: str = "Premium_LRS",
        zone: str = "",
    ) -> Volume:
        """A bound claim of 1 GiB on a disk like those that the CSI driver makes."""
        made = self.cluster.create(CLAIM, namespace, claim(name))
        uid = made["metadata"]["uid"]
        handle = disk_id(f"pvc-{uid}")
        more: Json = {"zones": [zone]} if zone else {}
        self.azure.arm.add_disk(
            handle,
            REGION,
            sku,
            1,
            content=content,
            properties={"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"},
            **more,
        )
        bound = {**made["spec"], "volumeName": f"pvc-{uid}"}
        self.cluster.put(CLAIM, {**made, "spec": bound, "status": {"phase": "Bound"}})
        return Volume(
            namespace=namespace,
            claim=name,
            claim_uid=uid,
            pv=f"pvc-{uid}",
            driver=DRIVER,
            handle=handle,
            storage_class="managed-csi",
            volume_mode="Filesystem",
            access_modes=("ReadWriteOnce",),
            size=2**30,
        )

    def lose_snapshot(self, ticket: SnapshotTicket) -> None:
        """Somebody deletes it in the portal."""
        self.azure.client().snapshots.begin_delete(SNAPSHOTS, ticket.name).result()

    def write(self, volume: Volume, path: str, data: bytes) -> None:
        self.azure.arm.disk(volume.handle).content[path] = data

    def _bind(self, volume: Json) -> None:
        reference = volume["spec"]["claimRef"]
        live = self.cluster.objects(CLAIM, reference["namespace"]).get(reference["name"])
        if live is None or live["metadata"]["uid"] != reference["uid"]:
            return
        assert live["spec"]["volumeName"] == volume["metadata"]["name"]
        self.cluster.put(CLAIM, {**live, "status": {"phase": "Bound"}})


def digest(content: Content) -> str:
    """Equal for equal names and bytes."""
    total = hashlib.sha256()
    for path, data in sorted(content.items()):
        total.update(f"{path}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    return f"sha256:{total.hexdigest()}"


def world_of(azure: ArmWorld, base: AzurePlace = PLACE, **place: object) -> AzureDisksWorld:
    """With the namespaces `shop` and `back`; `place` are fields that differ from `base`."""
    world = AzureDisksWorld(azure, replace(base, **place))  # type: ignore[arg-type]
    for name in ("shop", "back"):
        world.cluster.create(NAMESPACE, None, manifest(NAMESPACE, name))
    return world
