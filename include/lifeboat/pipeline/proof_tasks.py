"""The tasks that only a test restore has: choose, scratch, checks, verdict, tear_down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowFailException, DownstreamTasksSkipped

from lifeboat.clock import utc_now
from lifeboat.errors import NotProven
from lifeboat.pipeline.opening import (
    SAME_CLUSTER,
    errors_of,
    leaving_errors,
    open_flows_of,
    open_instance,
    open_vault,
    pull,
    say,
)
from lifeboat.pipeline.trail import by_a_person, leave

if TYPE_CHECKING:
    from lifeboat.point.facts import Verdict
    from lifeboat.policy.instance import Instance
    from lifeboat.vault.vault import Vault

POINT_KEY = "point"
TEST_KEY = "test"
SKIPPED_KEY = "skipped"
_PHASES = ["scratch", "volumes", "resources", "ready", "checks"]


def choose(instance: str, point: str, otherwise_skip: list[str]) -> None:
    """Decides which point is tested, under which id. Touches no cluster: a teardown whose setup
    failed is not run, so nothing that needs tearing down may happen here. Where nothing is to be
    tested, `otherwise_skip` is skipped."""
    from lifeboat.restore.run import restore_id

    context = get_current_context()
    with leaving_errors():
        found, vault = open_vault(instance)
        chosen, why_not = _chosen(vault, found, point or "latest", context["dag_run"])
    if why_not:
        say(f"nothing to test: {why_not}")
        context["ti"].xcom_push(key=SKIPPED_KEY, value=why_not)
        raise DownstreamTasksSkipped(tasks=otherwise_skip)  # type: ignore[no-untyped-call]
    say(f"testing point {chosen} of {instance}")
    if by_a_person():
        leave(vault, found, "prove", utc_now(), chosen)
    context["ti"].xcom_push(key=POINT_KEY, value=chosen)
    test = restore_id(instance, f"test {context['dag_run'].run_id}")
    context["ti"].xcom_push(key=TEST_KEY, value=test)


def _chosen(vault: Vault, found: Instance, point: str, dag_run: Any) -> tuple[str, str]:
    """The point, or why there is none to test. A backfill proves the point that stood at its tick,
    once; a point that was just made starts a test restore only when it is the n-th."""
    from lifeboat.point import catalog
    from lifeboat.proof.when import is_proven, points_since_test, stood_at

    kind, wanted = str(dag_run.run_type.value), found.policy.test_restore
    if kind == "backfill":
        stood = stood_at(vault, found.id, dag_run.logical_date)
        if not stood:
            return "", f"no point stood at {dag_run.logical_date:%Y-%m-%d %H:%M} that is still kept"
        return stood, "" if not is_proven(vault, found.id, stood) else f"{stood} is proven already"
    if kind == "asset_triggered" and wanted is not None:
        new = points_since_test(vault, found.id)
        if new < wanted.every_points:
            return "", f"{new} new points since the last test restore, of {wanted.every_points}"
    return catalog.find(vault, found.id, point).point, ""


def scratch(instance: str, cluster: str, point: str, test: str) -> None:
    """Makes the scratch namespaces, fenced, and plans the point into them."""
    from lifeboat.proof.run import scratch_plan
    from lifeboat.restore.run import prepare, summary

    with leaving_errors():
        opened = open_instance(instance, cluster)
        plan = scratch_plan(opened, point, test)
        for source, name in plan.request.mapping.items():
            say(f"{source} is restored as {name}")
        say(summary(plan))
        prepare(opened, plan, say)


def checks(instance: str, cluster: str, test: str) -> dict[str, str]:
    """Runs the policy's checks on what was restored. What they found, with logs, stays in the
    vault; told are the outcomes."""
    from lifeboat.proof.run import check
    from lifeboat.restore.plan import stored_plan

    with leaving_errors():
        opened = open_instance(instance, cluster)
        plan = stored_plan(opened, instance, test)
        found = check(opened, plan, open_flows_of)
    for result in found.results:
        say(f"{result.outcome} {result.name}: {result.detail}")
    for one in found.evidence:
        say(f"{one.what}:")
        for line in one.text.splitlines():
            say(f"  {line}")
    return {result.name: result.outcome for result in found.results}


def verdict(instance: str, cluster: str, outlet_events: Any, asset: Any) -> dict[str, Any]:
    """Writes the verdict, also when an earlier task failed. Raises NotProven unless it is a pass.

    Asks for the XComs of `choose` itself: as arguments they would make this its direct downstream,
    and Airflow allows a setup only such that need its success.
    """
    from lifeboat.proof.run import ensure_proven

    found = _verdict(instance, cluster, pull("choose", POINT_KEY), pull("choose", TEST_KEY))
    for phase in found.phases:
        say(f"{phase.name}: {phase.seconds:.1f} s")
    state = "proven" if found.proven else "NOT proven"
    say(f"point {found.point} is {state}, recovered in {found.rto_seconds:.1f} s")
    for line in (*found.api, *found.warnings):
        say(f"warning: {line}")
    for image in found.images_lost:
        say(f"warning: cannot be pulled any more: {image}")
    if found.trend:
        say(f"{'warning: a regression: ' if found.slower else ''}{found.trend}")
    if not found.in_time:
        say(f"warning: longer than the objective, {found.objective_seconds:.0f} s")
    with leaving_errors():
        ensure_proven(found)
    told: dict[str, Any] = {
        "point": found.point,
        "proven": found.proven,
        "rto_seconds": found.rto_seconds,
    }
    outlet_events[asset].extra = told
    return {**told, "checks": {check.name: check.detail for check in found.checks}}


def tear_down(instance: str, cluster: str, test: str) -> dict[str, list[str]]:
    """Removes the scratch namespaces, whatever happened before."""
    from lifeboat.proof.run import clean_up

    with leaving_errors():
        removed = clean_up(open_instance(instance, cluster), test)
    say(f"removed {', '.join(removed) or 'nothing: there were no scratch namespaces'}")
    return {"removed": removed}


def report() -> None:
    """Makes the run's state the truth: fails unless the point is proven and nothing was left.

    Raises NotProven.
    """
    skipped = pull("choose", SKIPPED_KEY)
    if skipped:
        say(f"nothing was tested: {skipped}")
        return
    judged = pull("verdict")
    if not judged:
        told = errors_of(["choose", *_PHASES, "verdict"]) or ["see the logs of the failed tasks"]
        raise NotProven("the point is not proven\n" + "\n".join(f"  {line}" for line in told))
    if not pull("tear_down"):
        raise AirflowFailException(
            f"point {judged['point']} is proven, but scratch namespaces were left behind:"
            " clear the task tear_down"
        )
    say(f"point {judged['point']} is proven, recovered in {judged['rto_seconds']:.1f} s")


def _verdict(instance: str, cluster: str, point: str, test: str) -> Verdict:
    """The time to recover counts from the start of the run, waiting for workers included."""
    from lifeboat.clock import rfc3339
    from lifeboat.proof.run import judge, place_of, record_failure, stored_checks
    from lifeboat.restore.plan import stored_plan

    opened = open_instance(instance, cluster)
    began = get_current_context()["dag_run"].start_date
    assert began is not None  # this run has started
    started = rfc3339(began)
    place = place_of(opened, point, "" if cluster == SAME_CLUSTER else cluster)
    if pull("checks"):
        plan = stored_plan(opened, instance, test)
        checked = stored_checks(opened, plan)
        if checked is not None:
            return judge(opened, plan, started, checked, place)
    told = errors_of(_PHASES) or ["a task failed without a message; its log says more"]
    return record_failure(opened, point, test, started, NotProven("; ".join(told)), place)
