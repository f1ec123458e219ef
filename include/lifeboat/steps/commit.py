"""Makes the point: captures what the captured objects need, merges the parts into a tree and writes
the manifest, last (P1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from lifeboat.clock import parse_rfc3339, rfc3339
from lifeboat.errors import Damaged, NotReady, PointIncomplete, UsageError
from lifeboat.point import layout
from lifeboat.point.capture import Capture, cuts, joined
from lifeboat.point.contents import TreeRef
from lifeboat.point.manifest import LeftOut, Manifest, commit, open_contents, read_manifest
from lifeboat.point.successor import next_tree
from lifeboat.steps.as_decided import as_decided, keep_policy
from lifeboat.steps.context import Context
from lifeboat.steps.figures import note_figures, untaken
from lifeboat.steps.gather import gather
from lifeboat.steps.hook_facts import freeze_facts
from lifeboat.steps.locks import lock_blobs, lock_manifest
from lifeboat.steps.move import moved_volumes
from lifeboat.steps.quiet import quiet_facts
from lifeboat.steps.related import dump_related
from lifeboat.steps.scope import VOLUMES_PART, MovedVolume, Part, Scope, VolumesPart
from lifeboat.vault.dictionaries import train
from lifeboat.vault.packs import pack_key
from lifeboat.vault.vault import Vault


def commit_point(context: Context, scope: Scope) -> Manifest:
    """Write the manifest from the stored parts, under the policy of the scope; a second attempt
    returns the first manifest.

    Raises NotReady when a part is missing: then there is no point, and a retry of the step that
    should have left it goes on from there.
    """
    context = as_decided(context, scope)
    existing = context.vault.find_document(layout.manifest(scope.instance, scope.point), Manifest)
    if existing is not None:
        lock_manifest(context, existing)
        note_figures(context, scope)
        return existing
    if context.vault.store.stat(layout.tombstone(scope.instance, scope.point)) is not None:
        raise UsageError(f"point {scope.point} was removed on purpose; trigger a new run")
    parts = [_part(context, scope, shard.id) for shard in scope.shards]
    parts += dump_related(context, scope, parts)
    volumes = _volumes(context, scope)
    moved = moved_volumes(context, scope, volumes)
    _ensure_packs(context, scope, parts)
    previous = _previous(context, scope)
    tree = _tree(context.vault, previous, parts)
    stilled = freeze_facts(context, scope, volumes.snapshots)
    quiet, disturbed = quiet_facts(context, scope.point)
    left_out = (*_merge_left_out(scope, parts, volumes, moved), *stilled.left_out)
    keep_policy(context.vault, context.instance)
    captured_to = max(volumes.captured_to, *(part.captured_to for part in parts), "")
    locked = context.instance.policy.retention.locked_until(parse_rfc3339(captured_to))
    manifest = Manifest(
        point=scope.point,
        instance=scope.instance,
        policy=context.instance.policy.name,
        cluster=context.instance.cluster.name,
        captured_from=scope.captured_from,
        captured_to=captured_to,
        committed=rfc3339(context.clock()),
        complete=not any(entry.severity == "loss" for entry in left_out),
        server_version=scope.server_version,
        run=scope.run,
        tree=tree,
        volumes=volumes.snapshots,
        file_copies=tuple(one.copy for one in moved if one.copy) or msgspec.UNSET,
        left_out=left_out,
        warnings=(*scope.warnings, *stilled.warnings, *disturbed, *untaken(context, scope)),
        freeze=stilled.freeze,
        quiet=quiet,
        capture=_capture(parts, volumes),
        objects=sum(part.objects for part in parts),
        object_bytes=sum(part.object_bytes for part in parts),
        new_objects=sum(part.new_objects for part in parts),
        new_bytes=sum(part.new_bytes for part in parts),
        policy_digest=context.instance.policy_digest,
        previous=scope.previous,
        locked_until=rfc3339(locked) if locked else "",
    )
    made = commit(context.vault, lock_blobs(context, manifest, previous))
    lock_manifest(context, made)
    note_figures(context, scope)
    return made


def ensure_complete(manifest: Manifest) -> None:
    """Raises PointIncomplete, naming every loss, so that a run's state tells the truth."""
    losses = [entry for entry in manifest.left_out if entry.severity == "loss"]
    if losses:
        lines = "\n".join(f"  {entry.what}: {entry.reason}" for entry in losses)
        raise PointIncomplete(
            f"point {manifest.point} was stored but leaves out {len(losses)} things:\n{lines}",
            hint="it can be restored, but does not count as a good point. Protect these, and make a"
            " new one: in Airflow clear the whole run, or trigger another",
        )


def _part(context: Context, scope: Scope, shard: str) -> Part:
    part = context.vault.find_document(layout.part(scope.instance, scope.point, shard), Part)
    if part is None:
        raise NotReady(f"{shard} of point {scope.point} has not been dumped")
    return part


def _ensure_packs(context: Context, scope: Scope, parts: Sequence[Part]) -> None:
    """A run that goes on after days may find that reconcile has removed what it had stored (I1)."""
    for part in parts:
        for pack in part.packs:
            if context.vault.store.stat(pack_key(pack)) is None:
                raise Damaged(
                    f"point {scope.point} cannot be made: pack {pack} of {part.shard} is gone",
                    hint="was the run given up long ago, or the vault damaged? Trigger a new run",
                )


def _volumes(context: Context, scope: Scope) -> VolumesPart:
    if not scope.volumes:
        return VolumesPart(snapshots=(), left_out=(), captured_to=scope.captured_from)
    key = layout.part(scope.instance, scope.point, VOLUMES_PART)
    part = context.vault.find_document(key, VolumesPart)
    if part is None:
        raise NotReady(f"the volumes of point {scope.point} have not been settled")
    return part


def _previous(context: Context, scope: Scope) -> Manifest | None:
    if not scope.previous:
        return None
    return read_manifest(context.vault, scope.instance, scope.previous)


def _tree(vault: Vault, manifest: Manifest | None, parts: Sequence[Part]) -> TreeRef:
    """Store what the contents of the new point need beyond those of the previous one."""
    previous = open_contents(vault, manifest) if manifest else None
    dictionaries = previous.dictionaries.stored if previous else ()
    if not dictionaries:
        trained = train(sample for part in parts for sample in part.samples)
        dictionaries = (trained,) if trained else ()
    return next_tree(vault.trees, previous, gather(vault, parts, previous), dictionaries)


def _capture(parts: Iterable[Part], volumes: VolumesPart) -> Capture | msgspec.UnsetType:
    """Only beside volumes: alone, the objects' window is that of the point, and an hourly point is
    to stay small."""
    if not volumes.snapshots:
        return msgspec.UNSET
    return Capture(joined(part.listed for part in parts), cuts(volumes.snapshots))


def _merge_left_out(
    scope: Scope, parts: Iterable[Part], volumes: VolumesPart, moved: Iterable[MovedVolume]
) -> tuple[LeftOut, ...]:
    found = [*scope.left_out, *volumes.left_out]
    found += [one.left_out for one in moved if one.left_out]
    for part in parts:
        found += part.left_out
    return tuple(dict.fromkeys(found))
