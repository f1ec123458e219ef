"""The tasks of a backup: one function a verb, each a thin call of the engine's step.

XCom carries ids, titles and tickets, never an object. The scope and what each step stored lie in
the vault, where every attempt of a run finds them again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import (
    AirflowFailException,
    AirflowSkipException,
    DownstreamTasksSkipped,
)
from typing_extensions import override

from lifeboat.errors import HookFailed, PointIncomplete
from lifeboat.pipeline.opening import (
    errors_of,
    leaving_errors,
    open_copies,
    open_instance,
    policies_on,
    pull,
    say,
    skip_if_stored,
    this_run,
)
from lifeboat.pipeline.quiet_tasks import confirm_quiet
from lifeboat.pipeline.trail import by_a_person, leave_at
from lifeboat.pipeline.triggers import Plain
from lifeboat.pipeline.waiting import WaitingOperator

if TYPE_CHECKING:
    from lifeboat.steps.context import Context
    from lifeboat.steps.scope import Scope

POINT_KEY = "point"
GAP_KEY = "gap"
RUN_KEY = "run"
"""What kind of run it is (steps/admit.py), and in words: for the run's page."""
VOLUMES_KEY = "volumes"
_STARTED_KEY = "started"


def enumerate_point(instance: str, policy: str, otherwise_skip: list[str]) -> list[dict[str, str]]:
    """Decides what is captured; the shards are what `dump` is mapped over.

    `policy` is the digest of the policy's file. When a backfilled interval is covered already,
    `otherwise_skip` is skipped and the message left for `report`.
    """
    import msgspec

    from lifeboat.steps.admit import admit
    from lifeboat.steps.enumerate import enumerate_scope
    from lifeboat.steps.snapshot import batches

    ti = get_current_context()["ti"]
    with leaving_errors():
        opened = open_instance(instance)
        run = this_run()
        admission = admit(opened, run, _all_again)
        say(f"policy {policy}")
        say(admission.message)
        ti.xcom_push(key=RUN_KEY, value={"run": admission.kind, "told": admission.message})
        if not admission.capture:
            ti.xcom_push(key=GAP_KEY, value=admission.message)
            raise DownstreamTasksSkipped(tasks=otherwise_skip)  # type: ignore[no-untyped-call]
        scope = enumerate_scope(opened, run, admission.claim)
        if by_a_person():
            leave_at(opened, "backup", scope.point)
    for warning in scope.warnings:
        say(f"warning: {warning}")
    say(f"point {scope.point}: {len(scope.namespaces)} namespaces, {len(scope.volumes)} volumes")
    ti.xcom_push(key=POINT_KEY, value=scope.point)
    ti.xcom_push(key=VOLUMES_KEY, value=msgspec.to_builtins(batches(scope)))
    return [{"id": shard.id, "title": shard.title} for shard in scope.shards]


def _all_again() -> bool:
    """Whether what follows is all still to come. Airflow clears `enumerate`, setup of a teardown,
    also where somebody clears a later task; a dump that stays then is that of its own point."""
    ti, run = get_current_context()["ti"], this_run()
    states = ti.get_task_states(dag_id=run.dag, run_ids=[run.run_id]).get(run.run_id, {})
    done = {task.partition("_")[0] for task, state in states.items() if state == "success"}
    return done.isdisjoint(("dump", "volumes"))


def dump(instance: str, shard: dict[str, str]) -> int:
    """Captures one shard; returns how many objects it holds."""
    from lifeboat.steps.dump import dump_shard

    with leaving_errors():
        opened = open_instance(instance)
        part = dump_shard(opened, scope_of(opened), shard["id"])
    say(f"{part.objects} objects, {part.new_objects} new ({part.new_bytes} bytes)")
    for entry in part.left_out:
        say(f"left out ({entry.severity}): {entry.what}: {entry.reason}")
    return part.objects


def volumes(otherwise_skip: list[str]) -> list[Plain]:
    """The batches that `snapshot` is mapped over: Airflow maps over return values only, and
    `enumerate` has returned the shards. Without volumes, `otherwise_skip` is skipped."""
    batches: list[Plain] = pull("enumerate", VOLUMES_KEY)
    if not batches:
        raise DownstreamTasksSkipped(tasks=otherwise_skip)  # type: ignore[no-untyped-call]
    return batches


def snapshot(instance: str, batch: Plain) -> int:
    """Asks for the snapshots of a batch of volumes; returns how many. Tickets and refusals are left
    for `settle`, also by an attempt that fails: one volume keeps no other from its snapshot."""
    import msgspec

    from lifeboat.steps.snapshot import ensure_started, start_batch

    with leaving_errors():
        opened = open_instance(instance)
        scope = scope_of(opened)
        skip_if_stored(opened, scope.point)
        in_flight = opened.instance.policy.requests_a_dump  # as many batches run at once as dumps
        started = start_batch(opened, scope, tuple(batch["volumes"]), in_flight)
        left = {
            "tickets": msgspec.to_builtins(started.tickets),
            "left_out": msgspec.to_builtins(started.left_out),
        }
        get_current_context()["ti"].xcom_push(key=_STARTED_KEY, value=left)
        for ticket in started.tickets:
            say(f"{ticket.volume.title}: asked for snapshot {ticket.name}")
        for entry in started.left_out:
            say(f"{entry.what}: {entry.reason}")
        ensure_started(started)
    return len(started.tickets)


class SettleOperator(WaitingOperator):
    """Waits for the snapshots, then secures them and accounts for every volume of the point."""

    look = "snapshots"

    @override
    def arguments(self, opened: Context) -> Plain:
        skip_if_stored(opened, pull("enumerate", POINT_KEY))
        return {"tickets": [ticket for left in asked_for() for ticket in left["tickets"]]}

    @override
    def limit(self, opened: Context) -> timedelta:
        return opened.instance.policy.volumes.timeout

    @override
    def finish(
        self, opened: Context, arguments: Plain, waiting: list[str], seconds: float
    ) -> dict[str, int]:
        import msgspec

        from lifeboat.point.manifest import LeftOut
        from lifeboat.steps.settle import settle, ticket_from

        if not asked_for():
            raise HookFailed("no snapshot was asked for: what had to stand still does not")
        scope = scope_of(opened)
        part = settle(
            opened,
            scope,
            [ticket_from(plain) for plain in arguments["tickets"]],
            msgspec.convert(
                [one for left in asked_for() for one in left["left_out"]], list[LeftOut]
            ),
        )
        confirm_quiet(opened, scope.point)
        for snapshot in part.snapshots:
            say(f"{snapshot.volume.title}: snapshot {snapshot.name}, cut {snapshot.created}")
        say(f"{len(part.snapshots)} snapshots ready after {seconds:.1f} s")
        for entry in part.left_out:
            say(f"left out ({entry.severity}): {entry.what}: {entry.reason}")
        return {"snapshots": len(part.snapshots), "left_out": len(part.left_out)}


def asked_for() -> list[Plain]:
    """What the batches left: a list, of one batch the thing itself."""
    found = get_current_context()["ti"].xcom_pull(task_ids="snapshot", key=_STARTED_KEY) or []
    return found if isinstance(found, list) else [found]


def commit(instance: str, outlet_events: Any, asset: Any) -> dict[str, Any]:
    """Writes the manifest: from here on there is a point. The asset's event names it. Beside it is
    noted what the cluster serves, and what no policy protects there."""
    from lifeboat.steps.commit import commit_point
    from lifeboat.steps.note import note_exposure, note_served

    with leaving_errors():
        opened = open_instance(instance)
        manifest = commit_point(opened, scope_of(opened))
        note_served(opened, manifest, say)
        note_exposure(opened, manifest, policies_on(opened.instance.cluster.name), say)
    told: dict[str, Any] = {
        "point": manifest.point,
        "captured_to": manifest.captured_to,
        "objects": manifest.objects,
        "volumes": len(manifest.volumes),
        "complete": manifest.complete,
        "new_bytes": manifest.new_bytes,
    }
    outlet_events[asset].extra = told
    say(f"committed {manifest.point}: {manifest.objects} objects, {len(manifest.volumes)} volumes")
    return told


def context(instance: str) -> None:
    """Notes what belongs to the point and is no object of it; fails only where nothing opens."""
    from lifeboat.point.manifest import read_manifest
    from lifeboat.steps.note import note_context

    opened = open_instance(instance)
    manifest = read_manifest(opened.vault, instance, pull("commit")["point"])
    note_context(opened, manifest, say)


def copy_regions(instance: str) -> dict[str, Any]:
    """Starts the copies whose turn it is, and removes old ones. What still runs or waits is looked
    at again by the next run. Raises SnapshotFailed naming copies that failed."""
    with leaving_errors():
        return look_at_regions(open_instance(instance))


def look_at_regions(opened: Context) -> dict[str, Any]:
    """One look at the copies in other regions, told to the log."""
    from lifeboat.steps.copy_regions import ensure_copied, look_at_copies

    found = look_at_copies(opened)
    for word, title in found.told():
        say(f"copy {word}: {title}")
    say(f"{found.ready} copies are whole")
    ensure_copied(found)
    return {"ready": found.ready, "waiting": len(found.waiting), "removed": len(found.removed)}


def copy(instance: str, vault: str) -> dict[str, Any]:
    """Copies every point that one copy lacks, and would keep: also what earlier runs left."""
    from lifeboat.steps.copy import copy_points, ensure_copied

    with leaving_errors():
        first, (there,) = open_copies(instance, vault)
        copied = copy_points(first, there, say)
        for warning in copied.warnings:
            say(f"warning: {warning}")
        say(f"{vault} has {copied.there} points, {copied.blobs} blobs and {copied.bytes} bytes new")
        if copied.volumes:
            say(f"the data of {copied.volumes} volume snapshots lies beside the disks, not there")
        ensure_copied(copied)
    return {"vault": vault, "copied": len(copied.points), "points": copied.there}


def report(instance: str) -> None:
    """Makes the run's state the truth: fails unless there is a whole point, or none was due.

    Raises PointIncomplete when the point leaves something out, or when there is none.
    """
    from lifeboat.point.manifest import read_manifest
    from lifeboat.steps.commit import ensure_complete

    gap = pull("enumerate", GAP_KEY)
    if gap:
        say(gap)
        return
    committed = pull("commit")
    if not committed:
        told = errors_of(
            [
                "enumerate",
                "dump",
                "volumes",
                "hold_dags",
                "find_hooks",
                "quiesce",
                "settle",
                "move",
                "commit",
            ]
        )
        raise PointIncomplete(
            "this run made no point\n" + "\n".join(f"  {line}" for line in told),
            hint="mend the cause and clear the failed task: the run goes on where it stopped",
        )
    opened = open_instance(instance)
    manifest = read_manifest(opened.vault, instance, committed["point"])
    run = pull("enumerate", RUN_KEY)
    if run:
        say(run["told"])
    say(f"point {manifest.point} of {instance}, captured {manifest.captured_from}")
    say(f"{manifest.objects} objects ({manifest.new_objects} new), {manifest.new_bytes} bytes new")
    say(f"{len(manifest.volumes)} volumes: {', '.join(s.volume.title for s in manifest.volumes)}")
    for warning in manifest.warnings:
        say(f"warning: {warning}")
    for entry in manifest.left_out:
        say(f"left out ({entry.severity}): {entry.what}: {entry.reason}")
    ensure_complete(manifest)
    if pull("prune"):
        return
    failed = errors_of(["copy"])
    if failed:
        raise AirflowFailException(
            f"point {manifest.point} is whole, but a copy lacks something; the next run copies what"
            " is missing, and until then nothing is pruned\n"
            + "\n".join(f"  {line}" for line in failed)
        )
    raise AirflowFailException(
        f"point {manifest.point} is whole, but expired points were not removed:"
        " see the log of task prune"
    )


def scope_of(opened: Context) -> Scope:
    """What `enumerate` decided.

    Asked for by its XCom and not as an argument, which would make every task its direct downstream:
    Airflow allows a setup only such that need its success.
    """
    from lifeboat.point import layout
    from lifeboat.steps.scope import Scope

    point = pull("enumerate", POINT_KEY)
    if not point:
        raise AirflowSkipException("this run captures nothing")
    return opened.vault.get_document(layout.scope(opened.instance.id, point), Scope)
