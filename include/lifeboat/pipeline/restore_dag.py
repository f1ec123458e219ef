"""The restore DAG and its form; and the phases that it shares with test restores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.sdk import DAG, Param, TriggerRule, task

from lifeboat.pipeline import restore_tasks
from lifeboat.pipeline.frame import BY_HAND, RESTORE_DAG, task_defaults
from lifeboat.pipeline.opening import SAME_CLUSTER
from lifeboat.pipeline.turns import RESTORE_TURN
from lifeboat.restore.request import MODES

_PHASES = ["prepare", "volumes", "resources", "ready"]
_INSTANCE = "{{ params.instance }}"
_CLUSTER = "{{ params.cluster }}"

_DOC = """\
Brings back a recovery point, or part of one.

1. **Trigger** it: choose the instance; everything else may stay as it is.
2. Not sure? Switch **dry run** on: the log of `plan` shows what would happen, nothing is changed.
3. `report` says what was restored. It fails, naming each thing, when something was not.

A restore never deletes anything, and never writes into a volume that exists. A failed task can be
cleared: the run goes on where it stopped. Without Airflow, `lifeboat restore` does the same from a
terminal with nothing but the vault and its key.
"""


def restore_dag(instances: Sequence[str], clusters: Sequence[str]) -> DAG:
    """One DAG for all instances (ids); `clusters` are the names that may be restored into."""
    with DAG(
        dag_id=RESTORE_DAG,
        description="Bring back a recovery point, or part of one",
        schedule=None,
        allowed_run_types=BY_HAND,
        is_paused_upon_creation=False,
        params=_form(instances, clusters),
        tags=["lifeboat", "restore"],
        doc_md=_DOC,
        default_args=task_defaults(RESTORE_TURN),
    ) as dag:
        planned: Any = task(task_id="plan")(restore_tasks.plan)(otherwise_skip=_PHASES)
        restore = planned[restore_tasks.RESTORE_KEY]
        prepared = task(task_id="prepare")(restore_tasks.prepare)(_INSTANCE, _CLUSTER, restore)
        ready = phases(_INSTANCE, _CLUSTER, restore, prepared)
        told = task(task_id="report", trigger_rule=TriggerRule.NONE_FAILED)(restore_tasks.report)(
            _INSTANCE, _CLUSTER
        )
        ready >> told
    return dag


def phases(instance: str, cluster: str, restore: Any, prepared: Any, *, proof: bool = False) -> Any:
    """volumes >> resources >> ready, after `prepared`; returns `ready`."""
    where: dict[str, Any] = {"instance": instance, "target": cluster, "restore": restore}
    volumes = restore_tasks.VolumesOperator(task_id="volumes", **where)
    applied = task(task_id="resources")(restore_tasks.resources)(instance, cluster, restore)
    ready = restore_tasks.ReadyOperator(task_id="ready", proof=proof, **where)
    prepared >> volumes >> applied >> ready
    return ready


def _form(instances: Sequence[str], clusters: Sequence[str]) -> dict[str, Param]:
    return {**_what(instances), **_how(clusters)}


def _what(instances: Sequence[str]) -> dict[str, Param]:
    section = "What to bring back"
    return {
        "instance": Param(
            type="string",
            enum=list(instances),
            title="Instance",
            description="The policy and the cluster whose point is restored.",
            section=section,
        ),
        "point": Param(
            "latest",
            type="string",
            title="Point",
            description="`latest` is the newest complete one. `lifeboat points` lists the others.",
            section=section,
        ),
        "before": Param(
            None,
            type=["null", "string"],
            format="date-time",
            title="Before",
            description="The newest complete point captured before this time: when you know since"
            " when things are broken. Leave `point` at `latest`.",
            section=section,
        ),
        "namespaces": _lines(
            "Namespaces", "One a line. Empty: every namespace of the point.", section
        ),
        "kinds": _lines(
            "Kinds", "One a line, such as `configmaps` or `deployments.apps`. Empty: all.", section
        ),
        "volumes": Param(
            True,
            type="boolean",
            title="Volumes",
            description="Bring claims back with their data. Off: missing claims are made empty.",
            section=section,
        ),
        "from_vault": Param(
            False,
            type="boolean",
            title="Volumes from the vault",
            description="Fill claims with the files that lie in the vault, even where a snapshot is"
            " there; without it only where none is.",
            section=section,
        ),
    }


def _how(clusters: Sequence[str]) -> dict[str, Param]:
    section = "Where and how"
    return {
        "mapping": _lines(
            "Rename namespaces",
            "One FROM=TO a line, such as `shop=shop-copy`: restores beside what is there.",
            section,
        ),
        "mode": Param(
            "skip",
            type="string",
            enum=list(MODES),
            values_display={
                "skip": "skip: leave objects that exist as they are",
                "merge": "merge: update objects that exist to the point's state",
            },
            title="Objects that exist",
            description="What is missing is made either way; volumes that exist are never touched.",
            section=section,
        ),
        "cluster": Param(
            SAME_CLUSTER,
            type="string",
            enum=[SAME_CLUSTER, *clusters],
            title="Cluster",
            description="`same` is the cluster that the point was captured from.",
            section=section,
        ),
        "dry_run": Param(
            False,
            type="boolean",
            title="Dry run",
            description="Only plan: the log of `plan` shows what would happen.",
            section=section,
        ),
    }


def _lines(title: str, description: str, section: str) -> Param:
    return Param(
        [],
        type=["null", "array"],
        items={"type": "string"},
        title=title,
        description=description,
        section=section,
    )
