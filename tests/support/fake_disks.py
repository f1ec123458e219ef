"""Disks in memory beside a FakeCluster: claims with bytes, snapshots, restores, faults on order.

Passes the same contract suite as the CSI adapter (tests/contract/test_disks.py). It is a
VolumeReader too: the digest is over its bytes by path.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from lifeboat.clock import Clock, rfc3339, utc_now
from lifeboat.errors import AlreadyExists, NotFound, SnapshotFailed, Unsupported
from lifeboat.ports.cluster import Json
from lifeboat.ports.disks import (
    RestoreState,
    RestoreTicket,
    SnapshotState,
    SnapshotTicket,
    StoredSnapshot,
    Volume,
)
from lifeboat.ports.quantity import parse_quantity
from tests.support.fake_cluster import FakeCluster
from tests.support.faults import Faults
from tests.support.kinds import CLAIM, NAMESPACE, VOLUME
from tests.support.manifests import claim as new_claim
from tests.support.manifests import manifest

DRIVER = "fake.csi.lifeboat.dev"
CLASS = "fake"
_RESTORE = "lifeboat.dev/restore"
Content = dict[str, bytes]


@dataclass
class _Snapshot:
    ticket: SnapshotTicket
    handle: str
    content: Content
    created: str
    polls: int = 0
    secured: bool = False

    @property
    def stored(self) -> StoredSnapshot:
        return StoredSnapshot(
            kind="csi",
            volume=self.ticket.volume,
            name=self.ticket.name,
            handle=self.handle,
            driver=self.ticket.volume.driver,
            size=self.ticket.volume.size,
            created=self.created,
            point=self.ticket.point,
            instance=self.ticket.instance,
        )


@dataclass
class FakeDisks:
    """`contents` maps a volume's handle to its files, for tests to write and to look at.

    `slow`: polls of a snapshot before it is ready. `broken`: by `namespace/claim`, the driver's
    error for its snapshot. `never_bound`, `waits_for_pod`: restored claims by `namespace/claim`.
    """

    cluster: FakeCluster
    clock: Clock = utc_now
    slow: int = 0
    broken: dict[str, str] = field(default_factory=dict)
    never_bound: set[str] = field(default_factory=set)
    waits_for_pod: set[str] = field(default_factory=set)
    contents: dict[str, Content] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    _snapshots: dict[str, _Snapshot] = field(default_factory=dict)

    def make_volume(
        self, namespace: str, claim: str, content: Content, size: str = "1Gi"
    ) -> Volume:
        """A bound claim with these files."""
        made = self.cluster.create(CLAIM, namespace, new_claim(claim, size))
        handle = self._bind(made, content)
        return Volume(
            namespace=namespace,
            claim=claim,
            claim_uid=made["metadata"]["uid"],
            pv=f"pv-{handle}",
            driver=DRIVER,
            handle=handle,
            storage_class="fake",
            volume_mode="Filesystem",
            access_modes=("ReadWriteOnce",),
            size=parse_quantity(size),
        )

    def why_not(self, volume: Volume | str, snapshot_class: str = "") -> str:
        """For both ports: a volume to snapshot, or a driver to read."""
        driver = volume if isinstance(volume, str) else volume.driver
        if snapshot_class not in ("", CLASS):
            return f"snapshot class {snapshot_class} is not one of driver {driver}"
        return "" if driver == DRIVER else f"driver {driver or 'of no name'} is not a fake"

    def why_not_together(self, volumes: Sequence[Volume]) -> str:
        drivers = {volume.driver for volume in volumes}
        return "" if drivers == {DRIVER} else f"drivers {sorted(drivers)} have no groups"

    def start_snapshot(
        self, point: str, instance: str, volume: Volume, snapshot_class: str = "", group: str = ""
    ) -> SnapshotTicket:
        self.faults.enter("start_snapshot")
        if snapshot_class not in ("", CLASS):
            raise Unsupported(self.why_not(volume, snapshot_class))
        name = f"{point}-{volume.claim_uid}".lower()
        ticket = SnapshotTicket(point, instance, volume, name)
        if name in self._living():
            return ticket
        live = self._claim(volume.namespace, volume.claim)
        if live is None or live["metadata"]["uid"] != volume.claim_uid:
            raise SnapshotFailed(f"the claim {volume.title} was deleted after it was listed")
        content = dict(self.contents[volume.handle])
        handle = f"snapshot-{uuid.uuid4().hex[:12]}"
        self._snapshots[name] = _Snapshot(ticket, handle, content, rfc3339(self.clock()))
        return ticket

    def poll_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        self.faults.enter("poll_snapshot")
        found = self._living().get(ticket.name)
        if found is None:
            return SnapshotState(ready=False, error="its snapshot was deleted")
        if ticket.volume.title in self.broken:
            return SnapshotState(ready=False, error=self.broken[ticket.volume.title])
        found.polls += 1
        if found.polls <= self.slow:
            return SnapshotState(ready=False)
        return _ready(found.stored)

    def look_at_snapshots(self, tickets: Sequence[SnapshotTicket]) -> tuple[SnapshotState, ...]:
        self.faults.enter("look_at_snapshots")
        states = [self.poll_snapshot(ticket) for ticket in tickets]
        return tuple(
            SnapshotState(s.ready, created=s.created, percent=s.percent, error=s.error)
            for s in states
        )

    def secure_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        self.faults.enter("secure_snapshot")
        found = self._living().get(ticket.name)
        if found is None:
            raise SnapshotFailed(f"the snapshot of {ticket.volume.title} is gone")
        if ticket.volume.title in self.broken or found.polls < self.slow:
            raise SnapshotFailed(f"the snapshot of {ticket.volume.title} is not ready")
        found.secured = True
        return _ready(found.stored)

    def delete_snapshot(self, snapshot: StoredSnapshot) -> None:
        self.faults.enter("delete_snapshot")
        self._snapshots.pop(snapshot.name, None)

    def list_marked(self, instance: str) -> tuple[StoredSnapshot, ...]:
        self.faults.enter("list_marked")
        living = self._living().values()
        return tuple(s.stored for s in living if s.ticket.instance == instance)

    def restore_ticket(
        self, snapshot: StoredSnapshot, *, namespace: str, claim: str, restore_id: str
    ) -> RestoreTicket:
        return RestoreTicket(snapshot, namespace, claim, restore_id, "", "")

    def start_restore(
        self,
        snapshot: StoredSnapshot,
        *,
        namespace: str,
        claim: str,
        restore_id: str,
        claim_body: Json,
    ) -> RestoreTicket:
        self.faults.enter("start_restore")
        ticket = self.restore_ticket(
            snapshot, namespace=namespace, claim=claim, restore_id=restore_id
        )
        live = self._claim(namespace, claim)
        if live is None:
            body = deepcopy(claim_body)
            requests = body["spec"]["resources"]["requests"]
            if parse_quantity(requests["storage"]) < snapshot.size:
                requests["storage"] = str(snapshot.size)
            body["metadata"].setdefault("annotations", {})[_RESTORE] = restore_id
            live = self.cluster.create(CLAIM, namespace, body)
        if _restore_of(live) != restore_id:
            raise AlreadyExists(f"claim {namespace}/{claim} exists")
        return ticket

    def poll_restore(self, ticket: RestoreTicket) -> RestoreState:
        self.faults.enter("poll_restore")
        live = self._claim(ticket.namespace, ticket.claim)
        title = f"{ticket.namespace}/{ticket.claim}"
        if live is None:
            return RestoreState(bound=False, error="the restored claim was deleted")
        if _restore_of(live) != ticket.restore_id:
            return RestoreState(bound=False, error="another claim has taken its name")
        if title in self.waits_for_pod:
            return RestoreState(bound=False, waits_for_pod=True)
        if title in self.never_bound:
            return RestoreState(bound=False)
        if not live["spec"].get("volumeName"):
            source = self._snapshots.get(ticket.snapshot.name)
            if source is None:
                return RestoreState(bound=False, error="can not find its snapshot")
            self._bind(live, dict(source.content))
            live = self.cluster.get(CLAIM, ticket.namespace, ticket.claim)
        pv = live["spec"]["volumeName"]
        return RestoreState(bound=True, handle=pv.removeprefix("pv-"), pv=pv)

    def finish_restore(self, ticket: RestoreTicket) -> None:
        """There are no helpers."""
        self.faults.enter("finish_restore")

    def digest_volume(self, handle: str) -> str:
        volume = self.cluster.objects(VOLUME).get(f"pv-{handle}")
        if volume is None or handle not in self.contents:
            raise NotFound(f"no volume {handle}")
        reference = volume["spec"]["claimRef"]
        live = self._claim(reference["namespace"], reference["name"])
        if live is None or live["metadata"]["uid"] != reference["uid"]:
            raise NotFound(f"no volume {handle}: its claim was deleted")
        return _digest(self.contents[handle])

    def digest_snapshot(self, handle: str) -> str:
        for snapshot in self._living().values():
            if snapshot.handle == handle:
                return _digest(snapshot.content)
        raise NotFound(f"no snapshot {handle}")

    def _bind(self, claim: Json, content: Content) -> str:
        meta = claim["metadata"]
        handle = f"volume-{meta['uid']}"
        self.contents[handle] = content
        reference = {key: meta[key] for key in ("namespace", "name", "uid")}
        spec = {
            "capacity": dict(claim["spec"]["resources"]["requests"]),
            "csi": {"driver": DRIVER, "volumeHandle": handle},
            "claimRef": reference,
        }
        self.cluster.put(VOLUME, manifest(VOLUME, f"pv-{handle}", spec=spec))
        bound = {**claim["spec"], "volumeName": f"pv-{handle}"}
        self.cluster.put(CLAIM, {**claim, "spec": bound, "status": {"phase": "Bound"}})
        return handle

    def _claim(self, namespace: str, name: str) -> Json | None:
        return self.cluster.objects(CLAIM, namespace).get(name)

    def _living(self) -> dict[str, _Snapshot]:
        """A snapshot that was not secured goes with its namespace."""
        namespaces = self.cluster.objects(NAMESPACE)
        for name, one in list(self._snapshots.items()):
            if not one.secured and one.ticket.volume.namespace not in namespaces:
                del self._snapshots[name]
        return self._snapshots


def _ready(stored: StoredSnapshot) -> SnapshotState:
    return SnapshotState(
        True, stored.handle, stored.driver, stored.size, stored.created, percent=100
    )


def _restore_of(claim: Json) -> str:
    return str((claim["metadata"].get("annotations") or {}).get(_RESTORE, ""))


def _digest(content: Content) -> str:
    total = hashlib.sha256()
    for path, data in sorted(content.items()):
        total.update(f"{path}\0{hashlib.sha256(data).hexdigest()}\n".encode())
    return f"sha256:{total.hexdigest()}"
