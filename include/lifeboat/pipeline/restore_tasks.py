"""The tasks of a restore: plan, prepare, volumes, resources, ready, report. Those between plan and
report are a test restore's too.

The plan lies in the vault; tasks are told its id, and the account of each phase lies beside it, so
that a cleared task goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import DownstreamTasksSkipped
from typing_extensions import override

from lifeboat.errors import UsageError
from lifeboat.pipeline.opening import leaving_errors, open_instance, pull, say
from lifeboat.pipeline.triggers import Plain
from lifeboat.pipeline.waiting import WaitingOperator

if TYPE_CHECKING:
    from lifeboat.restore.model import RestorePlan, RestoreReport, RestoreRequest
    from lifeboat.steps.context import Context

RESTORE_KEY = "restore"
SUMMARY_KEY = "summary"
_LATEST = "latest"
_PLAN_LINES = 500


def plan(otherwise_skip: list[str]) -> None:
    """Plans what the form asks for. A dry run ends here: `otherwise_skip` is skipped.

    Raises UsageError for what cannot be restored as asked.
    """
    from lifeboat.restore.plan import plan_restore
    from lifeboat.restore.run import restore_id, summary

    context = get_current_context()
    params = dict(context["params"])
    instance = str(params["instance"])
    with leaving_errors():
        opened = open_instance(instance, params["cluster"])
        request = _request(opened, params)
        planned = plan_restore(opened, request, restore_id(instance, context["dag_run"].run_id))
        for line in _describe_plan(opened, planned):
            say(line)
    context["ti"].xcom_push(key=SUMMARY_KEY, value=f"{summary(planned)}; digest {planned.digest}")
    if request.dry_run:
        raise DownstreamTasksSkipped(tasks=otherwise_skip)  # type: ignore[no-untyped-call]
    context["ti"].xcom_push(key=RESTORE_KEY, value=planned.restore)


def prepare(instance: str, cluster: str, restore: str) -> None:
    """Definitions, namespaces and cluster-wide settings."""
    from lifeboat.restore.run import prepare as run_prepare

    with leaving_errors():
        opened = open_instance(instance, cluster)
        run_prepare(opened, _plan(opened, restore), say)


class VolumesOperator(WaitingOperator):
    """Claims from snapshots, waited for until they are bound."""

    look = "claims"
    template_fields = (*WaitingOperator.template_fields, "restore")

    def __init__(self, *, restore: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.restore = restore

    @override
    def arguments(self, opened: Context) -> Plain:
        import msgspec

        from lifeboat.restore.volumes import start_volumes

        tickets, failed = start_volumes(opened, _plan(opened, self.restore))
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


class ReadyOperator(WaitingOperator):
    """Waits until every restored workload is ready, and records what is not when the time is up.

    `proof`: a test restore allows the time that the policy says.
    """

    look = "workloads"
    template_fields = (*WaitingOperator.template_fields, "restore")

    def __init__(self, *, restore: Any, proof: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.restore = restore
        self.proof = proof

    @override
    def arguments(self, opened: Context) -> Plain:
        return {"restore": self.restore}

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


def _request(opened: Context, params: dict[str, Any]) -> RestoreRequest:
    from lifeboat.point import catalog
    from lifeboat.restore.model import RestoreRequest
    from lifeboat.restore.request import parse_mapping, parse_mode, parse_moment

    point, before = str(params["point"] or _LATEST).strip(), parse_moment(params["before"] or "")
    if before is not None and point != _LATEST:
        raise UsageError(
            "both a point and a time were given",
            hint=f"leave `point` at {_LATEST}, or leave `before` empty",
        )
    return RestoreRequest(
        instance=opened.instance.id,
        point=catalog.find(opened.vault, opened.instance.id, point, before).point,
        namespaces=_words(params["namespaces"]),
        mapping=parse_mapping(_words(params["mapping"])),
        kinds=_words(params["kinds"]),
        mode=parse_mode(params["mode"]),
        volumes=bool(params["volumes"]),
        from_vault=bool(params["from_vault"]),
        dry_run=bool(params["dry_run"]),
    )


def _words(value: list[str] | None) -> tuple[str, ...]:
    """The form's lines without blanks."""
    return tuple(line.strip() for line in value or () if line.strip())


def _describe_plan(opened: Context, planned: RestorePlan) -> Iterator[str]:
    from lifeboat.restore.model import ACTIONS
    from lifeboat.restore.parts import items_of
    from lifeboat.restore.run import summary

    shown = [action for action in ACTIONS if action != "leave"]
    for item in islice(items_of(opened.vault, planned, shown), _PLAN_LINES):
        yield f"{item.action} {item.title}" + (f" ({item.reason})" if item.reason else "")
    counts = planned.counts()
    more = sum(counts[action] for action in shown) - _PLAN_LINES
    if more > 0:
        yield f"and {more} more"
    for volume in planned.volumes:
        yield f"volume {volume.namespace}/{volume.claim} from {volume.snapshot.handle}"
    for warning in planned.warnings:
        yield f"warning: {warning}"
    yield f"point {planned.request.point}: {summary(planned)}"


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
