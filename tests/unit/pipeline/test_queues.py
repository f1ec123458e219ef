"""The tasks of a cluster go to the queue of its workers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lifeboat.pipeline.backup_dag import backup_dag
from lifeboat.pipeline.proof_dag import test_restore_dag
from lifeboat.pipeline.upkeep_dag import upkeep_dag
from tests.support.world import POLICY, World


@pytest.mark.parametrize(("queue", "expected"), [("", "default"), ("west", "west")])
def test_every_task_of_a_cluster_is_in_its_queue(queue: str, expected: str) -> None:
    policy = f"{POLICY}testRestore: {{schedule: {{cron: 0 4 * * 0}}}}\n"
    found = World(policy=policy).context().instance
    one = replace(found, cluster=found.cluster.model_copy(update={"queue": queue}))
    dags = [backup_dag(one), test_restore_dag(one), upkeep_dag(one)]
    assert {task.queue for dag in dags for task in dag.tasks} == {expected}
