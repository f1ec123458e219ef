"""The tasks of a restore: plan, approved, prepare, volumes, resources, hooks, ready, report. Those
from prepare to ready are a test restore's too.

The plan lies in the vault; tasks are told its id, and the account of each phase lies beside it, so
that a cleared task goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import DownstreamTasksSkipped
from typing_extensions import override

from lifeboat.errors import NotApproved, UsageError
from lifeboat.pipeline.approving import APPROVE_TASK, REJECTED_KEY, answer_of
from lifeboat.pipeline.opening import leaving_errors, open_instance, pull, say
from lifeboat.pipeline.trail import leave_at
from lifeboat.pipeline.triggers import Plain
from lifeboat.pipeline.waiting import WaitingOperator

if TYPE_CHECKING:
    from lifeboat.restore.model import PlanItem, RestorePlan, RestoreReport, RestoreRequest
    from lifeboat.steps.context import Context

RESTORE_KEY = "restore"
SUMMARY_KEY = "summary"
SHOWN_KEY = "shown"
_LATEST = "latest"
_PLAN_OBJECTS = 100


def plan(otherwise_skip: list[str]) -> None:
    """Plans what the form asks for; each try and each clearing anew, since what comes after it is
    told which plan is meant. A dry run ends here: `otherwise_skip` is skipped. Where nobody has to
    approve, nobody is asked.

    Raises UsageError for what cannot be restored as asked, NotApproved for what nobody could ever
    approve.
    """
    from lifeboat.restore.approval import ensure_answerable, needed
    from lifeboat.restore.parts import items_of
    from lifeboat.restore.plan import plan_restore
    from lifeboat.restore.present import lines, markdown
    from lifeboat.restore.run import restore_id, summary

    context = get_current_context()
    params, run = dict(context["params"]), context["dag_run"]
    instance = str(params["instance"])
    with leaving_errors():
        opened = open_instance(instance, params["cluster"])
        request = _request(opened, params, asked_by=run.triggering_user_name or "")
        if not request.dry_run:
            ensure_answerable(opened, request)
        tried = f"{run.run_id} {context['ti'].try_number}"
        planned = plan_restore(opened, request, restore_id(instance, tried))

    def items() -> Iterator[PlanItem]:
        return items_of(opened.vault, planned)

    # Values stay out: logs and XCom are read by more people than the cluster's settings are.
    for line in lines(planned, items, most=_PLAN_OBJECTS, detail="paths"):
        say(line)
    push = context["ti"].xcom_push
    push(key=SUMMARY_KEY, value=f"{summary(planned)}; digest {planned.digest}")
    say(f"point {planned.request.point}: {summary(planned)}")
    if request.dry_run:
        raise DownstreamTasksSkipped(tasks=otherwise_skip)  # type: ignore[no-untyped-call]
    leave_at(opened, "restore", planned.restore, summary(planned))
    push(key=RESTORE_KEY, value=planned.restore)
    wanted = needed(opened, planned.request)
    if wanted == "none":
        raise DownstreamTasksSkipped(tasks=[APPROVE_TASK])  # type: ignore[no-untyped-call]
    push(key=SHOWN_KEY, value=markdown(planned, items, wanted))


def approved(instance: str, cluster: str, restore: str) -> str:
    """Records in the vault who approved the plan; returns it. Raises NotApproved when whoever
    answered may not."""
    from lifeboat.restore.approval import approve, needed

    with leaving_errors():
        opened = open_instance(instance, cluster)
        planned = _plan(opened, restore)
        if needed(opened, planned.request) == "none":
            return "nobody has to approve it"
        said = approve(opened, planned, by=answer_of(pull(APPROVE_TASK)).who, how="airflow")
        digest = f"digest {said.digest}"
        leave_at(opened, "approve", restore, digest, who=said.by, moment=said.at)
    say(f"approved by {said.by} at {said.at}: plan {said.restore}, digest {said.digest}")
    return said.by


def prepare(instance: str, cluster: str, restore: str) -> None:
    """Definitions, namespaces and cluster-wide settings."""
    from lifeboat.restore.run import prepare as run_prepare

    with leaving_errors():
        opened = open_instance(instance, cluster)
        run_prepare(opened, _plan(opened, restore), say)


class RestoreOperator(WaitingOperator):
    """Waits for something of one restore."""

    template_fields = (*WaitingOperator.template_fields, "restore")

    def __init__(self, *, restore: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.restore = restore

    @override
    def arguments(self, opened: Context) -> Plain:
        return {"restore": self.restore}


class VolumesOperator(RestoreOperator):
    """Claims from snapshots, waited for until they are bound."""

    look = "claims"

    @override
    def arguments(self, opened: Context) -> Plain:
        import msgspec

        from lifeboat.restore.run import make_room
        from lifeboat.restore.volumes import start_volumes

        planned = _plan(opened, self.restore)
        make_room(opened, planned, say)
        tickets, failed = start_volumes(opened, planned)
        plain: Plain = msgspec.to_builtins({"tickets": tickets, "failed": failed})
        return plain

    @override
    def limit(self, opened: Context) -> timedelta:
        from lifeboat.restore.run import VOLUME_SECONDS
        from lifeboat.restore.volumes import patience

        return timedelta(seconds=patience(opened, _plan(opened, self.restore), VOLUME_SECONDS))

    @override
    def finish(
        self, opened: Context, arguments: Plain, waiting: list[str], seconds: float
    ) -> dict[str, int]:
        import msgspec

        from lifeboat.ports.disks import RestoreTicket
        from lifeboat.restore.model import VolumeOutcome
        from lifeboat.restore.volumes import finish_volumes

        result = finish_volumes(
            opened,
            _plan(opened, self.restore),
            msgspec.convert(arguments["tickets"], list[RestoreTicket]),
            msgspec.convert(arguments["failed"], list[VolumeOutcome]),
            seconds,
        )
        for volume in result.volumes:
            say(f"{volume.title}: {volume.error or volume.handle or 'waits for its pod'}")
        return {
            "volumes": len(result.volumes),
            "bound": sum(bool(v.handle) for v in result.volumes),
        }


def resources(instance: str, cluster: str, restore: str) -> None:
    """Everything else, wave by wave."""
    from lifeboat.restore.run import resources as run_resources

    with leaving_errors():
        opened = open_instance(instance, cluster)
        run_resources(opened, _plan(opened, restore), say)


class HooksOperator(RestoreOperator):
    """Waits until what the hooks talk to is there, or the policy's wait is over, and runs them."""

    look = "hooks"

    @override
    def limit(self, opened: Context) -> timedelta:
        from lifeboat.restore.hooks import hooks_of

        return hooks_of(_plan(opened, self.restore)).wait

    @override
    def finish(
        self, opened: Context, arguments: Plain, waiting: list[str], seconds: float
    ) -> dict[str, int]:
        from lifeboat.restore.hooks import run_hooks

        result = run_hooks(opened, _plan(opened, self.restore), say)
        return {"hooks": len(result.hooks), "failed": len(result.failed)}


class ReadyOperator(RestoreOperator):
    """Waits until every restored workload is ready, and records what is not when the time is up.

    `proof`: a test restore allows the time that the policy says.
    """

    look = "workloads"

    def __init__(self, *, proof: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.proof = proof

    @override
    def limit(self, opened: Context) -> timedelta:
        from lifeboat.proof.run import timeout_seconds
        from lifeboat.restore.run import READY_SECONDS

        return timedelta(seconds=timeout_seconds(opened) if self.proof else READY_SECONDS)

    @override
    def finish(
        self, opened: Context, arguments: Plain, waiting: list[str], seconds: float
    ) -> dict[str, int]:
        from lifeboat.restore.run import record_ready

        record_ready(opened, _plan(opened, self.restore), waiting, seconds)
        for title in waiting:
            say(f"not ready: {title}")
        say("not all workloads are ready" if waiting else "all workloads are ready")
        return {"not_ready": len(waiting)}


def report(instance: str, cluster: str) -> dict[str, Any]:
    """The account of everything. Raises RestoreIncomplete, naming every failure."""
    from lifeboat.restore.run import ensure_restored
    from lifeboat.restore.run import report as run_report

    restore = pull("plan", RESTORE_KEY)
    if not restore:
        say(f"dry run, nothing was changed: {pull('plan', SUMMARY_KEY)}")
        return {"dry_run": True}
    rejected = pull(APPROVE_TASK, REJECTED_KEY)
    if rejected:
        raise NotApproved(f"plan {restore} was rejected by {rejected}, and nothing was changed")
    with leaving_errors():
        opened = open_instance(instance, cluster)
        planned = _plan(opened, restore)
        account = run_report(opened, planned, planned.created)
    for line in _describe_report(account):
        say(line)
    ensure_restored(account)
    return {
        "restore": account.restore,
        "point": account.point,
        "created": account.created,
        "merged": account.merged,
        "skipped": len(account.skipped),
        "volumes": len(account.volumes),
    }


def _plan(opened: Context, restore: str) -> RestorePlan:
    from lifeboat.restore.plan import stored_plan

    return stored_plan(opened, opened.instance.id, restore)


def _request(opened: Context, params: dict[str, Any], asked_by: str) -> RestoreRequest:
    from lifeboat.pipeline.restore_form import written
    from lifeboat.point import catalog
    from lifeboat.restore.request import parse_moment

    point, before = str(params["point"] or _LATEST).strip(), parse_moment(params["before"] or "")
    if before is not None and point != _LATEST:
        raise UsageError(
            "both a point and a time were given",
            hint=f"leave `point` at {_LATEST}, or leave `before` empty",
        )
    instance = opened.instance.id
    chosen = catalog.find(opened.vault, instance, point, before).point
    return written(params, asked_by).request(instance, chosen)


def _describe_report(account: RestoreReport) -> Iterator[str]:
    for line in account.changes:
        yield f"changed {line}"
    for line in account.skipped:
        yield f"skipped {line}"
    for line in account.warnings:
        yield f"warning: {line}"
    for volume in account.volumes:
        yield f"volume {volume.title}: {volume.error or volume.handle or 'waits for its pod'}"
    yield (
        f"point {account.point}: {account.created} created, {account.merged} merged,"
        f" {account.unchanged} unchanged, {len(account.skipped)} skipped,"
        f" {account.left} left to their makers, {len(account.failed)} failed"
    )
