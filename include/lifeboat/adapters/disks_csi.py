"""The Disks port over CSI: VolumeSnapshots of any driver that has a VolumeSnapshotClass.

A class usually says `deletionPolicy: Delete`, so that losing a namespace would lose its snapshots
with it. Every ready snapshot is therefore secured: its content is switched to Retain, and only
prune switches it back (kubernetes.io, "Volume Snapshots", deletionPolicy).
"""

from __future__ import annotations

from functools import cached_property

import msgspec

from lifeboat.adapters import snapshot_api as api
from lifeboat.clock import monotonic, pause
from lifeboat.errors import AlreadyExists, LifeboatError, NotFound, NotReady, Unsupported
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.ports.disks import (
    RestoreState,
    RestoreTicket,
    SnapshotState,
    SnapshotTicket,
    StoredSnapshot,
    Volume,
)
from lifeboat.ports.quantity import parse_quantity

_DELETE_SECONDS = 120.0
_POLL_SECONDS = 0.2


class DisksCsi:
    """See lifeboat.ports.disks.Disks. `snapshot_class` overrides the choice by driver."""

    def __init__(self, cluster: Cluster, *, snapshot_class: str = "") -> None:
        self._cluster = cluster
        self._wanted_class = snapshot_class

    def why_not(self, volume: Volume) -> str:
        try:
            self._class_for(volume.driver)
        except Unsupported as error:
            return error.message
        return ""

    def start_snapshot(self, point: str, instance: str, volume: Volume) -> SnapshotTicket:
        body = api.new_snapshot(point, instance, volume, self._class_for(volume.driver))
        name = body["metadata"]["name"]
        try:
            self._cluster.create(api.SNAPSHOT, volume.namespace, body)
        except AlreadyExists:
            live = self._cluster.get(api.SNAPSHOT, volume.namespace, name)
            if live["metadata"].get("annotations", {}).get(api.CLAIM_UID) != volume.claim_uid:
                raise
        return SnapshotTicket(point, instance, volume, name)

    def poll_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        try:
            live = self._cluster.get(api.SNAPSHOT, ticket.volume.namespace, ticket.name)
        except NotFound:
            return SnapshotState(ready=False, error="its VolumeSnapshot was deleted")
        status = live.get("status") or {}
        content_name = status.get("boundVolumeSnapshotContentName", "")
        if not status.get("readyToUse") or not content_name:
            error = (status.get("error") or {}).get("message", "")
            return SnapshotState(ready=False, error=_lasting(error))
        content = self._cluster.get(api.CONTENT, None, content_name)
        found = content.get("status") or {}
        return SnapshotState(
            ready=True,
            handle=found["snapshotHandle"],
            driver=content["spec"]["driver"],
            size=int(found.get("restoreSize") or 0),
            created=status.get("creationTime", ""),
            percent=100,
        )

    def secure_snapshot(self, ticket: SnapshotTicket) -> None:
        live = self._cluster.get(api.SNAPSHOT, ticket.volume.namespace, ticket.name)
        content = live["status"]["boundVolumeSnapshotContentName"]
        labels, annotations = api.marks(ticket.point, ticket.instance, ticket.volume)
        self._cluster.patch(
            api.CONTENT,
            None,
            content,
            {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {"deletionPolicy": "Retain"},
            },
        )

    def delete_snapshot(self, snapshot: StoredSnapshot) -> None:
        contents = self._contents_of(snapshot)
        if not contents:
            contents = [self._stand_in(snapshot)]
        for content in contents:
            name = content["metadata"]["name"]
            self._cluster.patch(api.CONTENT, None, name, {"spec": {"deletionPolicy": "Delete"}})
            reference = content["spec"].get("volumeSnapshotRef") or {}
            if reference.get("uid"):
                self._cluster.delete(api.SNAPSHOT, reference["namespace"], reference["name"])
            self._cluster.delete(api.CONTENT, None, name)
        self._wait_gone([content["metadata"]["name"] for content in contents])

    def list_marked(self, instance: str) -> tuple[StoredSnapshot, ...]:
        selector = f"{api.MANAGED}=true,{api.INSTANCE}={instance}"
        return tuple(self._stored(live) for live in self._list(selector))

    def start_restore(
        self,
        snapshot: StoredSnapshot,
        *,
        namespace: str,
        claim: str,
        restore_id: str,
        claim_body: Json,
    ) -> RestoreTicket:
        name = api.helper_name(restore_id, namespace, claim)
        self._refuse_stranger(namespace, claim, restore_id)
        labels = {api.MANAGED: "true", api.RESTORE: restore_id}
        reference: Json = {"name": name, "namespace": namespace}
        content = api.known_content(name, snapshot, reference, "Retain", labels)
        self._ensure(api.CONTENT, None, content)
        self._ensure(api.SNAPSHOT, namespace, api.known_snapshot(name, namespace, name, labels))
        self._ensure(api.CLAIM, namespace, _claim(claim_body, name, snapshot, restore_id))
        return RestoreTicket(snapshot, namespace, claim, restore_id, name, name)

    def poll_restore(self, ticket: RestoreTicket) -> RestoreState:
        try:
            live = self._cluster.get(api.CLAIM, ticket.namespace, ticket.claim)
        except NotFound:
            return RestoreState(bound=False, error="the restored claim was deleted")
        phase = live.get("status", {}).get("phase", "Pending")
        if phase == "Lost":
            return RestoreState(bound=False, error="the restored claim lost its volume")
        pv = live["spec"].get("volumeName", "")
        if phase != "Bound" or not pv:
            return RestoreState(bound=False, waits_for_pod=self._waits_for_pod(live))
        volume = self._cluster.get(api.PV, None, pv)
        return RestoreState(bound=True, handle=volume["spec"]["csi"]["volumeHandle"], pv=pv)

    def finish_restore(self, ticket: RestoreTicket) -> None:
        """The content says Retain: deleting it leaves the driver's snapshot alone."""
        self._cluster.delete(api.SNAPSHOT, ticket.namespace, ticket.snapshot_name)
        self._cluster.delete(api.CONTENT, None, ticket.content_name)

    @cached_property
    def _classes(self) -> dict[str, list[Json]]:
        """Snapshot classes by driver; read once, a run is short."""
        found: dict[str, list[Json]] = {}
        try:
            for page in self._cluster.list_pages(api.CLASS):
                for raw in page.items:
                    entry = _decode(raw)
                    found.setdefault(entry["driver"], []).append(entry)
        except NotFound:
            raise Unsupported("the cluster has no snapshot API (VolumeSnapshot v1)") from None
        return found

    def _class_for(self, driver: str) -> str:
        classes = self._classes.get(driver, [])
        names = sorted(entry["metadata"]["name"] for entry in classes)
        if self._wanted_class:
            if self._wanted_class in names:
                return self._wanted_class
            has = ", ".join(names) or "none"
            raise Unsupported(
                f"snapshot class {self._wanted_class} is not one of driver {driver} (it has {has})"
            )
        if not names:
            raise Unsupported(f"driver {driver} has no VolumeSnapshotClass")
        defaults = [
            entry["metadata"]["name"]
            for entry in classes
            if entry["metadata"].get("annotations", {}).get(api.DEFAULT_CLASS) == "true"
        ]
        if len(names) == 1 or len(defaults) == 1:
            return str((defaults or names)[0])
        raise Unsupported(
            f"driver {driver} has {len(names)} snapshot classes ({', '.join(names)}) and no single"
            " default; name one in the policy's volumes.snapshotClass"
        )

    def _contents_of(self, snapshot: StoredSnapshot) -> list[Json]:
        """Contents of this point that stand for the snapshot (there is one, unless it is gone)."""
        selector = f"{api.MANAGED}=true,{api.POINT}={snapshot.point}"
        contents = self._list(selector)
        if not snapshot.handle:
            wanted = snapshot.volume.title
            return [c for c in contents if _annotation(c, api.CLAIM_NAME) == wanted]
        return [c for c in contents if _handle(c) == snapshot.handle]

    def _stand_in(self, snapshot: StoredSnapshot) -> Json:
        """A content that nobody bound: deleting it makes the driver delete the snapshot, since a
        pre-provisioned content without a bound VolumeSnapshot is deleted by its policy alone
        (external-snapshotter, sidecar controller, shouldDelete)."""
        name = f"lifeboat-delete-{api.snapshot_name(snapshot.point, snapshot.volume)[9:]}"
        reference: Json = {"name": name, "namespace": snapshot.volume.namespace}
        labels = {api.MANAGED: "true", api.POINT: snapshot.point}
        body = api.known_content(name, snapshot, reference, "Delete", labels)
        self._ensure(api.CONTENT, None, body)
        deadline = monotonic() + _DELETE_SECONDS
        while monotonic() < deadline:
            live = self._cluster.get(api.CONTENT, None, name)
            if live["metadata"].get("finalizers"):  # the controller has taken it up
                return live
            pause(_POLL_SECONDS)
        raise NotReady(f"the snapshot controller did not take up {name}")

    def _wait_gone(self, names: list[str]) -> None:
        deadline = monotonic() + _DELETE_SECONDS
        for name in names:
            while True:
                try:
                    live = self._cluster.get(api.CONTENT, None, name)
                except NotFound:
                    break
                if monotonic() > deadline:
                    error = ((live.get("status") or {}).get("error") or {}).get("message", "")
                    raise NotReady(f"the driver has not deleted snapshot {name} yet: {error}")
                pause(_POLL_SECONDS)

    def _list(self, selector: str) -> list[Json]:
        try:
            pages = self._cluster.list_pages(api.CONTENT, label_selector=selector)
            return [_decode(raw) for page in pages for raw in page.items]
        except NotFound:
            return []

    def _stored(self, content: Json) -> StoredSnapshot:
        namespace, _, claim = _annotation(content, api.CLAIM_NAME).partition("/")
        size = int(_annotation(content, api.SIZE) or 0)
        spec, labels = content["spec"], content["metadata"].get("labels", {})
        volume = Volume(
            namespace=namespace,
            claim=claim,
            claim_uid=_annotation(content, api.CLAIM_UID),
            pv="",
            driver=spec["driver"],
            handle="",
            storage_class="",
            volume_mode=spec.get("sourceVolumeMode", "Filesystem"),
            access_modes=(),
            size=size,
        )
        return StoredSnapshot(
            kind="csi",
            volume=volume,
            name=spec.get("volumeSnapshotRef", {}).get("name", ""),
            handle=_handle(content),
            driver=spec["driver"],
            size=size,
            created=content["metadata"].get("creationTimestamp", ""),
            point=labels.get(api.POINT, ""),
            instance=labels.get(api.INSTANCE, ""),
        )

    def _refuse_stranger(self, namespace: str, claim: str, restore_id: str) -> None:
        try:
            live = self._cluster.get(api.CLAIM, namespace, claim)
        except NotFound:
            return
        if _annotation(live, api.RESTORE) != restore_id:
            raise AlreadyExists(f"claim {namespace}/{claim} exists")

    def _ensure(self, kind: Kind, namespace: str | None, body: Json) -> None:
        try:
            self._cluster.create(kind, namespace, body)
        except AlreadyExists:
            return

    def _waits_for_pod(self, claim: Json) -> bool:
        name = claim["spec"].get("storageClassName", "")
        if not name:
            return False
        try:
            found = self._cluster.get(api.STORAGE_CLASS, None, name)
        except LifeboatError:
            return False
        return bool(found.get("volumeBindingMode") == "WaitForFirstConsumer")


def _decode(raw: bytes) -> Json:
    decoded: Json = msgspec.json.decode(raw)
    return decoded


def _annotation(live: Json, name: str) -> str:
    return str(live["metadata"].get("annotations", {}).get(name, ""))


def _handle(content: Json) -> str:
    status = content.get("status") or {}
    return str(status.get("snapshotHandle") or content["spec"]["source"].get("snapshotHandle", ""))


def _lasting(message: str) -> str:
    """Errors that the controller itself retries are no failure yet (it reports them in passing)."""
    passing = ("the object has been modified", "context deadline exceeded", "DeadlineExceeded")
    return "" if any(text in message for text in passing) else message


def _claim(body: Json, snapshot_name: str, snapshot: StoredSnapshot, restore_id: str) -> Json:
    """The claim to create: from the snapshot, and large enough for it."""
    spec = body["spec"]
    spec["dataSource"] = {"apiGroup": api.GROUP, "kind": "VolumeSnapshot", "name": snapshot_name}
    requests = spec.setdefault("resources", {}).setdefault("requests", {})
    if parse_quantity(str(requests.get("storage", "0"))) < snapshot.size:
        requests["storage"] = str(snapshot.size)
    body["metadata"].setdefault("annotations", {})[api.RESTORE] = restore_id
    return body
