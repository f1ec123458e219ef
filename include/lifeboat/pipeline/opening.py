"""From what a task is told (ids, and what Airflow knows of the run) to what the engine takes.

Imports the engine's wiring inside functions: parsing a DAG must stay cheap.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from lifeboat.errors import LifeboatError, UsageError
from lifeboat.policy.folder import include_folder
from lifeboat.policy.load import standing_clusters
from lifeboat.policy.model import ClusterEntry
from lifeboat.policy.still import find_instance

if TYPE_CHECKING:
    from lifeboat.point.manifest import Run
    from lifeboat.policy.instance import Instance
    from lifeboat.policy.model import Policy
    from lifeboat.ports.flows import Flows
    from lifeboat.standby.sides import Sides
    from lifeboat.steps.context import AtCopy, Context
    from lifeboat.vault.vault import Vault

SAME_CLUSTER = "same"
ERROR_KEY = "error"
"""The XCom under which a failing task leaves its message, for the last task of the run."""

_TRIGGERS = {
    "scheduled": "scheduled",
    "backfill": "backfill",
    "asset_triggered": "asset",
}

_log = logging.getLogger("lifeboat")


def say(line: str) -> None:
    """A line of the task's log."""
    _log.info("%s", line)


def complain(line: str) -> None:
    """A line of the task's log that stands out, and that the UI's filter for errors leaves."""
    _log.error("%s", line)


def open_instance(instance: str, target: str = SAME_CLUSTER) -> Context:
    """The instance's context; `target` names another cluster of clusters.yaml to restore into.

    Raises UsageError, PolicyError, NotAVault, WrongKey, StoreUnavailable.
    """
    from lifeboat.pipeline.connections import AirflowConnections
    from lifeboat.wiring import open_context

    include = include_folder()
    entry: ClusterEntry | None = None
    if target != SAME_CLUSTER:
        clusters = standing_clusters(include)
        entry = clusters.cluster(target)
        if entry is None:
            known = ", ".join(cluster.name for cluster in clusters.clusters)
            raise UsageError(f"there is no cluster {target!r}", hint=f"clusters.yaml has {known}")
    return open_context(find_instance(include, instance), AirflowConnections(), target=entry)


def open_decided(instance: str, point: str, cluster: str, vault: str) -> Context:
    """The instance as a run of it began, by what that wrote into the vault: its file may be broken
    or gone. `cluster` and `vault` are names of clusters.yaml.

    Raises PolicyError, UsageError where clusters.yaml knows one of them no more, and what
    `open_instance` raises.
    """
    from lifeboat.pipeline.connections import AirflowConnections
    from lifeboat.point import layout
    from lifeboat.steps.as_decided import instance_of
    from lifeboat.steps.scope import Scope
    from lifeboat.wiring import open_context, unlock

    clusters, connections = standing_clusters(include_folder()), AirflowConnections()
    entry, place = clusters.cluster(cluster), clusters.vault(vault)
    if entry is None or place is None:
        missing = f"cluster {cluster}" if entry is None else f"vault {vault}"
        raise UsageError(f"clusters.yaml has no {missing} any more, which {instance} needs")
    opened = unlock(place, connections)
    scope = opened.get_document(layout.scope(instance, point), Scope)
    return open_context(instance_of(opened, scope, entry, place), connections)


def policies_on(cluster: str) -> list[Policy]:
    """All policies that are in force on a cluster."""
    from lifeboat.policy.load import load_include

    return load_include(include_folder()).policies_on(cluster)


def open_flows(opened: Context) -> Flows:
    """The Airflow whose DAGs the policy's `quiesce` names."""
    wanted = opened.instance.policy.quiesce
    assert wanted is not None  # the graph has no such task otherwise
    return open_flows_of(wanted.connection)


def open_sides(instance: str) -> Sides:
    """The two clusters of an instance's standby. Raises UsageError where it has none."""
    from lifeboat.pipeline.connections import AirflowConnections
    from lifeboat.standby.sides import wanted_of
    from lifeboat.wiring import open_sides as opened

    include = include_folder()
    found = find_instance(include, instance)
    wanted = wanted_of(found).cluster
    entry = standing_clusters(include).cluster(wanted)
    if entry is None:  # a cluster that is not named at all: the policy was refused
        raise UsageError(
            f"the entry of cluster {wanted} in clusters.yaml is wrong",
            hint="`lifeboat policy check` tells what is wrong with it",
        )
    return opened(found, entry, AirflowConnections(), include)


def open_flows_of(connection: str) -> Flows:
    """The Airflow behind a connection of type http."""
    from lifeboat.adapters.flows_airflow import AirflowFlows
    from lifeboat.pipeline.connections import AirflowConnections

    return AirflowFlows(AirflowConnections().airflow(connection))


def open_vault(instance: str) -> tuple[Instance, Vault]:
    """An instance and its vault; no cluster is asked for."""
    from lifeboat.pipeline.connections import AirflowConnections
    from lifeboat.wiring import unlock

    found = find_instance(include_folder(), instance)
    return found, unlock(found.vault, AirflowConnections())


def open_copies(instance: str, vault: str = "") -> tuple[Vault, list[AtCopy]]:
    """The instance's own vault and its copies, or the one in the vault of this name. No cluster is
    asked for."""
    from lifeboat.pipeline.connections import AirflowConnections
    from lifeboat.wiring import open_copy, unlock

    found, connections = find_instance(include_folder(), instance), AirflowConnections()
    places = [place for place in found.copies if vault in ("", place.vault.name)]
    first = unlock(found.vault, connections, read_only=True)
    return first, [open_copy(found, place, connections) for place in places]


def run_of(dag_run: Any) -> Run:
    """Who asked for a point. The logical date may be missing, and is no tick in manual runs."""
    from lifeboat.clock import rfc3339
    from lifeboat.point.manifest import Run

    trigger = _TRIGGERS.get(str(dag_run.run_type.value), "manual")
    ticked = trigger in ("scheduled", "backfill") and dag_run.logical_date is not None
    tick = rfc3339(dag_run.logical_date) if ticked else ""
    return Run(run_id=dag_run.run_id, trigger=trigger, scheduled_for=tick, dag=dag_run.dag_id)


def this_run() -> Run:
    """The run that this task is part of."""
    return run_of(get_current_context()["dag_run"])


@contextmanager
def leaving_errors() -> Iterator[None]:
    """Leaves the message of an error for the run's last task. Messages hold no secrets (errors)."""
    try:
        yield
    except LifeboatError as error:
        get_current_context()["ti"].xcom_push(key=ERROR_KEY, value=error.message)
        raise


def pull(task: str, key: str = "return_value") -> Any:
    """What a task of this run left; None when it left nothing."""
    found = get_current_context()["ti"].xcom_pull(task_ids=task, key=key, map_indexes=None)
    return found if found != [] else None


def skip_if_stored(opened: Context, point: str) -> None:
    """What is stored is not added to: nothing is stilled or snapshotted for it once more because a
    task of its run was cleared. Raises AirflowSkipException."""
    from lifeboat.point import layout

    if opened.vault.store.stat(layout.manifest(opened.instance.id, point)) is not None:
        told = f"point {point} is stored and stays as it is"
        say(told)  # Airflow logs that a task was skipped, and not why
        raise AirflowSkipException(told)


def errors_of(dag_tasks: list[str]) -> list[str]:
    """The messages that failed tasks of this run left, each with the task's name."""
    ti = get_current_context()["ti"]
    told = []
    for task in dag_tasks:
        found = ti.xcom_pull(task_ids=task, key=ERROR_KEY)
        messages = found if isinstance(found, list) else [found]
        told += [f"{task}: {message}" for message in messages if message]
    return told
