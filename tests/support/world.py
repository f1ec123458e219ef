"""A whole world in memory: cluster with a driver that snapshots at once, vault, engine.

Built on the fakes that pass the contract suites; what makes it a world is only the snapshot
controller's reaction below.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.volumes_folder import NoVolumes
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import ClusterEntry, VaultEntry
from lifeboat.ports.cluster import Json, Kind
from lifeboat.steps.context import Context
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault, open_vault
from tests.support.crash import Fuse, Fused
from tests.support.fake_cluster import FakeCluster
from tests.support.fake_pods import FakePods
from tests.support.kinds import (
    CLAIM,
    CONFIG_MAP,
    CONTENT,
    NAMESPACE,
    SECRET,
    SNAPSHOT_CLASS,
    STORAGE_CLASS,
    VOLUME,
)
from tests.support.memory_store import MemoryStore

DRIVER = "disks.example.com"
POLICY = """
clusters: [local]
objectives: {rpo: 1h}
select: {namespaces: {include: [shop]}}
retention: {keep: {last: 2}}
"""


@dataclass
class World:
    """`now` moves by hand; `handles` are the driver's snapshots that exist."""

    policy: str = POLICY
    now: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)
    handles: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.cluster = FakeCluster(clock=self.clock)
        self.pods = FakePods()
        self.store = MemoryStore(clock=self.clock)
        self.key = generate_key()
        create_vault(self.store, self.key, self.clock)
        self.cluster.reactions["VolumeSnapshot.snapshot.storage.k8s.io"] = self._snapshot
        _fill(self.cluster)

    def clock(self) -> datetime:
        return self.now

    def tick(self, **delta: float) -> None:
        """Let time pass."""
        self.now += timedelta(**delta)

    def context(self, fuse: Fuse | None = None) -> Context:
        """The engine, freshly opened; with a fuse, every port call goes through it."""
        instance = Instance(
            policy=parse_policy(self.policy, "shop.yaml", "shop"),
            cluster=ClusterEntry(name="local", in_cluster=True),
            vault=VaultEntry(name="main", url="file:///none", key="env:NONE"),
            policy_text=self.policy,
            policy_digest=f"sha256:{sha256(self.policy.encode()).hexdigest()}",
            source="shop.yaml",
        )
        cluster: FakeCluster = Fused(self.cluster, fuse) if fuse else self.cluster  # type: ignore[assignment]
        store: MemoryStore = Fused(self.store, fuse) if fuse else self.store  # type: ignore[assignment]
        vault = open_vault(self.store, self.key)
        vault.store = store
        disks = DisksCsi(cluster, clock=self.clock)
        pods: FakePods = Fused(self.pods, fuse) if fuse else self.pods  # type: ignore[assignment]
        return Context(instance, cluster, pods, vault, disks, NoVolumes(), self.clock)

    def change(self, colour: str) -> None:
        """Change one object."""
        body = {"data": {"colour": colour}}
        self.cluster.patch(CONFIG_MAP, "shop", "settings", body)

    def forget_deleted_snapshots(self) -> None:
        """What a driver does: a snapshot lives as long as a content stands for it."""
        live = self.cluster.objects(CONTENT).values()
        self.handles = {content["status"]["snapshotHandle"] for content in live}

    def _snapshot(self, body: Json) -> None:
        name = f"snapcontent-{body['metadata']['uid']}"
        handle = f"snapshot-{uuid.uuid4()}"
        self.handles.add(handle)
        meta = body["metadata"]
        reference = {"namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}
        spec = {
            "deletionPolicy": "Delete",
            "driver": DRIVER,
            "source": {},
            "sourceVolumeMode": "Filesystem",
            "volumeSnapshotRef": reference,
        }
        content = _object(CONTENT, name, spec=spec)
        content["status"] = {
            "readyToUse": True,
            "snapshotHandle": handle,
            "restoreSize": 1 << 30,
            "creationTime": int(self.now.timestamp() * 1e9),
        }
        self.cluster.put(CONTENT, content)
        body["status"] = {
            "readyToUse": True,
            "boundVolumeSnapshotContentName": name,
            "creationTime": "2026-11-22T12:00:00Z",
        }


def _fill(cluster: FakeCluster) -> None:
    cluster.create(NAMESPACE, None, _object(NAMESPACE, "shop"))
    cluster.create(CONFIG_MAP, "shop", _object(CONFIG_MAP, "settings", data={"colour": "blue"}))
    cluster.create(SECRET, "shop", _object(SECRET, "login", data={"password": "aHVudGVyMg=="}))
    cluster.create(STORAGE_CLASS, None, _object(STORAGE_CLASS, "fast", provisioner=DRIVER))
    cluster.create(SNAPSHOT_CLASS, None, _object(SNAPSHOT_CLASS, "fast", driver=DRIVER))
    csi = {"driver": DRIVER, "volumeHandle": "disk-1"}
    volume = {"capacity": {"storage": "1Gi"}, "csi": csi}
    cluster.create(VOLUME, None, _object(VOLUME, "pv-1", spec=volume))
    claim = _object(CLAIM, "data", spec={"volumeName": "pv-1", "storageClassName": "fast"})
    claim["metadata"]["namespace"] = "shop"
    cluster.put(CLAIM, {**claim, "status": {"phase": "Bound"}})


def _object(kind: Kind, name: str, **fields: object) -> Json:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"name": name},
        **fields,
    }
