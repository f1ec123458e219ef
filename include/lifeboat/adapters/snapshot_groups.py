"""Cuts several claims at one moment: VolumeGroupSnapshots (groupsnapshot.storage.k8s.io).

A group lives in its API object only until it is secured: then the contents of its members and its
own say Retain and carry our marks, and the VolumeGroupSnapshot goes, so that nobody who deletes it,
or its namespace, takes the data along. A member cannot be deleted alone (CSI specification,
Snapshot.group_snapshot_id; external-snapshotter leaves such a content's data alone): each gives up
its content, and with the last one the group is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import msgspec

from lifeboat.adapters import claim_api
from lifeboat.adapters import snapshot_api as api
from lifeboat.adapters.snapshot_delete import delete_content, wait_gone
from lifeboat.errors import Forbidden, NotFound, NotReady, SnapshotFailed
from lifeboat.ports import marks
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.ports.disks import SnapshotState, SnapshotTicket, StoredSnapshot, Volume

_GROUP = "groupsnapshot.storage.k8s.io"
_SNAPSHOT = Kind(_GROUP, "v1", "volumegroupsnapshots", "VolumeGroupSnapshot", True)
_CONTENT = Kind(_GROUP, "v1", "volumegroupsnapshotcontents", "VolumeGroupSnapshotContent", False)
_CLASS = Kind(_GROUP, "v1", "volumegroupsnapshotclasses", "VolumeGroupSnapshotClass", False)
_DEFAULT_CLASS = "groupsnapshot.storage.kubernetes.io/is-default-class"
# external-snapshotter, pkg/utils/util.go.
_HANDLE = "groupsnapshot.storage.k8s.io/volumeGroupSnapshotHandle"
_BEING_DELETED = "groupsnapshot.storage.kubernetes.io/volumegroupsnapshot-being-deleted"
_MEMBER = "member.lifeboat.dev/"

_decode = msgspec.json.Decoder(Json).decode


class SnapshotGroups:
    """The groups of one cluster. A cluster without their API has none."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._started: set[str] = set()

    def why_not(self, volumes: Sequence[Volume]) -> str:
        """Empty when these volumes can be cut together, else the reason in a sentence."""
        drivers = sorted({volume.driver for volume in volumes})
        if len(drivers) > 1:
            return f"they are of several drivers, {' and '.join(drivers)}"
        classes = self._classes.get(drivers[0], [])
        if not classes:
            return f"driver {drivers[0]} has no VolumeGroupSnapshotClass"
        if not _chosen(classes):
            return f"driver {drivers[0]} has {len(classes)} group classes and no single default"
        return ""

    def start(self, point: str, instance: str, volume: Volume, selector: str) -> SnapshotTicket:
        """Ask for the group that `selector` (`key=value`, of claims) names, once for all members.
        Raises SnapshotFailed when the claim is not the one that was listed any more."""
        claim_api.refuse_other_claim(self._cluster, volume)
        name = f"lifeboat-{point.lower()}-{api.digest(volume.namespace, selector)}"
        labels, _ = api.marks(point, instance, volume)
        key, _, value = selector.partition("=")
        body: Json = {
            "apiVersion": _SNAPSHOT.api_version,
            "kind": _SNAPSHOT.kind,
            "metadata": {"name": name, "namespace": volume.namespace, "labels": labels},
            "spec": {
                "volumeGroupSnapshotClassName": _chosen(self._classes[volume.driver]),
                "source": {"selector": {"matchLabels": {key: value}}},
            },
        }
        claim_api.create(self._cluster, _SNAPSHOT, volume.namespace, body)
        self._started.add(point)
        member = {_member_key(volume.handle): _member(volume)}
        self._cluster.patch(
            _SNAPSHOT, volume.namespace, name, {"metadata": {"annotations": member}}
        )
        return SnapshotTicket(point, instance, volume, name, group=name)

    def look(self, tickets: Sequence[SnapshotTicket]) -> tuple[SnapshotState, ...]:
        """What each member's group tells of it; every group is asked for once."""
        groups: dict[tuple[str, str], tuple[Json | None, Json | None]] = {}
        for ticket in tickets:
            namespace, name = ticket.volume.namespace, ticket.group
            if (namespace, name) not in groups:
                live = claim_api.find(self._cluster, _SNAPSHOT, namespace, name)
                groups[namespace, name] = live, self._content_of(live) if live else None
        return tuple(
            self._state(ticket, *groups[ticket.volume.namespace, ticket.group])
            for ticket in tickets
        )

    def _state(
        self, ticket: SnapshotTicket, live: Json | None, content: Json | None
    ) -> SnapshotState:
        """What the group tells of one member; once secured, what its content tells."""
        if live is None:
            content = self._secured(ticket.point, ticket.volume)
        if live is None and content is None:
            return SnapshotState(ready=False, error="its VolumeGroupSnapshot was deleted")
        status = (live or {}).get("status") or {}
        info = _info(content, ticket.volume.handle)
        if content is None or info is None or (live and not status.get("readyToUse")):
            return SnapshotState(ready=False, error=_lasting(live, content))
        return SnapshotState(
            ready=True,
            handle=info["snapshotHandle"],
            driver=content["spec"]["driver"],
            size=int(info.get("restoreSize") or 0),
            created=_time(info) or api.created(content),
            percent=100,
        )

    def secure(self, ticket: SnapshotTicket) -> SnapshotState:
        """Marks and keeps the content of one member; with the last one the group's own, and removes
        the VolumeGroupSnapshot. Idempotent."""
        live = claim_api.find(self._cluster, _SNAPSHOT, ticket.volume.namespace, ticket.group)
        group = self._content_of(live) if live else None
        state = self._state(ticket, live, group)
        if live is None:
            if not state.ready:
                raise SnapshotFailed(f"the group snapshot of {ticket.volume.title} is gone")
            return state
        members = self._members(live)
        own = next((m for m in members if _volume_of(m) == ticket.volume.handle), None)
        if group is None or own is None or not state.ready:
            raise NotReady(f"group snapshot {ticket.group} has no content for its members yet")
        labels, annotations = api.marks(ticket.point, ticket.instance, ticket.volume)
        asked = _member_annotations(live)  # a claim that came after them is in the group unasked
        self._keep(api.CONTENT, own, labels, annotations)
        self._keep(_CONTENT, group, labels, asked)
        secured = self._member_contents(ticket.point, group)
        if asked.keys() <= {_member_key(_volume_of(content)) for content in secured}:
            self._cluster.delete(_SNAPSHOT, ticket.volume.namespace, ticket.group)
        return state

    def delete(self, snapshot: StoredSnapshot) -> bool:
        """Whether the snapshot belonged to a group. Its content goes, and the group with its last
        one. Raises NotReady."""
        group = self._group_of(snapshot)
        if group is None:
            return False
        for content in self._member_contents(snapshot.point, group):
            if _info(group, _volume_of(content), snapshot.handle) is not None:
                name = content["metadata"]["name"]
                delete_content(self._cluster, name, "Retain", uid=content["metadata"]["uid"])
                wait_gone(self._cluster, f"content {name}", [(api.CONTENT, None, name)])
        if not self._member_contents(snapshot.point, group):
            self._delete_group(group)
        return True

    def leftovers(self, instance: str) -> Iterator[StoredSnapshot]:
        """Members of groups that no content of ours stands for: a run left the group before it was
        secured, or it was not deleted with its last member."""
        selector = f"{marks.MANAGED}=true,{api.INSTANCE}={api.instance_label(instance)}"
        groups = {
            (live["spec"].get("volumeGroupSnapshotRef") or {}).get("name", ""): live
            for live in self._list(_CONTENT, selector)
        }
        for live in self._list(_SNAPSHOT, selector):
            content = self._content_of(live)
            if content is not None:
                told = {**content["metadata"], "labels": live["metadata"]["labels"]}
                told["annotations"] = _member_annotations(live)
                groups.setdefault(live["metadata"]["name"], {**content, "metadata": told})
        for group in groups.values():
            if not self._member_contents(api.label(group, api.POINT), group):
                yield from (_stored(group, info, instance) for info in _infos(group))

    @cached_property
    def _classes(self) -> dict[str, list[Json]]:
        found: dict[str, list[Json]] = {}
        for one in self._list(_CLASS, ""):
            found.setdefault(one["driver"], []).append(one)
        return found

    @cached_property
    def _points(self) -> set[str]:
        """Points that had a group at the first look; without it every delete would ask anew."""
        kinds = (_SNAPSHOT, _CONTENT)
        marked = (live for kind in kinds for live in self._list(kind, f"{marks.MANAGED}=true"))
        return {api.label(live, api.POINT) for live in marked}

    def _group_of(self, snapshot: StoredSnapshot) -> Json | None:
        """The group's content that has this snapshot as a member."""
        if not snapshot.handle or snapshot.point not in self._points | self._started:
            return None
        for live in self._list(_SNAPSHOT, f"{api.POINT}={snapshot.point}"):
            content = self._content_of(live)
            if _info(content, "", snapshot.handle) is not None:
                return content
        for content in self._list(_CONTENT, f"{api.POINT}={snapshot.point}"):
            if _info(content, "", snapshot.handle) is not None:
                return content
        return None

    def _delete_group(self, group: Json) -> None:
        """Its VolumeGroupSnapshot, if it was never secured, and the driver's data with it."""
        name, uid = group["metadata"]["name"], group["metadata"]["uid"]
        reference = group["spec"].get("volumeGroupSnapshotRef") or {}
        body: Json = {
            "metadata": {"uid": uid, "annotations": {_BEING_DELETED: "yes"}},
            "spec": {"deletionPolicy": "Delete"},
        }
        try:
            self._cluster.patch(_CONTENT, None, name, body)
        except NotFound:
            return
        self._cluster.delete(_SNAPSHOT, reference.get("namespace", ""), reference.get("name", ""))
        self._cluster.delete(_CONTENT, None, name, uid=uid)
        wait_gone(self._cluster, f"group {name}", [(_CONTENT, None, name)])

    def _keep(
        self, kind: Kind, live: Json, labels: dict[str, str], annotations: dict[str, str]
    ) -> None:
        body: Json = {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {"deletionPolicy": "Retain"},
        }
        self._cluster.patch(kind, None, live["metadata"]["name"], body)

    def _members(self, live: Json) -> list[Json]:
        """The contents of the VolumeSnapshots that the group owns."""
        found = []
        name, namespace = live["metadata"]["name"], live["metadata"]["namespace"]
        for page in self._cluster.list_pages(api.SNAPSHOT, namespace=namespace):
            for one in map(_decode, page.items):
                owners = one["metadata"].get("ownerReferences") or []
                if any((o["kind"], o["name"]) == (_SNAPSHOT.kind, name) for o in owners):
                    content = claim_api.find(
                        self._cluster, api.CONTENT, None, api.bound_content(one)
                    )
                    if content is not None:
                        found.append(content)
        return found

    def _member_contents(self, point: str, group: Json) -> list[Json]:
        """Secured contents of the group's members, but those that are going."""
        volumes = {info["volumeHandle"] for info in _infos(group)}
        return [
            content
            for content in self._list(api.CONTENT, f"{marks.MANAGED}=true,{api.POINT}={point}")
            if _volume_of(content) in volumes
            and api.annotation(content, _HANDLE)
            and not content["metadata"].get("deletionTimestamp")
        ]

    def _secured(self, point: str, volume: Volume) -> Json | None:
        """The group's content that holds a member of this volume, once it is ours."""
        for content in self._list(_CONTENT, f"{marks.MANAGED}=true,{api.POINT}={point}"):
            if _info(content, volume.handle) is not None:
                return content
        return None

    def _content_of(self, live: Json) -> Json | None:
        status = live.get("status") or {}
        name = str(status.get("boundVolumeGroupSnapshotContentName") or "")
        return claim_api.find(self._cluster, _CONTENT, None, name) if name else None

    def _list(self, kind: Kind, selector: str) -> list[Json]:
        try:
            return claim_api.listed(self._cluster, kind, selector)
        except Forbidden:
            return []  # a credential that may not look at groups never made one


def _chosen(classes: Sequence[Json]) -> str:
    """The only class of a driver, or its only default; empty when it is not clear."""
    defaults = [one for one in classes if api.annotation(one, _DEFAULT_CLASS) == "true"]
    for few in (classes, defaults):
        if len(few) == 1:
            return str(few[0]["metadata"]["name"])
    return ""


def _infos(content: Json | None) -> Iterable[dict[str, Any]]:
    status = (content or {}).get("status") or {}
    return [one for one in status.get("volumeSnapshotInfoList") or [] if one.get("snapshotHandle")]


def _info(content: Json | None, volume: str, snapshot: str = "") -> dict[str, Any] | None:
    """What a group's content says of a member, by the handle of its volume or its snapshot."""
    for info in _infos(content):
        of_volume = volume in ("", info.get("volumeHandle"))
        if of_volume and snapshot in ("", info["snapshotHandle"]) and (volume or snapshot):
            return info
    return None


def _volume_of(content: Json) -> str:
    return str(content["spec"]["source"].get("volumeHandle", ""))


def _time(info: dict[str, Any]) -> str:
    return api.created({"status": info, "metadata": {}})


def _lasting(live: Json | None, content: Json | None) -> str:
    message = api.error_message(content or {}) or api.error_message(live or {})
    return message if api.is_final(message) else ""


def _member_key(volume_handle: str) -> str:
    return _MEMBER + api.digest(volume_handle, length=16)


def _member(volume: Volume) -> str:
    facts = [volume.claim, volume.claim_uid, str(volume.size), volume.volume_mode]
    return msgspec.json.encode(facts).decode()


def _member_annotations(live: Json) -> dict[str, str]:
    found = live["metadata"].get("annotations") or {}
    return {key: value for key, value in found.items() if key.startswith(_MEMBER)}


def _stored(group: Json, info: dict[str, Any], instance: str) -> StoredSnapshot:
    """A member, as the marks of its group tell of it."""
    told = api.annotation(group, _member_key(info["volumeHandle"])) or '["","","0","Filesystem"]'
    claim, uid, size, mode = msgspec.json.decode(told, type=tuple[str, str, str, str])
    reference = group["spec"].get("volumeGroupSnapshotRef") or {}
    driver = group["spec"]["driver"]
    volume = Volume(
        namespace=str(reference.get("namespace", "")),
        claim=claim,
        claim_uid=uid,
        pv="",
        driver=driver,
        handle=info["volumeHandle"],
        storage_class="",
        volume_mode="Block" if mode == "Block" else "Filesystem",
        access_modes=(),
        size=int(size),
    )
    return StoredSnapshot(
        kind="csi",
        volume=volume,
        name=str(reference.get("name", "")),
        handle=info["snapshotHandle"],
        driver=driver,
        size=int(info.get("restoreSize") or size),
        created=_time(info),
        point=api.label(group, api.POINT),
        instance=instance,
    )
