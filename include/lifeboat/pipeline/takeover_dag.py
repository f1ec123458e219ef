"""The failover and the failback DAG: a runbook each, a step a task.

Their tasks wait themselves, as the command line does: an application that is down is not to wait
for the triggerer, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, TriggerRule, task

from lifeboat.pipeline import takeover_tasks as tasks
from lifeboat.pipeline.approving import APPROVE_TASK, ASK_AGAIN, TakeoverOperator
from lifeboat.pipeline.frame import BY_HAND, FAILBACK_DAG, FAILOVER_DAG, task_defaults
from lifeboat.pipeline.turns import RESTORE_TURN

_INSTANCE = "{{ params.instance }}"

_OVER = """\
The standby takes over from the primary.

1. **Trigger** it and choose the instance. **Planned** holds and captures the primary first, so that
   nothing is lost; leave it off when the primary is dead.
2. `check` says which point would be brought, who answers and what is lost. Unless the policy says
   otherwise the run waits at `approve` (Required Actions) for somebody to agree.
3. `report` says what happened. A failed task can be cleared: the run goes on where it stopped.
   Before `take_over`, the DAG `failback` gives it up.

Without Airflow, `lifeboat failover` does the same from a terminal (docs/standby.md).
"""

_BACK = """\
The application comes home, with what it wrote in the standby. Nothing runs from `hold_both` until
`start_primary`: choose the hour.

A failed task can be cleared: the run goes on where it stopped. Before `hand_over`, the DAG
`failover` gives it up. Without Airflow: `lifeboat failback` (docs/standby.md).
"""


def failover_dag(instances: Sequence[str]) -> DAG:
    """One for all instances with a standby (ids)."""
    params = {
        **_form(instances),
        "planned": _switch("Planned", "Hold the primary and capture it first: nothing is lost."),
        "point": Param(
            "latest",
            type="string",
            title="Point",
            description="`latest` is the newest complete one. A planned failover makes its own.",
        ),
        "as_it_is": _switch("As it is", "Bring nothing: take over with what lies there already."),
    }
    with _dag(FAILOVER_DAG, "Let the standby take over", params, _OVER) as dag:
        approved = _approval(FAILOVER_DAG, "Let the standby of {{ params.instance }} take over?", [
            "fence", "capture", "bring", "take_over", "activate",
        ])  # fmt: skip
        fenced: Any = task(task_id="fence")(tasks.fence)(_INSTANCE)
        captured: Any = task(task_id="capture")(tasks.capture)(_INSTANCE)
        brought: Any = task(task_id="bring")(tasks.bring)(_INSTANCE, captured)
        taken = task(task_id="take_over")(tasks.take_over)(_INSTANCE, fenced, brought)
        active = task(task_id="activate")(tasks.activate)(_INSTANCE)
        told = _report()
        approved >> fenced >> captured
        brought >> taken >> active >> told
    return dag


def failback_dag(instances: Sequence[str]) -> DAG:
    """One for all instances with a standby (ids)."""
    params = {
        **_form(instances),
        "accept": _switch("Accept", "Go on although something could not be brought home."),
    }
    with _dag(FAILBACK_DAG, "Bring the application home from its standby", params, _BACK) as dag:
        approved = _approval(FAILBACK_DAG, "Bring {{ params.instance }} home?", [
            "hold_both", "keep_primary", "capture_standby", "bring_home", "capture_home",
            "hand_over", "start_primary",
        ])  # fmt: skip
        held = task(task_id="hold_both")(tasks.hold_both)(_INSTANCE)
        kept = task(task_id="keep_primary")(tasks.keep_primary)(_INSTANCE)
        captured: Any = task(task_id="capture_standby")(tasks.capture_standby)(_INSTANCE)
        home: Any = task(task_id="bring_home")(tasks.bring_home)(_INSTANCE, captured)
        newest: Any = task(task_id="capture_home")(tasks.capture_home)(_INSTANCE)
        handed = task(task_id="hand_over")(tasks.hand_over)(_INSTANCE, captured, home, newest)
        started = task(task_id="start_primary")(tasks.start_primary)(_INSTANCE)
        told = _report()
        approved >> held >> kept >> captured
        home >> newest
        handed >> started >> told
    return dag


def _dag(dag_id: str, description: str, params: dict[str, Any], doc: str) -> DAG:
    return DAG(
        dag_id=dag_id,
        description=description,
        schedule=None,
        allowed_run_types=BY_HAND,
        is_paused_upon_creation=False,
        params=params,
        tags=["lifeboat", "standby"],
        doc_md=doc,
        default_args=task_defaults(RESTORE_TURN),
    )


def _approval(what: str, subject: str, steps: list[str]) -> Any:
    """check >> approve >> approved; a dry run ends after `check`. The retries of `approve` are as
    those of a restore's (restore_dag.py)."""
    checked: Any = task(task_id="check")(tasks.check)(otherwise_skip=steps)
    approve = TakeoverOperator(
        task_id=APPROVE_TASK,
        instance=_INSTANCE,
        what=what,
        subject=subject,
        body="{{ ti.xcom_pull(task_ids='check', key='" + tasks.SHOWN_KEY + "') }}",
        execution_timeout=None,
        retries=ASK_AGAIN,
        retry_delay=timedelta(seconds=2),
        retry_exponential_backoff=0,
    )
    approved = task(task_id="approved", trigger_rule=TriggerRule.NONE_FAILED)(tasks.approved)(
        _INSTANCE
    )
    checked >> approve >> approved
    return approved


def _report() -> Any:
    return task(task_id="report", trigger_rule=TriggerRule.NONE_FAILED)(tasks.report)(_INSTANCE)


def _form(instances: Sequence[str]) -> dict[str, Any]:
    return {
        "instance": Param(
            type="string",
            enum=list(instances),
            title="Instance",
            description="The policy and the cluster that it protects.",
        ),
        "dry_run": _switch("Dry run", "Only `check`: who answers, which point, what is lost."),
    }


def _switch(title: str, description: str) -> Param:
    return Param(False, type="boolean", title=title, description=description)
