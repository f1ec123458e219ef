"""The manifest: the document whose presence makes a recovery point.

It is written last, create-if-absent, and removed first (P1). It says where the contents of the
point lie, names the volumes with their snapshots and everything that was left out and why (P6), and
carries a digest over all of it.
"""

from __future__ import annotations

import hashlib

import msgspec

from lifeboat.errors import BlobMissing, Damaged, NewerFormat, UsageError
from lifeboat.point import layout
from lifeboat.point.contents import Contents, TreeRef
from lifeboat.ports.disks import StoredSnapshot, Volume
from lifeboat.vault.vault import MAJOR, MINOR, Vault


class LeftOut(msgspec.Struct, frozen=True):
    """Something the point does not protect: a kind, volume or object, and the reason.

    `severity` "loss" makes the point incomplete; "note" is told but asked for or harmless.
    """

    what: str
    reason: str
    severity: str = "loss"


class Run(msgspec.Struct, frozen=True):
    """Who asked for the point: times RFC 3339, empty where it does not apply.

    `trigger` is scheduled, manual, backfill, asset or cli; `scheduled_for` the tick a scheduled run
    stands for. The point shows the cluster at `captured_from`, never at `scheduled_for` (P7).
    """

    run_id: str
    trigger: str
    scheduled_for: str = ""
    dag: str = ""


class FileCopy(msgspec.Struct, frozen=True, kw_only=True):
    """The files of one volume in the vault's restic repository (docs/movers.md), since 1.1.

    `id` is restic's; `bytes` of all files, `added` what they took in the store, `size` what a
    restored volume must offer; `cut` when the snapshot was made that they were read from.
    """

    volume: Volume
    id: str
    files: int
    bytes: int
    added: int
    size: int
    cut: str
    content_digest: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Format 1.1. Times RFC 3339; sizes in bytes; `complete` is False when a LeftOut is a loss.

    Nobody removes the point before `locked_until`, whatever becomes of the policy; until
    `guarded_until` the store itself keeps every blob that the point needs. `object_bytes`
    is what all objects are as JSON, `new_bytes` what this point's packs added.
    """

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
    tree: TreeRef
    volumes: tuple[StoredSnapshot, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]
    objects: int
    object_bytes: int
    new_objects: int
    new_bytes: int
    policy_digest: str
    previous: str = ""
    locked_until: str = ""
    guarded_until: str = ""
    file_copies: tuple[FileCopy, ...] = ()
    digest: str = ""


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


def open_contents(vault: Vault, manifest: Manifest, beside: Contents | None = None) -> Contents:
    """What the point holds, opened; `beside` spares reading again what another point shares with
    it. Raises Damaged or BlobMissing."""
    return Contents(vault, manifest.tree, beside)


def read_policy(vault: Vault, manifest: Manifest) -> str:
    """The text of the policy that the point was made under."""
    return vault.get_document(layout.policy(manifest.instance, manifest.policy_digest), str)


def _digest(manifest: Manifest) -> str:
    """A point without file copies has the digest that it had before there were any."""
    blank = msgspec.to_builtins(msgspec.structs.replace(manifest, digest=""))
    if not manifest.file_copies:
        del blank["file_copies"]
    return "sha256:" + hashlib.sha256(msgspec.json.encode(blank, order="sorted")).hexdigest()
