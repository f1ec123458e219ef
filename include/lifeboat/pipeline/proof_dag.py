"""The test-restore DAG of one instance: into scratch namespaces, checked, judged, torn down,
reported."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, Param, TriggerRule, task

from lifeboat.pipeline import proof_tasks
from lifeboat.pipeline.backup_dag import after_points
from lifeboat.pipeline.frame import (
    ANY_RUN,
    documentation,
    tags,
    task_defaults,
    task_limit,
)
from lifeboat.pipeline.opening import SAME_CLUSTER
from lifeboat.pipeline.restore_dag import phases
from lifeboat.pipeline.turns import proof_turn
from lifeboat.policy.instance import Instance

_SKIPPED = [
    "scratch", "volumes", "resources", "hooks", "ready", "checks", "verdict", "tear_down",
]  # fmt: skip


def proof_asset(instance: Instance) -> Asset:
    """What `verdict` updates when a point is proven."""
    return Asset(
        name=f"lifeboat/{instance.id}/proof",
        uri=f"x-lifeboat://{instance.vault.name}/{instance.id}/proof",
        group="proof",
    )


def test_restore_dag(instance: Instance) -> DAG:
    """For a policy that has `testRestore`."""
    test_restore = instance.policy.test_restore
    assert test_restore is not None
    point = Param(
        "latest",
        type="string",
        title="Point",
        description="The point to prove; `latest` is the newest complete one.",
    )
    with DAG(
        dag_id=instance.test_restore_dag,
        description=f"Prove that points of {instance.id} can be restored",
        schedule=after_points(instance, test_restore.schedule, test_restore.every_points),
        catchup=False,
        max_active_runs=1,
        allowed_run_types=ANY_RUN,
        is_paused_upon_creation=False,
        params={"point": point},
        tags=tags(instance, "test-restore"),
        doc_md=documentation(instance),
        default_args={
            **task_defaults(proof_turn(instance), instance.cluster.queue),
            **task_limit(test_restore.timeout * 2 + instance.policy.objectives.rto),
        },
    ) as dag:
        _build(instance, test_restore.cluster or SAME_CLUSTER)
    return dag


test_restore_dag.__test__ = False  # type: ignore[attr-defined]  # no test case, whatever its name


def _build(instance: Instance, cluster: str) -> None:
    chosen: Any = task(task_id="choose")(proof_tasks.choose)(
        instance=instance.id, point="{{ params.point }}", otherwise_skip=_SKIPPED
    )
    test = chosen[proof_tasks.TEST_KEY]
    scratch = task(task_id="scratch")(proof_tasks.scratch)(
        instance.id, cluster, chosen[proof_tasks.POINT_KEY], test
    )
    ready = phases(instance.id, cluster, test, scratch, proof=True)
    checked = task(task_id="checks")(proof_tasks.checks)(instance.id, cluster, test)
    torn_down = task(task_id="tear_down", retries=5)(proof_tasks.tear_down)(
        instance.id, cluster, test
    )
    judged = _verdict(instance, cluster)
    ready >> checked >> judged >> torn_down
    torn_down.as_teardown(setups=chosen)
    # A teardown as the last task would be the run's state, whatever the verdict was.
    told = task(task_id="report", trigger_rule=TriggerRule.ALL_DONE)(proof_tasks.report)()
    [judged, torn_down] >> told


def _verdict(instance: Instance, cluster: str) -> Any:
    asset = proof_asset(instance)

    @task(task_id="verdict", outlets=[asset], trigger_rule=TriggerRule.ALL_DONE)
    def verdict(instance: str, cluster: str, *, outlet_events: Any = None) -> Any:
        return proof_tasks.verdict(instance, cluster, outlet_events, asset)

    return verdict(instance.id, cluster)
