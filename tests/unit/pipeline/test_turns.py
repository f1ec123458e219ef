"""Who goes first where slots are short: restores, backups by criticality and RPO, the rest."""

from __future__ import annotations

from itertools import pairwise

from airflow.sdk import DAG

from lifeboat.pipeline.backup_dag import backup_dag
from lifeboat.pipeline.drills_dag import drills_dag
from lifeboat.pipeline.proof_dag import test_restore_dag
from lifeboat.pipeline.restore_dag import restore_dag
from lifeboat.pipeline.upkeep_dag import upkeep_dag
from lifeboat.policy.instance import Instance
from tests.support.world import POLICY, World


def instance(criticality: str, rpo: str) -> Instance:
    policy = POLICY.replace("rpo: 1h", f"rpo: {rpo}")
    extra = f"criticality: {criticality}\ntestRestore: {{schedule: {{cron: 0 4 * * 0}}}}\n"
    return World(policy=policy + extra).context().instance


def turn(dag: DAG) -> int:
    """The one weight that all tasks of a DAG have, which Airflow takes as it is."""
    assert {str(task.weight_rule) for task in dag.tasks} == {"absolute"}
    (found,) = {task.priority_weight for task in dag.tasks}
    return int(found)


def test_the_order() -> None:
    hourly, daily = instance("normal", "1h"), instance("normal", "1d")
    critical, low = instance("critical", "1d"), instance("low", "1m")
    order = [
        restore_dag([hourly.id], ["local"]),
        backup_dag(critical),
        backup_dag(hourly),
        backup_dag(daily),
        backup_dag(low),
        test_restore_dag(critical),
        test_restore_dag(low),
        upkeep_dag(critical),
        upkeep_dag(low),
    ]
    turns = [turn(dag) for dag in order]
    assert all(before > after for before, after in pairwise(turns)), turns
    assert turns[-1] > 0
    assert turns[0] < 2**31  # what the metadata database keeps
    assert turn(drills_dag()) <= turn(test_restore_dag(low))


def test_the_shortest_and_the_longest_rpo_stay_within_their_criticality() -> None:
    turns = [
        turn(backup_dag(instance(criticality, rpo)))
        for criticality in ("low", "normal", "high", "critical")
        for rpo in ("3000d", "1m")
    ]
    assert all(before < after for before, after in pairwise(turns)), turns
