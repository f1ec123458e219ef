"""Which DAGs a file of dags/ declares. A task's start builds only its own DAG, from its own policy.

A broken policy is left out here, so that it takes no other down, and raised by `lint`, whose file
declares no DAG. Each kind of DAG is imported by the function that builds it: a task's process reads
the file anew, and pays for what it imports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from airflow.sdk import DAG, get_parsing_context

from lifeboat.errors import PolicyError
from lifeboat.policy.folder import include_folder
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import load_alerts, load_include, load_instance, standing_clusters
from lifeboat.policy.model import ClusterEntry, ClustersFile

Dags = dict[str, DAG]
"""By DAG id; a file of dags/ puts them into its globals, where Airflow finds them."""


def backup_dags() -> Dags:
    """One for each instance."""
    from lifeboat.pipeline.backup_dag import backup_dag

    return _each(_instances("backup."), backup_dag)


def test_restore_dags() -> Dags:
    """One for each instance whose policy has `testRestore`."""
    from lifeboat.pipeline.proof_dag import test_restore_dag

    return _each(
        (instance for instance in _instances("test_restore.") if instance.policy.test_restore),
        test_restore_dag,
    )


test_restore_dags.__test__ = False  # type: ignore[attr-defined]  # no test case, whatever its name


def standby_dags() -> Dags:
    """One for each instance whose policy has `standby`, unless the entry of its cluster is wrong:
    lint tells that."""
    from lifeboat.pipeline.standby_dag import standby_dag

    found = [one for one in _instances("standby.") if one.policy.standby]
    entries = _standby_entries(found)
    there = [one for one in found if one.id in entries]
    return _each(there, lambda one: standby_dag(one, entries[one.id]))


def takeover_dags() -> Dags:
    """The failover and the failback DAG, or none where no policy has a standby."""
    from lifeboat.pipeline.takeover_dag import failback_dag, failover_dag

    found = load_include(include_folder()).instances
    instances = [one.id for one in found if one.policy.standby]
    made = (failover_dag(instances), failback_dag(instances)) if instances else ()
    return {dag.dag_id: dag for dag in made}


def upkeep_dags() -> Dags:
    """One for each instance."""
    from lifeboat.pipeline.upkeep_dag import upkeep_dag

    found = list(_instances("upkeep."))
    entries = _standby_entries(found)
    return _each(found, lambda one: upkeep_dag(one, entries.get(one.id)))


def restore_dags() -> Dags:
    """The one restore DAG, or none where nothing is protected. Its form offers what there is."""
    from lifeboat.pipeline.frame import RESTORE_DAG
    from lifeboat.pipeline.restore_dag import restore_dag

    found = load_include(include_folder())
    if not found.instances:
        return {}
    instances = [instance.id for instance in found.instances]
    clusters = sorted(cluster.name for cluster in found.clusters.clusters)
    return {RESTORE_DAG: restore_dag(instances, clusters)}


def replay_dags() -> Dags:
    """The one replay DAG, or none where nothing is protected."""
    from lifeboat.pipeline.frame import REPLAY_DAG
    from lifeboat.pipeline.replay_dag import replay_dag

    instances = [instance.id for instance in load_include(include_folder()).instances]
    return {REPLAY_DAG: replay_dag(instances)} if instances else {}


def drills_dags() -> Dags:
    """The one drills DAG, or none where no policy asks for drills."""
    from lifeboat.pipeline.drills_dag import drills_dag
    from lifeboat.pipeline.frame import DRILLS_DAG

    for instance in load_include(include_folder()).instances:
        if instance.policy.test_restore and instance.policy.test_restore.within:
            return {DRILLS_DAG: drills_dag()}
    return {}


def discover_dags() -> Dags:
    """The one discover DAG, or none where clusters.yaml says nothing of it, or cannot be read: lint
    tells why."""
    from lifeboat.pipeline.discover_dag import discover_dag
    from lifeboat.pipeline.frame import DISCOVER_DAG

    discover = load_include(include_folder()).clusters.discover
    return {DISCOVER_DAG: discover_dag(discover.schedule)} if discover else {}


def watch_dags() -> Dags:
    """The one watch DAG, whatever is protected: what cannot be read is a reason to watch."""
    from lifeboat.pipeline.frame import WATCH_DAG
    from lifeboat.pipeline.watch_dag import watch_dag

    return {WATCH_DAG: watch_dag()}


def lint() -> None:
    """Raises PolicyError with everything that is wrong in the include folder."""
    problems = list(load_include(include_folder()).problems)
    try:
        load_alerts(include_folder())
    except PolicyError as error:
        problems += error.problems
    if problems:
        raise PolicyError(problems)


def _each(instances: Iterable[Instance], build: Callable[[Instance], DAG]) -> Dags:
    return {dag.dag_id: dag for dag in map(build, instances)}


def _standby_entries(instances: Iterable[Instance]) -> dict[str, ClusterEntry]:
    """The cluster that stands by, for each instance that has one with a sound entry, by its id."""
    wanted = {one.id: one.policy.standby.cluster for one in instances if one.policy.standby}
    clusters = standing_clusters(include_folder()) if wanted else ClustersFile()
    found = {instance: clusters.cluster(name) for instance, name in wanted.items()}
    return {instance: entry for instance, entry in found.items() if entry is not None}


def _instances(prefix: str) -> Iterable[Instance]:
    wanted = get_parsing_context().dag_id
    if wanted is None:
        return load_include(include_folder()).instances
    if not wanted.startswith(prefix):
        return ()
    return (load_instance(include_folder(), wanted.removeprefix(prefix)),)
