"""The whole flow of a backup in one process, as the CLI runs it. Airflow runs the same steps as
tasks."""

from __future__ import annotations

from collections.abc import Callable

from lifeboat.errors import LifeboatError
from lifeboat.point.manifest import LeftOut, Manifest, Run
from lifeboat.ports.disks import SnapshotTicket
from lifeboat.ports.parallel import each
from lifeboat.steps.admit import admit
from lifeboat.steps.commit import commit_point
from lifeboat.steps.context import Context
from lifeboat.steps.dump import dump_shard
from lifeboat.steps.enumerate import enumerate_scope
from lifeboat.steps.move import move_volumes
from lifeboat.steps.quiesce import quiesce, unquiesce
from lifeboat.steps.scope import Scope
from lifeboat.steps.settle import settle, start_failure, wait
from lifeboat.steps.snapshot import start_snapshot

Say = Callable[[str], None]


def backup(context: Context, run: Run, say: Say) -> Manifest | None:
    """Capture one point; None when the run has nothing to capture (a covered gap).

    The manifest may be incomplete: `commit.ensure_complete` raises then.
    """
    admission = admit(context, run)
    say(admission.message)
    if not admission.capture:
        return None
    scope = enumerate_scope(context, run)
    say(f"point {scope.point}: {len(scope.namespaces)} namespaces, {len(scope.volumes)} volumes")
    for shard in scope.shards:
        part = dump_shard(context, scope, shard.id)
        say(f"dumped {part.objects} objects, {part.new_objects} new ({part.new_bytes} bytes)")
    if scope.volumes:
        _volumes(context, scope, say)
    manifest = commit_point(context, scope)
    say(f"committed {manifest.point}")
    return manifest


def _volumes(context: Context, scope: Scope, say: Say) -> None:
    quiesce(context)
    try:
        tickets, failed = _start(context, scope)
    finally:
        unquiesce(context)
    wait(context, tickets, context.instance.policy.volumes.timeout)
    part = settle(context, scope, tickets, failed)
    say(f"{len(part.snapshots)} of {len(scope.volumes)} volumes snapshotted")
    if scope.moves:
        move_volumes(context, scope, say)


def _start(context: Context, scope: Scope) -> tuple[list[SnapshotTicket], list[LeftOut]]:
    def start(title: str) -> SnapshotTicket | LeftOut:
        try:
            return start_snapshot(context, scope, title)
        except LifeboatError as error:
            if error.retryable:
                raise
            return start_failure(title, error)

    titles = [volume.title for volume in scope.volumes]
    found = list(each(context.instance.policy.requests_in_flight, start, titles))
    tickets = [one for one in found if isinstance(one, SnapshotTicket)]
    return tickets, [one for one in found if isinstance(one, LeftOut)]
