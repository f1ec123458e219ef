"""The restore DAG and its form; and the phases that it shares with test restores."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, TriggerRule, task

from lifeboat.pipeline import restore_tasks
from lifeboat.pipeline.approving import APPROVE_TASK, ASK_AGAIN, ApproveOperator
from lifeboat.pipeline.frame import BY_HAND, RESTORE_DAG, task_defaults
from lifeboat.pipeline.restore_form import form
from lifeboat.pipeline.turns import RESTORE_TURN

_PHASES = [APPROVE_TASK, "approved", "prepare", "volumes", "resources", "hooks", "ready"]
_INSTANCE = "{{ params.instance }}"
_CLUSTER = "{{ params.cluster }}"

_DOC = """\
Brings back a recovery point, or part of one.

1. **Trigger** it: choose the instance; everything else may stay as it is.
2. Not sure? Switch **dry run** on: the log of `plan` shows what would happen, nothing is changed.
3. `report` says what was restored. It fails, naming each thing, when something was not.

Nothing that exists is deleted unless the mode or `prune` says so, and then the plan names it; a
claim with its data only when it is named. With an approval asked for, by the form or by the policy,
the run waits at `approve` (Required Actions) and applies exactly the plan that was approved. A
failed task can be cleared: the run goes on where it stopped; from `plan` on, with a new plan.
Without Airflow, `lifeboat restore` does the same from a terminal with nothing but the vault and its
key.
"""


def restore_dag(instances: Sequence[str], clusters: Sequence[str]) -> DAG:
    """One DAG for all instances (ids); `clusters` are the names that may be restored into."""
    with DAG(
        dag_id=RESTORE_DAG,
        description="Bring back a recovery point, or part of one",
        schedule=None,
        allowed_run_types=BY_HAND,
        is_paused_upon_creation=False,
        params=form(instances, clusters),
        tags=["lifeboat", "restore"],
        doc_md=_DOC,
        default_args=task_defaults(RESTORE_TURN),
    ) as dag:
        planned: Any = task(task_id="plan")(restore_tasks.plan)(otherwise_skip=_PHASES)
        restore = planned[restore_tasks.RESTORE_KEY]
        approved = _approval(planned, restore)
        prepared = task(task_id="prepare")(restore_tasks.prepare)(_INSTANCE, _CLUSTER, restore)
        approved >> prepared
        ready = phases(_INSTANCE, _CLUSTER, restore, prepared)
        told = task(task_id="report", trigger_rule=TriggerRule.NONE_FAILED)(restore_tasks.report)(
            _INSTANCE, _CLUSTER
        )
        ready >> told
    return dag


def _approval(planned: Any, restore: Any) -> Any:
    """approve >> approved: somebody's word where it is asked for, and its record in the vault.

    `approve` has more retries than others, and soon ones: an answer within a second of the question
    may fail the task (Airflow 3.3, apache/airflow#66374), and all that a retry does is to ask
    again. It has no execution time-out, which the operator would take for the time that a person
    has.
    """
    approve = ApproveOperator(
        task_id=APPROVE_TASK,
        instance=_INSTANCE,
        cluster=_CLUSTER,
        restore=restore,
        subject="Restore {{ params.instance }}: approve the plan?",
        body="{{ ti.xcom_pull(task_ids='plan', key='" + restore_tasks.SHOWN_KEY + "') }}",
        execution_timeout=None,
        retries=ASK_AGAIN,
        retry_delay=timedelta(seconds=2),
        retry_exponential_backoff=0,
    )
    approved: Any = task(task_id="approved", trigger_rule=TriggerRule.NONE_FAILED)(
        restore_tasks.approved
    )(_INSTANCE, _CLUSTER, restore)
    planned >> approve >> approved
    return approved


def phases(instance: str, cluster: str, restore: Any, prepared: Any, *, proof: bool = False) -> Any:
    """volumes >> resources >> hooks >> ready, after `prepared`; returns `ready`."""
    where: dict[str, Any] = {"instance": instance, "target": cluster, "restore": restore}
    volumes = restore_tasks.VolumesOperator(task_id="volumes", **where)
    applied = task(task_id="resources")(restore_tasks.resources)(instance, cluster, restore)
    hooked = restore_tasks.HooksOperator(task_id="hooks", **where)
    ready = restore_tasks.ReadyOperator(task_id="ready", proof=proof, **where)
    prepared >> volumes >> applied >> hooked >> ready
    return ready
