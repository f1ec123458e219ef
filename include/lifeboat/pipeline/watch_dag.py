"""The watch: every few minutes it looks at all instances, tells receivers what began and what
ended, and gives Airflow's metrics their figures.

A DAG of its own, because a deadline of a backup DAG would say nothing in the worst case: Airflow
reckons deadlines of runs, and a DAG that is paused, broken or never scheduled has none.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, task

from lifeboat.pipeline import watch_tasks
from lifeboat.pipeline.frame import BY_HAND_OR_SCHEDULE, WATCH_DAG, task_defaults, timetable
from lifeboat.pipeline.turns import WATCH_TURN
from lifeboat.policy.schedule import Schedule

_OFTEN = Schedule(cron="*/5 * * * *")

_DOC = """\
Reads the vaults, touches no cluster, and tells the receivers of `include/alerts.yaml` when an
instance comes into a state that somebody should know of, and when that is over: once each.

A failed run could not tell somebody; the next one tries again. docs/alerts.md says more.
"""


def watch_dag() -> DAG:
    """One for the fleet."""
    with DAG(
        dag_id=WATCH_DAG,
        description="Tell who must know what is wrong with any instance",
        schedule=timetable(_OFTEN, WATCH_DAG),
        catchup=False,
        max_active_runs=1,
        allowed_run_types=BY_HAND_OR_SCHEDULE,
        dagrun_timeout=timedelta(minutes=30),
        is_paused_upon_creation=False,
        tags=["lifeboat", "watch"],
        doc_md=_DOC,
        default_args=task_defaults(WATCH_TURN),
    ) as dag:
        task(task_id="watch", max_active_tis_per_dag=1)(watch_tasks.watch)()
    return dag
