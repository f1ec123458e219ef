"""The tasks of a run together have no more requests open than the policy allows."""

from __future__ import annotations

import pytest

from lifeboat.pipeline.backup_dag import backup_dag
from tests.support.world import POLICY, World


@pytest.mark.parametrize(("limit", "dumps"), [(1, 1), (4, 1), (8, 2), (32, 8)])
def test_of_the_tasks_of_a_run(limit: int, dumps: int) -> None:
    """Each dump has up to four requests open, each batch of snapshots as many."""
    world = World(policy=f"{POLICY}requestsInFlight: {limit}\n")
    dag = backup_dag(world.context().instance)
    assert dag.get_task("dump").max_active_tis_per_dagrun == dumps
    assert dag.get_task("snapshot").max_active_tis_per_dagrun == dumps


@pytest.mark.parametrize("hooks", ["podHooks: {enabled: false}", "podHooks: {enabled: true}"])
@pytest.mark.parametrize("task", ["snapshot", "settle"])
def test_dumps_are_over_before_snapshots_begin(hooks: str, task: str) -> None:
    """Each keeps to the limit by itself, so both at once would have twice as many."""
    dag = backup_dag(World(policy=f"{POLICY}{hooks}\n").context().instance)
    assert "dump" in dag.get_task(task).get_flat_relative_ids(upstream=True)
