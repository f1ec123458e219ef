"""The replay DAG: what other DAGs of the same Airflow wrote after a point is gone with its restore,
and written again by their runs of (point, now]."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Param, task

from lifeboat.pipeline import replay_tasks
from lifeboat.pipeline.frame import BY_HAND, REPLAY_DAG, task_defaults
from lifeboat.pipeline.turns import RESTORE_TURN
from lifeboat.policy.after import After

_DOC = """\
After a restore, have other DAGs of this Airflow write anew what is gone: every interval whose run
ended after the point was captured runs again, oldest first, one after the other, as a backfill of
each DAG. Runs that ended before are left alone. A DAG without a schedule of its own cannot be
backfilled and is named. docs/operations.md has more.
"""


def replay_dag(instances: list[str]) -> DAG:
    """The form offers the instances there are."""
    params: Any = {
        "instance": Param(
            instances[0], type="string", enum=instances, title="Instance", description="Which."
        ),
        "point": Param(
            "latest",
            type="string",
            title="Point",
            description="The point that was restored; `latest` is the newest complete one.",
        ),
        "dags": Param(
            type="array",
            items={"type": "string"},
            minItems=1,
            title="DAGs",
            description="Ids of the DAGs that write what was restored, one a line.",
        ),
        "connection": Param(
            After.model_fields["connection"].default,
            type="string",
            title="Connection",
            description="Of Airflow's REST API, of a user who may backfill these DAGs.",
        ),
    }
    wanted: Any = "{{ params.dags }}"  # a list, once it is rendered
    with DAG(
        dag_id=REPLAY_DAG,
        description="Have other DAGs run again from a restored point on",
        schedule=None,
        allowed_run_types=BY_HAND,
        is_paused_upon_creation=False,
        params=params,
        tags=["lifeboat", "replay"],
        doc_md=_DOC,
        render_template_as_native_obj=True,
        # A backfill that is asked for twice is refused.
        default_args={**task_defaults(RESTORE_TURN), "retries": 0},
    ) as dag:
        task(task_id="replay")(replay_tasks.replay)(
            instance="{{ params.instance }}",
            point="{{ params.point }}",
            dags=wanted,
            connection="{{ params.connection }}",
        )
    return dag
