"""The watch: every few minutes it looks at all instances, tells receivers what began and what
ended, and gives Airflow's metrics their figures.

A DAG of its own, because a deadline of a backup DAG would say nothing in the worst case: Airflow
reckons deadlines of runs, and a DAG that is paused, broken or never scheduled has none.
"""

from __future__ import annotations

from airflow.sdk import DAG, task

from lifeboat.pipeline import watch_tasks
from lifeboat.pipeline.frame import WATCH_DAG, fleet_dag
from lifeboat.policy.schedule import Schedule

_OFTEN = Schedule(cron="*/5 * * * *")

_DOC = """\
Reads the vaults, touches no cluster, and tells the receivers of `include/alerts.yaml` when an
instance comes into a state that somebody should know of, and when that is over: once each.

A failed run could not tell somebody; the next one tries again. docs/alerts.md says more.
"""


def watch_dag() -> DAG:
    """One for the fleet."""
    with fleet_dag(
        WATCH_DAG, "Tell who must know what is wrong with any instance", _OFTEN, _DOC
    ) as dag:
        task(task_id="watch", max_active_tis_per_dag=1)(watch_tasks.watch)()
    return dag
