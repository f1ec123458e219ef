"""Managed disks and snapshots of Azure, one call each, for the adapters that snapshot and copy.

Listings are kept for the life of the object, which is one task or command: looking up a disk's
snapshots then costs one list, not one for each volume. What is changed here is changed there, too.
"""

from __future__ import annotations

from typing import Any

from lifeboat.adapters.azure_arm import ArmClients, ArmId, arm_errors
from lifeboat.adapters.snapshot_tags import MANAGED, SPARED, Tags, plain
from lifeboat.clock import poll_until
from lifeboat.errors import NotFound, NotReady
from lifeboat.ports.cluster import Json

_DELETE_SECONDS = 120.0


class AzureSnapshots:
    """See the module. What it returns are the SDK's own models."""

    def __init__(self, clients: ArmClients) -> None:
        self._clients = clients
        self._listed: dict[tuple[str, str], list[Any]] = {}

    def disk(self, disk: ArmId) -> Any | None:
        """None when it is gone."""
        return _read(f"read disk {disk.name}", disk, self._clients.compute(disk.subscription).disks)

    def put_disk(self, disk: ArmId, body: Any) -> None:
        """Begin to make it; `body` is Azure's JSON."""
        client = self._clients.compute(disk.subscription)
        with arm_errors(f"make disk {disk.name}"):
            client.disks.begin_create_or_update(
                disk.group,
                disk.name,
                body,
                polling=False,
            )

    def delete_disk(self, disk: ArmId) -> None:
        """Begin to delete it."""
        client = self._clients.compute(disk.subscription)
        with arm_errors(f"delete disk {disk.name}"):
            client.disks.begin_delete(disk.group, disk.name, polling=False)

    def find(self, snapshot: ArmId) -> Any | None:
        """None when it is gone."""
        client = self._clients.compute(snapshot.subscription)
        return _read(f"read snapshot {snapshot.name}", snapshot, client.snapshots)

    def put(self, snapshot: ArmId, body: Any) -> None:
        """Begin to make it; `body` is Azure's JSON."""
        self._listed.pop(_key(snapshot), None)
        client = self._clients.compute(snapshot.subscription)
        with arm_errors(f"make snapshot {snapshot.name}"):
            client.snapshots.begin_create_or_update(
                snapshot.group,
                snapshot.name,
                body,
                polling=False,
            )

    def tag(self, snapshot: ArmId, tags: Tags) -> None:
        """Replace its tags."""
        client = self._clients.compute(snapshot.subscription)
        with arm_errors(f"tag snapshot {snapshot.name}"):
            client.snapshots.begin_update(
                snapshot.group,
                snapshot.name,
                {"tags": tags},
                polling=False,
            )
        for one in self._listed.get(_key(snapshot), []):
            if one.name == snapshot.name:
                one.tags = tags

    def delete(self, snapshot: ArmId) -> None:
        """Delete it and look until it is gone. Raises NotReady."""
        client = self._clients.compute(snapshot.subscription)
        with arm_errors(f"delete snapshot {snapshot.name}"):
            client.snapshots.begin_delete(snapshot.group, snapshot.name, polling=False)
        left = poll_until(
            lambda: [snapshot.name] if self.find(snapshot) is not None else [],
            seconds=_DELETE_SECONDS,
        )
        if left:
            raise NotReady(f"snapshot {snapshot.name} is not deleted yet: Azure still shows it")
        key = _key(snapshot)
        if key in self._listed:
            self._listed[key] = [one for one in self._listed[key] if one.name != snapshot.name]

    def forget(self) -> None:
        """Ask Azure again at the next listing."""
        self._listed.clear()

    def ours(self, subscription: str, group: str) -> list[Any]:
        """Every snapshot of a resource group that carries our mark. Raises NotFound without the
        group."""
        key = (subscription.lower(), group.lower())
        if key not in self._listed:
            client = self._clients.compute(subscription)
            with arm_errors(f"list the snapshots of resource group {group}"):
                found = list(client.snapshots.list_by_resource_group(group))
            self._listed[key] = [one for one in found if (one.tags or {}).get(MANAGED) == "true"]
        return self._listed[key]


def _read(doing: str, what: ArmId, operations: Any) -> Any | None:
    """None when it is gone."""
    try:
        with arm_errors(doing):
            return operations.get(what.group, what.name)
    except NotFound:
        return None


def _key(snapshot: ArmId) -> tuple[str, str]:
    return snapshot.subscription.lower(), snapshot.group.lower()


def complete(live: Any) -> bool:
    """Whether the snapshot holds everything: what Azure does not say is complete (the CSI driver
    takes it so, too), and instant access alone is no backup yet."""
    whole = live.completion_percent is None or live.completion_percent >= 100
    access = plain(live.snapshot_access_state)
    return whole and live.provisioning_state == "Succeeded" and access not in _NOT_WHOLE


_NOT_WHOLE = {"Pending", "InstantAccess"}


def lasting_error(live: Any) -> str:
    """Why it will never be complete, empty while it may."""
    copy = live.copy_completion_error
    if copy is not None:
        return f"Azure gave the copy up: {plain(copy.error_code)}: {copy.error_message}"
    if live.provisioning_state in ("Failed", "Canceled"):
        return f"Azure could not make it (provisioningState {live.provisioning_state})"
    return ""


def percent(live: Any) -> int | None:
    """How much is copied, None where Azure does not say."""
    return None if live.completion_percent is None else int(live.completion_percent)


def spared(live: Any) -> bool:
    """Whether it was deleted for us, but is what the next copy is a delta to."""
    return (live.tags or {}).get(SPARED) == "true"


def access_of(source: Any) -> Json:
    """Who may export the bytes: as at the source, so that no copy opens what was closed."""
    found = {
        "networkAccessPolicy": source.network_access_policy,
        "publicNetworkAccess": source.public_network_access,
        "diskAccessId": source.disk_access_id,
    }
    return {key: plain(value) for key, value in found.items() if value}
