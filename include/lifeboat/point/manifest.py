"""The manifest: the document whose presence makes a recovery point.

It is written last, create-if-absent, and removed first (P1). It names every tree and pack of the
point, the volumes with their snapshots, everything that was left out and why (P6), and carries a
digest over all of it.
"""

from __future__ import annotations

import hashlib

import msgspec

from lifeboat.errors import BlobMissing, Damaged, NewerFormat, UsageError
from lifeboat.point import layout
from lifeboat.ports.disks import StoredSnapshot
from lifeboat.vault.records import Place
from lifeboat.vault.trees import Entry, decode_tree
from lifeboat.vault.vault import MAJOR, MINOR, Vault

CLUSTER_SCOPE = ""


class LeftOut(msgspec.Struct, frozen=True):
    """Something the point does not protect: a kind, volume or object, and the reason.

    `severity` "loss" makes the point incomplete; "note" is told but asked for or harmless.
    """

    what: str
    reason: str
    severity: str = "loss"


class TreeRef(msgspec.Struct, frozen=True):
    """One namespace's tree ("" is the cluster scope): its record, place and number of objects."""

    namespace: str
    record: str
    place: Place
    objects: int


class Run(msgspec.Struct, frozen=True):
    """Who asked for the point: times RFC 3339, empty where it does not apply.

    `trigger` is scheduled, manual, backfill, asset or cli; `scheduled_for` the tick a scheduled run
    stands for. The point shows the cluster at `captured_from`, never at `scheduled_for` (P7).
    """

    run_id: str
    trigger: str
    scheduled_for: str = ""
    dag: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Format 1.0. Times RFC 3339; sizes in bytes; `complete` is False when a LeftOut is a loss."""

    major: int = MAJOR
    minor: int = MINOR
    point: str
    instance: str
    policy: str
    cluster: str
    captured_from: str
    captured_to: str
    committed: str
    complete: bool
    server_version: str
    run: Run
    trees: tuple[TreeRef, ...]
    packs: tuple[str, ...]
    kinds: dict[str, int]
    volumes: tuple[StoredSnapshot, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]
    objects: int
    new_objects: int
    new_bytes: int
    policy_text: str
    policy_digest: str
    previous: str = ""
    digest: str = ""

    @property
    def namespaces(self) -> tuple[str, ...]:
        return tuple(tree.namespace for tree in self.trees if tree.namespace != CLUSTER_SCOPE)


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with its digest filled in."""
    return msgspec.structs.replace(manifest, digest=_digest(manifest))


def commit(vault: Vault, manifest: Manifest) -> Manifest:
    """Write it, or return the one that another attempt of the same run wrote before."""
    key = layout.manifest(manifest.instance, manifest.point)
    return vault.settle_document(key, sealed(manifest), Manifest)


def read_manifest(vault: Vault, instance: str, point: str) -> Manifest:
    """Raises UsageError when there is no such point, Damaged when its digest is wrong."""
    key = layout.manifest(instance, point)
    try:
        manifest = vault.get_document(key, Manifest)
    except BlobMissing:
        raise UsageError(
            f"{instance} has no recovery point {point}",
            hint=f"`lifeboat points {instance}` lists what there is",
        ) from None
    if manifest.major > MAJOR:
        raise NewerFormat(f"{key} is of format {manifest.major}, this program reads {MAJOR}")
    if manifest.digest != _digest(manifest) or manifest.point != point:
        raise Damaged(f"{key}: its digest does not match its contents")
    return manifest


def read_tree(vault: Vault, tree: TreeRef) -> list[Entry]:
    """The entries of one tree, sorted. Raises Damaged or BlobMissing."""
    content = vault.reader().read(tree.record, tree.place)
    namespace, entries = decode_tree(content, f"tree of {tree.namespace or 'the cluster scope'}")
    if namespace != tree.namespace:
        raise Damaged(f"tree {tree.record} is of {namespace!r}, not of {tree.namespace!r}")
    return entries


def _digest(manifest: Manifest) -> str:
    blank = msgspec.structs.replace(manifest, digest="")
    return "sha256:" + hashlib.sha256(msgspec.json.encode(blank, order="sorted")).hexdigest()
