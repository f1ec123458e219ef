"""A whole world in memory: cluster with a driver that snapshots at once, vault, engine.

Built on the fakes that pass the contract suites; what makes it a world is only the snapshot
controller's reaction below.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.volumes_folder import NoVolumes
from lifeboat.clock import Clock
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import ClusterEntry, VaultEntry
from lifeboat.ports.calls import Calls
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.ports.pods import Pods
from lifeboat.ports.store import Store
from lifeboat.steps.context import Context
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault, open_vault
from tests.support.crash import Fuse, Fused
from tests.support.fake_calls import FakeCalls
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
VAULT = "vault"


@dataclass(frozen=True)
class Given:
    """What a run is given. `stores` opens the store of a name, a vault's or an empty one; with a
    fuse, every port call goes through it."""

    stores: Callable[[str], Store]
    cluster: Cluster
    policy: str
    key: str
    clock: Clock
    fuse: Fuse | None = None
    pods: Pods | None = None
    calls: Calls | None = None

    def store(self, name: str = VAULT) -> Store:
        opened: Store = self._fused(self.stores(name))
        return opened

    def context(self) -> Context:
        """The engine, freshly opened."""
        instance = Instance(
            policy=parse_policy(self.policy, "shop.yaml", "shop"),
            cluster=ClusterEntry(name="local", in_cluster=True),
            vault=VaultEntry(name="main", url="file:///none", key="env:NONE"),
            policy_text=self.policy,
            policy_digest=f"sha256:{sha256(self.policy.encode()).hexdigest()}",
            source="shop.yaml",
        )
        cluster: Cluster = self._fused(self.cluster)
        vault = open_vault(self.store(), self.key)
        disks = DisksCsi(cluster, clock=self.clock)
        pods: Pods | None = self._fused(self.pods) if self.pods else None
        calls: Calls | None = self._fused(self.calls) if self.calls else None
        reader = NoVolumes()
        return Context(instance, cluster, vault, disks, reader, self.clock, pods=pods, calls=calls)

    def _fused(self, port: Any) -> Any:
        return Fused(port, self.fuse) if self.fuse else port


@dataclass
class World:
    """`now` moves by hand; `handles` are the driver's snapshots that exist."""

    policy: str = POLICY
    now: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)
    handles: set[str] = field(default_factory=set)
    key: str = field(default_factory=generate_key)

    def __post_init__(self) -> None:
        self.cluster = FakeCluster(clock=self.clock)
        self.pods = FakePods()
        self.calls = FakeCalls()
        self._controlled()
        self.store = MemoryStore(clock=self.clock)
        self.beside: dict[str, MemoryStore] = {}
        create_vault(self.open_store(), self.key, self.clock)
        _fill(self.cluster)

    def twin(self) -> Self:
        """Another world that is the same up to now; what happens to one leaves the other alone."""
        other = self._twin()
        other.store = self.store.twin(other.clock)
        other.beside = {name: store.twin(other.clock) for name, store in self.beside.items()}
        return other

    def clock(self) -> datetime:
        return self.now

    def tick(self, **delta: float) -> None:
        """Let time pass."""
        self.now += timedelta(**delta)

    def context(self, fuse: Fuse | None = None) -> Context:
        """The engine, freshly opened; with a fuse, every port call goes through it."""
        return self.given(fuse).context()

    def given(self, fuse: Fuse | None = None) -> Given:
        """What a run is given; with a fuse, every port call goes through it."""
        return Given(
            self.open_store,
            self.cluster,
            self.policy,
            self.key,
            self.clock,
            fuse,
            self.pods,
            self.calls,
        )

    def open_store(self, name: str = VAULT) -> Store:
        """As a process does that begins; a name other than the vault's is of a place beside it."""
        if name == VAULT:
            return self.store
        return self.beside.setdefault(name, MemoryStore(clock=self.clock))

    def change(self, colour: str) -> None:
        """Change one object."""
        body = {"data": {"colour": colour}}
        self.cluster.patch(CONFIG_MAP, "shop", "settings", body)

    def forget_deleted_snapshots(self) -> None:
        """What a driver does: a snapshot lives as long as a content stands for it."""
        live = self.cluster.objects(CONTENT).values()
        self.handles = {content["status"]["snapshotHandle"] for content in live}

    def discard(self) -> None:
        """Give back what it takes on a disk."""

    def unfinished(self) -> list[Path]:
        """Files of stores that are no blobs: what writers had not finished."""
        return []

    def _twin(self) -> Self:
        """A twin but for the stores."""
        other = copy.copy(self)
        other.handles = set(self.handles)
        other.cluster = self.cluster.twin(other.clock)
        other._controlled()
        return other

    def _controlled(self) -> None:
        self.cluster.reactions["VolumeSnapshot.snapshot.storage.k8s.io"] = self._snapshot

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
