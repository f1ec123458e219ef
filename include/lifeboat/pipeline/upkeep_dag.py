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

_LIMIT = timedelta(days=1)


def upkeep_dag(instance: Instance) -> DAG:
    """Scrub runs whatever reconcile found. Prune does not run once damage was found: an older point
    that is whole may be worth more than the newer ones that the retention would keep."""
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
        reconciled: Any = task(task_id="reconcile")(upkeep_tasks.reconcile)(instance=instance.id)
        scrubbed: Any = task(task_id="scrub", trigger_rule=TriggerRule.ALL_DONE)(
            upkeep_tasks.scrub
        )(instance=instance.id, percent="{{ params.share }}")
        pruned: Any = task(task_id="prune")(upkeep_tasks.prune)(instance=instance.id)
        reconciled >> scrubbed
        [reconciled, scrubbed] >> pruned
        if instance.policy.volumes.azure.copies:  # beside the rest: they may take hours
            upkeep_tasks.CatchUpOperator(
                task_id="copy_regions", instance=instance.id, **disk_slots(instance, 1)
            )
    return dag
