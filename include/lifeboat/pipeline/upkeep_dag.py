"""The upkeep DAG of one instance: reconcile, scrub, prune, and the copies in other regions. Damage
fails the run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, TriggerRule, task

from lifeboat.pipeline import upkeep_tasks
from lifeboat.pipeline.frame import (
    documentation,
    tags,
    task_defaults,
    timetable,
)
from lifeboat.pipeline.pools import disk_slots
from lifeboat.pipeline.turns import upkeep_turn
from lifeboat.policy.instance import Instance
from lifeboat.policy.model import ClusterEntry

_LIMIT = timedelta(days=1)


def upkeep_dag(instance: Instance, standby: ClusterEntry | None = None) -> DAG:
    """`standby` is the cluster that stands by, where the policy has one: the points that were
    captured there are looked after beside the others. Scrub runs whatever reconcile found. Prune
    does not run once damage was found: an older point that is whole may be worth more than the
    newer ones that the retention would keep."""
    upkeep = instance.policy.upkeep
    share = Param(
        upkeep.scrub_percent,
        type="integer",
        minimum=1,
        maximum=100,
        title="Read again, in percent",
        description="How much of the stored data to read; 100 reads everything.",
    )
    with DAG(
        dag_id=instance.upkeep_dag,
        description=f"Keep the points of {instance.id} sound and their vault in order",
        schedule=timetable(upkeep.schedule, instance.id),
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=_LIMIT,
        is_paused_upon_creation=False,
        params={"share": share},
        tags=tags(instance, "upkeep"),
        doc_md=documentation(instance),
        default_args=task_defaults(upkeep_turn(instance), instance.cluster.queue),
    ) as dag:
        _in_order(instance.id)
        if standby is not None:
            where: dict[str, Any] = {"queue": standby.queue} if standby.queue else {}
            skipped = [f"{name}_standby" for name in ("reconcile", "scrub", "prune")]
            holds: Any = task(task_id="standby", **where)(upkeep_tasks.holds_points)(
                instance=instance.standby_id, otherwise_skip=skipped
            )
            holds >> _in_order(instance.standby_id, "_standby", **where)
        if instance.policy.volumes.azure.copies:  # beside the rest: they may take hours
            upkeep_tasks.CatchUpOperator(
                task_id="copy_regions", instance=instance.id, **disk_slots(instance, 1)
            )
    return dag


def _in_order(instance: str, suffix: str = "", **where: Any) -> list[Any]:
    """The tasks for the points of one instance."""
    reconciled: Any = task(task_id=f"reconcile{suffix}", **where)(upkeep_tasks.reconcile)(
        instance=instance
    )
    scrubbed: Any = task(task_id=f"scrub{suffix}", trigger_rule=TriggerRule.ALL_DONE, **where)(
        upkeep_tasks.scrub
    )(instance=instance, percent="{{ params.share }}")
    pruned: Any = task(task_id=f"prune{suffix}", **where)(upkeep_tasks.prune)(instance=instance)
    reconciled >> scrubbed
    [reconciled, scrubbed] >> pruned
    return [reconciled, scrubbed, pruned]
