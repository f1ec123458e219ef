"""Makes the point: merges the parts into trees and writes the manifest, last (P1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lifeboat.clock import rfc3339
from lifeboat.errors import NotReady, PointIncomplete, UsageError
from lifeboat.point import layout
from lifeboat.point.manifest import LeftOut, Manifest, TreeRef, commit, read_manifest
from lifeboat.steps.context import Context
from lifeboat.steps.scope import VOLUMES_PART, Part, Scope, VolumesPart
from lifeboat.vault.packs import PackWriter
from lifeboat.vault.records import Place
from lifeboat.vault.trees import Entry, decode_tree, encode_tree


def commit_point(context: Context, scope: Scope) -> Manifest:
    """Write the manifest from the stored parts; a second attempt returns the first manifest.

    Raises NotReady when a part is missing: then there is no point, and a retry of the step that
    should have left it goes on from there.
    """
    existing = context.vault.find_document(layout.manifest(scope.instance, scope.point), Manifest)
    if existing is not None:
        return existing
    if context.vault.store.stat(layout.tombstone(scope.instance, scope.point)) is not None:
        raise UsageError(f"point {scope.point} was removed on purpose; trigger a new run")
    parts = [_part(context, scope, shard.id) for shard in scope.shards]
    volumes = _volumes(context, scope)
    writer = context.vault.writer()
    trees, packs = _trees(context, scope, parts, writer)
    left_out = _merge_left_out(scope, parts, volumes)
    kinds: Counter[str] = Counter()
    for part in parts:
        kinds.update(part.kinds)
    manifest = Manifest(
        point=scope.point,
        instance=scope.instance,
        policy=context.instance.policy.name,
        cluster=context.instance.cluster.name,
        captured_from=scope.captured_from,
        captured_to=max(volumes.captured_to, *(part.captured_to for part in parts), ""),
        committed=rfc3339(context.clock()),
        complete=not any(entry.severity == "loss" for entry in left_out),
        server_version=scope.server_version,
        run=scope.run,
        trees=trees,
        packs=packs,
        kinds=dict(sorted(kinds.items())),
        volumes=volumes.snapshots,
        left_out=left_out,
        warnings=scope.warnings,
        objects=sum(part.objects for part in parts),
        new_objects=sum(part.new_objects for part in parts),
        new_bytes=sum(part.new_bytes for part in parts) + writer.written,
        policy_text=context.instance.policy_text,
        policy_digest=context.instance.policy_digest,
        previous=scope.previous,
    )
    return commit(context.vault, manifest)


def ensure_complete(manifest: Manifest) -> None:
    """Raises PointIncomplete, naming every loss, so that a run's state tells the truth."""
    losses = [entry for entry in manifest.left_out if entry.severity == "loss"]
    if losses:
        lines = "\n".join(f"  {entry.what}: {entry.reason}" for entry in losses)
        raise PointIncomplete(
            f"point {manifest.point} was stored but leaves out {len(losses)} things:\n{lines}",
            hint="it can be restored; it does not count as a good point until these are protected",
        )


def _part(context: Context, scope: Scope, shard: str) -> Part:
    part = context.vault.find_document(layout.part(scope.instance, scope.point, shard), Part)
    if part is None:
        raise NotReady(f"{shard} of point {scope.point} has not been dumped")
    return part


def _volumes(context: Context, scope: Scope) -> VolumesPart:
    if not scope.volumes:
        return VolumesPart(snapshots=(), left_out=(), captured_to=scope.captured_from)
    key = layout.part(scope.instance, scope.point, VOLUMES_PART)
    part = context.vault.find_document(key, VolumesPart)
    if part is None:
        raise NotReady(f"the volumes of point {scope.point} have not been settled")
    return part


def _trees(
    context: Context, scope: Scope, parts: Iterable[Part], writer: PackWriter
) -> tuple[tuple[TreeRef, ...], tuple[str, ...]]:
    merged: dict[str, list[Entry]] = {}
    for part in parts:
        for content in part.trees:
            namespace, entries = decode_tree(content, f"part {part.shard} of {scope.point}")
            merged.setdefault(namespace, []).extend(entries)
    known = _previous_trees(context, scope)
    placed: dict[str, Place] = {}
    records: dict[str, str] = {}
    for namespace, entries in sorted(merged.items()):
        content = encode_tree(namespace, entries)
        record = context.vault.cipher.content_id(content)
        records[namespace] = record
        if record in known:
            placed[record] = known[record]
        else:
            writer.add(record, content)
    writer.close()
    placed.update(writer.places)
    refs = tuple(
        TreeRef(namespace, record, placed[record], len(merged[namespace]))
        for namespace, record in records.items()
    )
    packs = {entry.place.pack for entries in merged.values() for entry in entries}
    packs |= {ref.place.pack for ref in refs}
    return refs, tuple(sorted(packs))


def _previous_trees(context: Context, scope: Scope) -> dict[str, Place]:
    if not scope.previous:
        return {}
    previous = read_manifest(context.vault, scope.instance, scope.previous)
    return {ref.record: ref.place for ref in previous.trees}


def _merge_left_out(
    scope: Scope, parts: Iterable[Part], volumes: VolumesPart
) -> tuple[LeftOut, ...]:
    found = [*scope.left_out, *volumes.left_out]
    for part in parts:
        found += part.left_out
    return tuple(dict.fromkeys(found))
