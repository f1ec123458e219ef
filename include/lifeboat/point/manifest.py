"""The manifest: the document whose presence makes a recovery point.

It is written last, create-if-absent, and removed first (P1). It says where the contents of the
point lie, names the volumes with their snapshots and everything that was left out and why (P6), and
carries a digest over all of it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from lifeboat.errors import BlobMissing, Damaged, NewerFormat, UsageError
from lifeboat.point import layout
from lifeboat.point.capture import Capture
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


class HeldDags(msgspec.Struct, frozen=True):
    """Pipelines that stood still for the snapshots (RFC 3339; empty: they were not held, or nobody
    could tell). `busy` were not quiet at `since`, `disturbed` are runs that began meanwhile."""

    dags: tuple[str, ...]
    mode: str
    since: str = ""
    until: str = ""
    busy: tuple[str, ...] = ()
    disturbed: tuple[str, ...] = ()


class Run(msgspec.Struct, frozen=True):
    """Who asked for the point: times RFC 3339, empty where it does not apply.

    `trigger` is scheduled, manual, backfill, asset or cli; `scheduled_for` the tick a scheduled run
    stands for. The point shows the cluster at `captured_from`, never at `scheduled_for` (P7).
    """

    run_id: str
    trigger: str
    scheduled_for: str = ""
    dag: str = ""


class HookRun(msgspec.Struct, frozen=True):
    """One phase (pre or post) of a hook: `asked_by` the policy or a pod's annotations; `exit_code`
    None where there is none or it is not known. `trouble` says what failed."""

    what: str
    phase: str
    asked_by: str
    exit_code: int | None
    seconds: float
    trouble: str
    note: str = ""


class Freeze(msgspec.Struct, frozen=True):
    """What stood still while the snapshots were cut: times RFC 3339, `ended` empty when it had not
    been thawed yet. `early` says why it ended before the cut; `uncut` names the volumes that were
    cut later, whose data is as after a power cut."""

    began: str
    ended: str
    attempts: int
    early: str
    uncut: tuple[str, ...]
    hooks: tuple[HookRun, ...]


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
    is what all objects are as JSON, `new_bytes` what this point's packs added. `freeze` is unset
    where nothing was stilled: such a manifest is as one of 1.0.
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
    capture: Capture | msgspec.UnsetType = msgspec.UNSET  # as 1.0 wrote it: without
    quiet: HeldDags | msgspec.UnsetType = msgspec.UNSET
    objects: int
    object_bytes: int
    new_objects: int
    new_bytes: int
    policy_digest: str
    previous: str = ""
    locked_until: str = ""
    guarded_until: str = ""
    freeze: Freeze | msgspec.UnsetType = msgspec.UNSET
    file_copies: tuple[FileCopy, ...] | msgspec.UnsetType = msgspec.UNSET
    digest: str = ""


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with its digest filled in."""
    return msgspec.structs.replace(manifest, digest=_digest(msgspec.to_builtins(manifest)))


def commit(vault: Vault, manifest: Manifest) -> Manifest:
    """Write it, or return the one that another attempt of the same run wrote before."""
    key = layout.manifest(manifest.instance, manifest.point)
    return vault.settle_document(key, sealed(manifest), Manifest)


def read_manifest(vault: Vault, instance: str, point: str) -> Manifest:
    """Raises UsageError when there is no such point, Damaged when its digest is wrong."""
    key = layout.manifest(instance, point)
    try:
        document = vault.get_document(key, dict)
    except BlobMissing:
        raise UsageError(
            f"{instance} has no recovery point {point}",
            hint=f"`lifeboat points {instance}` lists what there is",
        ) from None
    major = document.get("major")
    if isinstance(major, int) and major > MAJOR:
        raise NewerFormat(f"{key} is of format {major}, this program reads {MAJOR}")
    try:
        manifest = msgspec.convert(document, Manifest)
    except msgspec.ValidationError as error:
        raise Damaged(f"{key}: is not a manifest: {error}") from error
    if manifest.digest != _digest(document) or manifest.point != point:
        raise Damaged(f"{key}: its digest does not match its contents")
    return manifest


def open_contents(vault: Vault, manifest: Manifest, beside: Contents | None = None) -> Contents:
    """What the point holds, opened; `beside` spares reading again what another point shares with
    it. Raises Damaged or BlobMissing."""
    return Contents(vault, manifest.tree, beside)


def read_policy(vault: Vault, manifest: Manifest) -> str:
    """The text of the policy that the point was made under."""
    return vault.get_document(layout.policy(manifest.instance, manifest.policy_digest), str)


_SINCE_1_1 = frozenset({"freeze", "quiet", "capture", "file_copies"})
_DIGESTED = frozenset(Manifest.__struct_fields__) - _SINCE_1_1
"""The fields of 1.0. A program of 1.0 passes over younger ones, so the digest does as well; the
seal of the document covers them all."""


def _digest(document: dict[str, Any]) -> str:
    blank = {name: value for name, value in document.items() if name in _DIGESTED} | {"digest": ""}
    return "sha256:" + hashlib.sha256(msgspec.json.encode(blank, order="sorted")).hexdigest()
