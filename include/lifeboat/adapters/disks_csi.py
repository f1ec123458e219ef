"""The Disks port over CSI: VolumeSnapshots of any driver that has a VolumeSnapshotClass.

A class usually says `deletionPolicy: Delete`, so that losing a namespace would lose its snapshots
with it. Every ready snapshot is therefore secured: its content is switched to Retain, and only
prune switches it back (kubernetes.io, "Volume Snapshots", deletionPolicy).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property

from lifeboat.adapters import claim_api
from lifeboat.adapters import snapshot_api as api
from lifeboat.adapters.snapshot_delete import delete_content, delete_helper, delete_snapshot
from lifeboat.adapters.snapshot_groups import SnapshotGroups
from lifeboat.clock import Clock, parse_rfc3339, utc_now
from lifeboat.errors import LifeboatError, NotFound, SnapshotFailed, Unsupported
from lifeboat.ports import marks
from lifeboat.ports.cluster import Cluster, Json
from lifeboat.ports.disks import (
    RestoreState,
    RestoreTicket,
    SnapshotState,
    SnapshotTicket,
    StoredSnapshot,
    Volume,
)

# How long the sidecar's own retries may take before an error that may pass counts as lasting.
_GRACE = timedelta(seconds=60)


class DisksCsi:
    """See lifeboat.ports.disks.Disks. `snapshot_class` overrides the choice by driver, and a call
    may override that."""

    def __init__(
        self, cluster: Cluster, *, snapshot_class: str = "", clock: Clock = utc_now
    ) -> None:
        self._cluster = cluster
        self._wanted_class = snapshot_class
        self._clock = clock
        self._groups = SnapshotGroups(cluster)

    def why_not(self, volume: Volume, snapshot_class: str = "") -> str:
        if not volume.driver or not volume.handle:
            return f"its volume {volume.pv} is not from a CSI driver"
        try:
            self._class_for(volume.driver, snapshot_class)
        except Unsupported as error:
            return error.message
        return ""

    def why_not_together(self, volumes: Sequence[Volume]) -> str:
        return self._groups.why_not(volumes)

    def start_snapshot(
        self, point: str, instance: str, volume: Volume, snapshot_class: str = "", group: str = ""
    ) -> SnapshotTicket:
        """Two requests, unless an earlier attempt was here. Raises SnapshotFailed when the claim is
        not the one that was listed any more."""
        if group:
            return self._groups.start(point, instance, volume, group)
        chosen = self._class_for(volume.driver, snapshot_class)
        body = api.new_snapshot(point, instance, volume, chosen)
        name = body["metadata"]["name"]
        try:
            claim_api.refuse_other_claim(self._cluster, volume)
            live = claim_api.create(self._cluster, api.SNAPSHOT, volume.namespace, body)
        except SnapshotFailed:
            earlier = claim_api.find(self._cluster, api.SNAPSHOT, volume.namespace, name)
            if earlier is None:
                raise
            live = earlier
        if not _is_of(live, point, volume):
            raise SnapshotFailed(
                f"a VolumeSnapshot {volume.namespace}/{name} exists that is not of this point and"
                " claim"
            )
        return SnapshotTicket(point, instance, volume, name)

    def poll_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        if ticket.group:
            return self._groups.look([ticket])[0]
        live = claim_api.find(self._cluster, api.SNAPSHOT, ticket.volume.namespace, ticket.name)
        content = self._content_for(live, ticket.point, ticket.volume)
        if live is None and content is None:
            return SnapshotState(ready=False, error="its VolumeSnapshot was deleted")
        if content is None or not api.is_ready(content) or not api.handle(content):
            cut = api.created(content) if content and api.is_cut(content) else ""
            error = self._lasting_error(live, content)
            return SnapshotState(ready=False, created=cut, error=error)
        return _ready(content)

    def look_at_snapshots(self, tickets: Sequence[SnapshotTicket]) -> tuple[SnapshotState, ...]:
        """One list of a point's VolumeSnapshots; where some are gone, one of secured contents."""
        if any(ticket.group for ticket in tickets):
            return self._look_at_groups_too(tickets)
        found: dict[tuple[str, str], Json] = {}
        for point in sorted({ticket.point for ticket in tickets}):
            for live in claim_api.listed(
                self._cluster, api.SNAPSHOT, f"{marks.MANAGED}=true,{api.POINT}={point}"
            ):
                found[live["metadata"]["namespace"], live["metadata"]["name"]] = live
        lives = [found.get((ticket.volume.namespace, ticket.name)) for ticket in tickets]
        lost = {one.point for one, live in zip(tickets, lives, strict=True) if live is None}
        secured = [content for point in sorted(lost) for content in self._secured(point)]
        return tuple(
            self._glance(ticket, live, secured) for ticket, live in zip(tickets, lives, strict=True)
        )

    def _look_at_groups_too(self, tickets: Sequence[SnapshotTicket]) -> tuple[SnapshotState, ...]:
        """Members of groups share what their group says; the others are looked at together."""
        alone = [ticket for ticket in tickets if not ticket.group]
        members = [ticket for ticket in tickets if ticket.group]
        found = dict(zip(members, self._groups.look(members), strict=True))
        if alone:
            found.update(zip(alone, self.look_at_snapshots(alone), strict=True))
        return tuple(found[ticket] for ticket in tickets)

    def secure_snapshot(self, ticket: SnapshotTicket) -> SnapshotState:
        """Two requests: the answer to the second tells all of the content."""
        if ticket.group:
            return self._groups.secure(ticket)
        live = claim_api.find(self._cluster, api.SNAPSHOT, ticket.volume.namespace, ticket.name)
        name = self._ready_content(live, ticket)
        labels, annotations = api.marks(ticket.point, ticket.instance, ticket.volume)
        body = {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {"deletionPolicy": "Retain"},
        }
        try:
            return _ready(self._cluster.patch(api.CONTENT, None, name, body))
        except NotFound:
            raise _lost(ticket) from None

    def delete_snapshot(self, snapshot: StoredSnapshot) -> None:
        """Waits until the driver has deleted it. Raises NotReady, SnapshotFailed."""
        if self._groups.delete(snapshot):
            return
        live = claim_api.find(self._cluster, api.SNAPSHOT, snapshot.volume.namespace, snapshot.name)
        if live is not None and not _is_of(live, snapshot.point, snapshot.volume):
            live = None
        contents = {c["metadata"]["name"]: c for c in self._contents_of(snapshot)}
        bound = self._content_for(live, snapshot.point, snapshot.volume)
        if bound is not None:
            contents[bound["metadata"]["name"]] = bound
        delete_snapshot(self._cluster, snapshot, live, list(contents.values()))

    def list_marked(self, instance: str) -> tuple[StoredSnapshot, ...]:
        """Secured snapshots by their contents, and those that a run left before it secured them."""
        selector = f"{marks.MANAGED}=true,{api.INSTANCE}={api.instance_label(instance)}"
        stored = [
            _stored(content, instance)
            for content in claim_api.listed(self._cluster, api.CONTENT, selector)
        ]
        seen = {(one.volume.namespace, one.name) for one in stored}
        for live in claim_api.listed(self._cluster, api.SNAPSHOT, selector):
            meta = live["metadata"]
            if (meta["namespace"], meta["name"]) not in seen:
                content = claim_api.find(self._cluster, api.CONTENT, None, api.bound_content(live))
                stored.append(_stored(live, instance, content))
        return (*stored, *self._groups.leftovers(instance))

    def restore_ticket(
        self, snapshot: StoredSnapshot, *, namespace: str, claim: str, restore_id: str
    ) -> RestoreTicket:
        name = api.helper_name(restore_id, namespace, claim)
        return RestoreTicket(snapshot, namespace, claim, restore_id, name, name)

    def start_restore(
        self,
        snapshot: StoredSnapshot,
        *,
        namespace: str,
        claim: str,
        restore_id: str,
        claim_body: Json,
    ) -> RestoreTicket:
        ticket = self.restore_ticket(
            snapshot, namespace=namespace, claim=claim, restore_id=restore_id
        )
        name = ticket.snapshot_name
        there = claim_api.find(self._cluster, api.CLAIM, namespace, claim)
        claim_api.refuse_stranger(there, ticket)
        if there is not None and there["spec"].get("volumeName"):
            return ticket  # an earlier attempt got as far as the volume: no helpers are needed
        labels = {marks.MANAGED: "true", marks.RESTORE: restore_id}
        reference: Json = {"name": name, "namespace": namespace}
        content = api.known_content(name, snapshot, reference, "Retain", labels)
        claim_api.create(self._cluster, api.CONTENT, None, content)
        claim_api.create(
            self._cluster,
            api.SNAPSHOT,
            namespace,
            api.known_snapshot(name, namespace, name, labels),
        )
        claim_api.refuse_stranger(
            claim_api.create(self._cluster, api.CLAIM, namespace, _claim(claim_body, ticket)),
            ticket,
        )
        return ticket

    def poll_restore(self, ticket: RestoreTicket) -> RestoreState:
        claim = claim_api.find(self._cluster, api.CLAIM, ticket.namespace, ticket.claim)
        lost = claim_api.lost_claim(claim, ticket)
        if claim is None or lost is not None:
            return lost or RestoreState(bound=False)
        pv = claim["spec"].get("volumeName", "")
        if claim_api.phase(claim) == "Bound" and pv:
            volume = self._cluster.get(api.PV, None, pv)
            handle = str((volume["spec"].get("csi") or {}).get("volumeHandle", ""))
            return RestoreState(bound=True, handle=handle, pv=pv)
        content = claim_api.find(self._cluster, api.CONTENT, None, ticket.content_name)
        complaint = api.error_message(content) if content else ""
        if api.is_final(complaint) or api.says_gone(complaint):
            return RestoreState(bound=False, error=complaint)
        return RestoreState(bound=False, waits_for_pod=self._waits_for_pod(claim))

    def finish_restore(self, ticket: RestoreTicket) -> None:
        """The content says Retain: deleting it leaves the driver's snapshot alone."""
        delete_helper(self._cluster, ticket.namespace, ticket.snapshot_name)
        delete_content(self._cluster, ticket.content_name, "Retain")

    @cached_property
    def _classes(self) -> dict[str, list[Json]]:
        """Snapshot classes by driver; read once, a run is short."""
        found: dict[str, list[Json]] = {}
        try:
            for entry in claim_api.each(self._cluster, api.CLASS):
                found.setdefault(entry["driver"], []).append(entry)
        except NotFound:
            raise Unsupported("the cluster has no snapshot API (VolumeSnapshot v1)") from None
        return found

    def _class_for(self, driver: str, asked: str = "") -> str:
        wanted = asked or self._wanted_class
        classes = self._classes.get(driver, [])
        names = sorted(_name(entry) for entry in classes)
        if wanted:
            if wanted in names:
                return wanted
            has = ", ".join(names) or "none"
            raise Unsupported(
                f"snapshot class {wanted} is not one of driver {driver} (it has {has})"
            )
        if not names:
            raise Unsupported(f"driver {driver} has no VolumeSnapshotClass")
        marked = [_name(entry) for entry in classes if api.label(entry, api.BACKUP_CLASS) == "true"]
        defaults = [
            _name(entry) for entry in classes if api.annotation(entry, api.DEFAULT_CLASS) == "true"
        ]
        for chosen in (marked, defaults, names):
            if len(chosen) == 1:
                return chosen[0]
        raise Unsupported(
            f"driver {driver} has {len(names)} snapshot classes ({', '.join(names)}) and no single"
            f" default or one with the label {api.BACKUP_CLASS}; name one in the policy's"
            " volumes.snapshotClass"
        )

    def _contents_of(self, snapshot: StoredSnapshot) -> list[Json]:
        """Contents that were secured for this snapshot (there is one, unless it is gone)."""
        contents = self._secured(snapshot.point)
        if snapshot.handle:
            return [
                c
                for c in contents
                if (c["spec"]["driver"], api.handle(c)) == (snapshot.driver, snapshot.handle)
            ]
        return [c for c in contents if _is_of(c, snapshot.point, snapshot.volume)]

    def _content_for(self, live: Json | None, point: str, volume: Volume) -> Json | None:
        """The content that a VolumeSnapshot is bound to; without one, the secured content."""
        if live is not None:
            content = claim_api.find(self._cluster, api.CONTENT, None, api.bound_content(live))
            reference = (content or {"spec": {}})["spec"].get("volumeSnapshotRef") or {}
            return content if reference.get("uid") == live["metadata"]["uid"] else None
        return next((c for c in self._secured(point) if _is_of(c, point, volume)), None)

    def _ready_content(self, live: Json | None, ticket: SnapshotTicket) -> str:
        """The name of the content to secure. One that holds the VolumeSnapshot's own uid needs no
        look of its own: only the snapshot controller makes it. Raises SnapshotFailed."""
        if live and api.is_ready(live) and api.bound_content(live) == api.dynamic_content(live):
            return api.bound_content(live)
        content = self._content_for(live, ticket.point, ticket.volume)
        if content is None:
            raise _lost(ticket)
        if not api.is_ready(content) or not api.handle(content):
            raise SnapshotFailed(f"the snapshot of {ticket.volume.title} is not ready")
        return str(content["metadata"]["name"])

    def _secured(self, point: str) -> list[Json]:
        """Contents that carry our marks for this point."""
        return claim_api.listed(
            self._cluster, api.CONTENT, f"{marks.MANAGED}=true,{api.POINT}={point}"
        )

    def _glance(
        self, ticket: SnapshotTicket, live: Json | None, secured: Sequence[Json]
    ) -> SnapshotState:
        """What a VolumeSnapshot says of itself: its controller brings there what its content says
        (external-snapshotter, updateSnapshotStatus)."""
        if live is None:
            if any(_is_of(content, ticket.point, ticket.volume) for content in secured):
                return SnapshotState(ready=True, percent=100)
            return SnapshotState(ready=False, error="its VolumeSnapshot was deleted")
        status = live.get("status") or {}
        cut = str(status.get("creationTime") or "")
        if status.get("readyToUse") and api.bound_content(live):
            return SnapshotState(ready=True, created=cut, percent=100)
        return SnapshotState(ready=False, created=cut, error=self._lasting_error(live, None))

    def _lasting_error(self, live: Json | None, content: Json | None) -> str:
        """The complaint, once it is one that will not pass; the sidecar tries most things again."""
        message = api.error_message(content or {}) or api.error_message(live or {})
        if not message or api.is_final(message):
            return message
        made = parse_rfc3339((live or content or {})["metadata"]["creationTimestamp"])
        return message if self._clock() - made > _GRACE else ""

    def _waits_for_pod(self, claim: Json) -> bool:
        name = claim["spec"].get("storageClassName", "")
        if not name or api.annotation(claim, api.SELECTED_NODE):
            return False
        try:
            found = self._cluster.get(api.STORAGE_CLASS, None, name)
        except LifeboatError:
            return False  # it may not be read: then only time tells
        return bool(found.get("volumeBindingMode") == "WaitForFirstConsumer")


def _name(entry: Json) -> str:
    return str(entry["metadata"]["name"])


def _lost(ticket: SnapshotTicket) -> SnapshotFailed:
    return SnapshotFailed(f"the snapshot of {ticket.volume.title} is gone")


def _ready(content: Json) -> SnapshotState:
    """All that a content tells of its snapshot."""
    return SnapshotState(
        ready=True,
        handle=api.handle(content),
        driver=content["spec"]["driver"],
        size=int(content["status"].get("restoreSize") or 0),
        created=api.created(content),
        percent=100,
    )


def _is_of(live: Json, point: str, volume: Volume) -> bool:
    """Whether marks say that this was made for this point and claim."""
    uid = api.annotation(live, api.CLAIM_UID)
    return (api.label(live, api.POINT), uid) == (point, volume.claim_uid)


def _stored(marked: Json, instance: str, content: Json | None = None) -> StoredSnapshot:
    """What the marks of a content (or of a VolumeSnapshot and its content) tell."""
    namespace, _, claim = api.annotation(marked, api.CLAIM_NAME).partition("/")
    driver, size = api.annotation(marked, api.DRIVER), int(api.annotation(marked, api.SIZE) or 0)
    content = marked if marked["kind"] == api.CONTENT.kind else content
    spec = content["spec"] if content else {}
    volume = Volume(
        namespace=namespace,
        claim=claim,
        claim_uid=api.annotation(marked, api.CLAIM_UID),
        pv="",
        driver=driver,
        handle=api.annotation(marked, api.HANDLE),
        storage_class="",
        volume_mode=spec.get("sourceVolumeMode", "Filesystem"),
        access_modes=(),
        size=size,
    )
    return StoredSnapshot(
        kind="csi",
        volume=volume,
        name=spec.get("volumeSnapshotRef", {}).get("name", "") or marked["metadata"]["name"],
        handle=api.handle(content) if content else "",
        driver=driver,
        size=int(((content or {}).get("status") or {}).get("restoreSize") or size),
        created=api.created(content or marked),
        point=api.label(marked, api.POINT),
        instance=instance,
    )


def _claim(body: Json, ticket: RestoreTicket) -> Json:
    """The claim to create: from the snapshot, and large enough for it."""
    claim = claim_api.restored_claim(body, ticket.restore_id, ticket.snapshot.size)
    claim["spec"]["dataSource"] = {
        "apiGroup": api.GROUP,
        "kind": api.SNAPSHOT.kind,
        "name": ticket.snapshot_name,
    }
    return claim
