"""What all DAGs have in common: how they retry, when they run, what they are called and labelled.

Everything here is a function of the policy alone, never of the moment: a DAG that differs from one
parse to the next would be a new version each time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import (
    DAG,
    AssetOrTimeSchedule,
    CronTriggerTimetable,
    RetryDecision,
    RetryPolicy,
    get_parsing_context,
)
from typing_extensions import override

from lifeboat.errors import LifeboatError, Retryable
from lifeboat.pipeline.asked import ensure_known
from lifeboat.pipeline.turns import WATCH_TURN
from lifeboat.policy.after import BackupSchedule
from lifeboat.policy.fires import offset_of
from lifeboat.policy.instance import Instance
from lifeboat.policy.schedule import Schedule

RESTORE_DAG = "restore"
REPLAY_DAG = "replay"
DRILLS_DAG = "drills"
WATCH_DAG = "watch"
DISCOVER_DAG = "discover"
FAILOVER_DAG = "failover"
FAILBACK_DAG = "failback"

BY_HAND: Any = ["manual", "operator_triggered"]
"""`allowed_run_types` of a DAG that nothing but somebody's wish may start: no backfill."""

BY_HAND_OR_SCHEDULE: Any = [*BY_HAND, "scheduled"]

ANY_RUN: Any = [*BY_HAND_OR_SCHEDULE, "asset_triggered", "backfill"]

_NOT_AT_ONCE = timedelta(milliseconds=500)
_SHORTEST_RUN_LIMIT = timedelta(hours=1)
_ROUND_LIMIT = timedelta(minutes=30)


class EngineRetries(RetryPolicy):
    """Asks the error itself: what asking again cannot help fails at once, what the other side timed
    is retried then, everything else after the task's own delay."""

    @override
    def evaluate(
        self,
        exception: BaseException,
        try_number: int,
        max_tries: int,
        context: Any = None,
    ) -> RetryDecision:
        if isinstance(exception, LifeboatError) and not exception.retryable:
            return RetryDecision.fail("trying again cannot help")
        if isinstance(exception, Retryable) and exception.retry_after is not None:
            return RetryDecision.retry(timedelta(seconds=exception.retry_after), "as it asked for")
        return RetryDecision.default()


def task_defaults(turn: int, queue: str = "") -> dict[str, Any]:
    """`default_args` of every DAG: two retries, 5 s and 10 s later, and no task of a run that was
    asked for something unknown; `turn` says who goes first where slots are short
    (lifeboat.pipeline.turns), `queue` whose workers run it, if not all."""
    return {
        **({"queue": queue} if queue else {}),
        "owner": "lifeboat",
        "priority_weight": turn,
        "weight_rule": "absolute",
        "retries": 2,
        "retry_delay": timedelta(seconds=5),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": timedelta(minutes=5),
        "retry_policy": EngineRetries(),
        "pre_execute": ensure_known,
    }


def fleet_dag(dag_id: str, description: str, schedule: Schedule, doc: str) -> DAG:
    """A DAG of which there is one for the fleet: short rounds, one at a time, never made up for."""
    return DAG(
        dag_id=dag_id,
        description=description,
        schedule=timetable(schedule, dag_id),
        catchup=False,
        max_active_runs=1,
        allowed_run_types=BY_HAND_OR_SCHEDULE,
        dagrun_timeout=_ROUND_LIMIT,
        is_paused_upon_creation=False,
        tags=["lifeboat", dag_id],
        doc_md=doc,
        default_args=task_defaults(WATCH_TURN),
    )


def timetable(schedule: Schedule | None, spread_by: str) -> Any:
    """What a DAG's `schedule` is: ticks in the policy's zone, other pipelines, either; None for on
    demand. Airflow's own timetable wherever it has one, so that its pages know what they show.
    A jitter's share follows from `spread_by`, the id of the instance.

    A new policy waits for its next tick: without a start_date, Airflow would run at once when the
    last tick is less than a tenth of the interval ago, unless `run_immediately` is shorter. After
    an outage the newest missed tick, and only that, is made up for (catchup is off).
    """
    if schedule is None:
        return None
    ticks = _ticks(schedule, spread_by) if schedule.timed else None
    if not isinstance(schedule, BackupSchedule) or schedule.after is None:
        return ticks
    from lifeboat.pipeline.after import awaited

    assets = awaited(schedule.after)
    return AssetOrTimeSchedule(timetable=ticks, assets=assets) if ticks else assets


def _ticks(schedule: Schedule, instance: str) -> Any:
    if schedule.cron and not schedule.jitter:
        return CronTriggerTimetable(
            schedule.cron, timezone=schedule.timezone, run_immediately=_NOT_AT_ONCE
        )
    from lifeboat.pipeline.timetable import PolicyTimetable

    return PolicyTimetable(schedule, offset_of(instance, schedule.jitter))


def run_limit(objective: timedelta) -> timedelta:
    """What takes longer than its objective has failed, and would block the next run."""
    return max(objective, _SHORTEST_RUN_LIMIT)


def task_limit(objective: timedelta) -> dict[str, Any]:
    """For `default_args` of a DAG with teardowns, whose runs have no limit: Airflow skips whatever
    is not over when a run's time is up, teardowns too. What waits has a limit of its own."""
    return {"execution_timeout": run_limit(objective)}


def tags(instance: Instance, kind: str) -> list[str]:
    """`kind` is backup, test-restore or upkeep."""
    return [
        "lifeboat",
        kind,
        f"policy:{instance.policy.name}",
        f"cluster:{instance.cluster.name}",
    ]


def documentation(instance: Instance) -> str:
    """Markdown for the DAG's page: the policy in words, and its file, so that each edit of the file
    is a new version of the DAG. Empty in a task's process, which shows nobody a page."""
    if get_parsing_context().dag_id:
        return ""
    from lifeboat.policy.explain import describe

    return (
        f"{describe(instance)}\n\n---\n`{instance.source}`, {instance.policy_digest}\n\n"
        f"```yaml\n{instance.policy_text.strip()}\n```\n"
    )
