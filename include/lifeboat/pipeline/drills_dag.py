"""The drills DAG: each day it starts the test restores of the instances that are due, a few."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param, get_current_context, task

from lifeboat.pipeline.frame import BY_HAND_OR_SCHEDULE, DRILLS_DAG, task_defaults, timetable
from lifeboat.pipeline.turns import DRILLS_TURN
from lifeboat.policy.schedule import Schedule

_DAILY = Schedule(cron="0 5 * * *")
_AT_MOST = 4

_DOC = """\
Proves points all over the fleet, so that each instance whose policy says `testRestore.within` is
proven at least that often. Each day those that used up most of their time are chosen, at most so
many as the form says; `prove` starts their test restores and does not wait for them.

`lifeboat coverage` tells which instances are proven in time. When some are late, raise **at most**.
"""


def drills_dag() -> DAG:
    """One for the fleet."""
    at_most = Param(
        _AT_MOST,
        type="integer",
        minimum=1,
        title="At most",
        description="How many test restores a day. Each restores a whole point.",
    )
    with DAG(
        dag_id=DRILLS_DAG,
        description="Start the test restores that are due today",
        schedule=timetable(_DAILY, DRILLS_DAG),
        catchup=False,
        max_active_runs=1,
        allowed_run_types=BY_HAND_OR_SCHEDULE,
        is_paused_upon_creation=False,
        params={"at_most": at_most},
        tags=["lifeboat", "test-restore"],
        doc_md=_DOC,
        default_args=task_defaults(DRILLS_TURN),
    ) as dag:
        due: Any = task(task_id="due")(choose_due)()
        TriggerDagRunOperator.partial(
            task_id="prove", reset_dag_run=False, skip_when_already_exists=True
        ).expand_kwargs(due)
    return dag


def choose_due() -> list[dict[str, str]]:
    """The runs to start: DAG and run id, the same for a second attempt on the same day."""
    from lifeboat.clock import utc_now
    from lifeboat.errors import LifeboatError
    from lifeboat.pipeline.opening import complain, open_vault, say
    from lifeboat.policy.folder import include_folder
    from lifeboat.policy.load import load_include
    from lifeboat.proof.when import drill_of, due_today

    now, drills, dags = utc_now(), [], {}
    for found in load_include(include_folder()).instances:
        if found.policy.test_restore is None or found.policy.test_restore.within is None:
            continue
        try:
            _, vault = open_vault(found.id)
            drill = drill_of(vault, found)
        except LifeboatError as error:
            complain(f"{found.id} cannot be looked at: {error.message}")
            continue
        if drill is not None:
            drills.append(drill)
            dags[found.id] = found.test_restore_dag
    context = get_current_context()
    chosen = due_today(drills, now, int(context["params"]["at_most"]))
    say(f"due today: {', '.join(chosen) or 'nobody'}; {len(drills)} instances have drills")
    run = f"drill__{context['dag_run'].run_id}"
    return [{"trigger_dag_id": dags[one], "trigger_run_id": run} for one in chosen]
