"""The tasks that only a test restore has: choose, scratch, checks, verdict, tear_down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowFailException

from lifeboat.errors import NotProven
from lifeboat.pipeline.opening import errors_of, leaving_errors, open_instance, pull, say

if TYPE_CHECKING:
    from lifeboat.point.facts import Verdict

POINT_KEY = "point"
TEST_KEY = "test"
_PHASES = ["scratch", "volumes", "resources", "ready", "checks"]


def choose(instance: str, point: str) -> None:
    """Decides which point is tested, under which id. Touches no cluster: a teardown whose setup
    failed is not run, so nothing that needs tearing down may happen here."""
    from lifeboat.point import catalog
    from lifeboat.restore.run import restore_id

    context = get_current_context()
    with leaving_errors():
        opened = open_instance(instance)
        chosen = catalog.find(opened.vault, instance, point or "latest").point
    say(f"testing point {chosen} of {instance}")
    context["ti"].xcom_push(key=POINT_KEY, value=chosen)
    test = restore_id(instance, f"test {context['dag_run'].run_id}")
    context["ti"].xcom_push(key=TEST_KEY, value=test)


def scratch(instance: str, point: str, test: str) -> None:
    """Makes the scratch namespaces, fenced, and plans the point into them."""
    from lifeboat.proof.run import scratch_plan
    from lifeboat.restore.run import prepare, summary

    with leaving_errors():
        opened = open_instance(instance)
        plan = scratch_plan(opened, point, test)
        for source, name in plan.request.mapping.items():
            say(f"{source} is restored as {name}")
        say(summary(plan))
        prepare(opened, plan, say)


def checks(instance: str, test: str) -> list[dict[str, Any]]:
    """Runs the policy's checks on what was restored."""
    import msgspec

    from lifeboat.proof.run import check
    from lifeboat.restore.plan import stored_plan

    with leaving_errors():
        opened = open_instance(instance)
        results = check(opened, stored_plan(opened, instance, test))
    for result in results:
        say(f"{result.outcome} {result.name}: {result.detail}")
    plain: list[dict[str, Any]] = msgspec.to_builtins(results)
    return plain


def verdict(instance: str, outlet_events: Any, asset: Any) -> dict[str, Any]:
    """Writes the verdict, also when an earlier task failed. Raises NotProven unless it is a pass.

    Asks for the XComs of `choose` itself: as arguments they would make this its direct downstream,
    and Airflow allows a setup only such that need its success.
    """
    from lifeboat.proof.run import ensure_proven

    found = _verdict(instance, pull("choose", POINT_KEY), pull("choose", TEST_KEY))
    for phase in found.phases:
        say(f"{phase.name}: {phase.seconds:.1f} s")
    state = "proven" if found.proven else "NOT proven"
    say(f"point {found.point} is {state}, recovered in {found.rto_seconds:.1f} s")
    for image in found.images_lost:
        say(f"warning: cannot be pulled any more: {image}")
    with leaving_errors():
        ensure_proven(found)
    told: dict[str, Any] = {
        "point": found.point,
        "proven": found.proven,
        "rto_seconds": found.rto_seconds,
    }
    outlet_events[asset].extra = told
    return {**told, "checks": {check.name: check.detail for check in found.checks}}


def tear_down(instance: str, test: str) -> dict[str, list[str]]:
    """Removes the scratch namespaces, whatever happened before."""
    from lifeboat.proof.run import clean_up

    with leaving_errors():
        removed = clean_up(open_instance(instance), test)
    say(f"removed {', '.join(removed) or 'nothing: there were no scratch namespaces'}")
    return {"removed": removed}


def report() -> None:
    """Makes the run's state the truth: fails unless the point is proven and nothing was left.

    Raises NotProven.
    """
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


def _verdict(instance: str, point: str, test: str) -> Verdict:
    """The time to recover counts from the start of the run, waiting for workers included."""
    import msgspec

    from lifeboat.clock import rfc3339
    from lifeboat.point.facts import CheckResult
    from lifeboat.proof.run import judge, record_failure
    from lifeboat.restore.plan import stored_plan

    opened = open_instance(instance)
    began = get_current_context()["dag_run"].start_date
    assert began is not None  # this run has started
    started = rfc3339(began)
    results = pull("checks")
    if results:
        passed = tuple(msgspec.convert(results, list[CheckResult]))
        return judge(opened, stored_plan(opened, instance, test), started, passed)
    told = errors_of(_PHASES) or ["a task failed without a message; its log says more"]
    return record_failure(opened, point, test, started, NotProven("; ".join(told)))
