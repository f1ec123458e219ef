"""The standby DAG of one instance: brings a new point to the cluster that stands by."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, TriggerRule, task

from lifeboat.pipeline import restore_tasks, standby_tasks
from lifeboat.pipeline.backup_dag import after_points
from lifeboat.pipeline.frame import (
    ANY_RUN,
    documentation,
    run_limit,
    tags,
    task_defaults,
)
from lifeboat.pipeline.pools import standby_slots
from lifeboat.pipeline.turns import standby_turn
from lifeboat.policy.instance import Instance
from lifeboat.policy.model import ClusterEntry

_SKIPPED = ["prepare", "volumes", "resources", "ready"]


def standby_dag(instance: Instance, entry: ClusterEntry) -> DAG:
    """For a policy that has `standby`; `entry` is its cluster."""
    point = Param(
        "latest",
        type="string",
        title="Point",
        description="The point to bring there; `latest` is the newest complete one.",
    )
    runs = [one for one in ANY_RUN if one != "backfill"]  # a standby is at one point, the newest
    wanted = instance.policy.standby
    assert wanted is not None
    with DAG(
        dag_id=instance.standby_dag,
        description=f"Bring points of {instance.id} to its standby {entry.name}",
        schedule=after_points(instance, wanted.schedule, wanted.every_points),
        catchup=False,
        max_active_runs=1,
        allowed_run_types=runs,
        dagrun_timeout=run_limit(instance.policy.max_lag or instance.policy.objectives.rpo),
        is_paused_upon_creation=False,
        params={"point": point},
        tags=tags(instance, "standby"),
        doc_md=documentation(instance),
        default_args={
            **task_defaults(standby_turn(instance), entry.queue),
            **standby_slots(entry),
        },
    ) as dag:
        _build(instance, entry.name)
    return dag


def _build(instance: Instance, cluster: str) -> None:
    wanted = instance.policy.standby
    assert wanted is not None
    chosen: Any = task(task_id="choose")(standby_tasks.choose)(
        instance=instance.id, point="{{ params.point }}", otherwise_skip=_SKIPPED
    )
    restore = chosen[restore_tasks.RESTORE_KEY]
    where: dict[str, Any] = {"instance": instance.id, "target": cluster, "restore": restore}
    prepared = task(task_id="prepare")(standby_tasks.prepare)(instance.id, restore)
    volumes = restore_tasks.VolumesOperator(task_id="volumes", **where)
    applied = task(task_id="resources")(restore_tasks.resources)(instance.id, cluster, restore)
    prepared >> volumes >> applied
    last: Any = applied
    if wanted.workloads == "running":
        last = restore_tasks.ReadyOperator(task_id="ready", **where)
        applied >> last
    told = task(task_id="report", trigger_rule=TriggerRule.ALL_DONE)(standby_tasks.report)(
        instance.id
    )
    last >> told
