"""The whole flow of a backup in one process, as the CLI runs it. Airflow runs the same steps as
tasks."""

from __future__ import annotations

from collections.abc import Callable

from lifeboat.point.manifest import Manifest, Run
from lifeboat.ports.disks import SnapshotTicket
from lifeboat.steps.admit import admit
from lifeboat.steps.commit import commit_point
from lifeboat.steps.context import Context
from lifeboat.steps.dump import dump_shard
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.freeze import freeze, limited, thaw, wait_cut
from lifeboat.steps.move import move_volumes
from lifeboat.steps.note import note_context
from lifeboat.steps.scope import Scope
from lifeboat.steps.settle import settle, wait
from lifeboat.steps.snapshot import Started, start_batch

Say = Callable[[str], None]


def backup(context: Context, run: Run, say: Say) -> Manifest | None:
    """Capture one point; None when the run has nothing to capture (a covered gap).

    The manifest may be incomplete: `commit.ensure_complete` raises then.
    """
    admission = admit(context, run)
    say(admission.message)
    if not admission.capture:
        return None
    scope = enumerate_scope(context, run, admission.claim)
    say(f"point {scope.point}: {len(scope.namespaces)} namespaces, {len(scope.volumes)} volumes")
    for shard in scope.shards:
        part = dump_shard(context, scope, shard.id)
        say(f"dumped {part.objects} objects, {part.new_objects} new ({part.new_bytes} bytes)")
    if scope.volumes:
        _volumes(context, scope, say)
    manifest = commit_point(context, scope)
    say(f"committed {manifest.point}")
    note_context(context, manifest, say)
    return manifest


def _volumes(context: Context, scope: Scope, say: Say) -> None:
    uncut: list[SnapshotTicket] = []
    freezes = context.instance.policy.may_freeze
    try:
        stilled = freeze(context, scope) if freezes else []
        if stilled:
            say(f"stilled {', '.join(stilled)}")
        with limited(context, scope.point):
            started = _start(context, scope)
        uncut = wait_cut(context, scope, started.tickets)
    finally:
        if freezes:
            thaw(context, scope, uncut)
    wait(context, started.tickets, context.instance.policy.volumes.timeout)
    part = settle(context, scope, started.tickets, started.left_out)
    say(f"{len(part.snapshots)} of {len(scope.volumes)} volumes snapshotted")
    if scope.moves:
        move_volumes(context, scope, say)


def _start(context: Context, scope: Scope) -> Started:
    """In one go: batches are for tasks. Raises what may pass; the caller may run it all again."""
    titles = tuple(volume.title for volume in scope.volumes)
    started = start_batch(context, scope, titles, context.instance.policy.requests_in_flight)
    for error in started.errors:
        if error.retryable:
            raise error
    return started
