"""Tasks take as many slots of the asked-for pool as they have requests open, and of no other."""

from __future__ import annotations

from dataclasses import replace

from lifeboat.pipeline.backup_dag import backup_dag
from lifeboat.pipeline.proof_dag import test_restore_dag
from lifeboat.pipeline.restore_dag import restore_dag
from lifeboat.pipeline.upkeep_dag import upkeep_dag
from lifeboat.policy.azure import AzureEntry
from lifeboat.policy.instance import Instance
from lifeboat.policy.pools import Pool
from tests.support.world import POLICY, World

AZURE = AzureEntry(
    subscription="11111111-2222-3333-4444-555555555555",
    location="westeurope",
    node_resource_group="MC_shop",
    snapshot_resource_group="snapshots",
    pool=Pool(slots=8),
)
DISKS = "lifeboat-disks-11111111-2222-3333-4444-555555555555-westeurope"
CLUSTER = "lifeboat-cluster-local"
COPIED = """\
volumes:
  mode: azure
  azure: {copies: [{region: northeurope, resourceGroup: north, keep: {last: 1}}]}
"""


def instance(
    policy: str = POLICY, pool: int | None = 16, azure: AzureEntry | None = None
) -> Instance:
    found = World(policy=policy).context().instance
    entry = found.cluster.model_copy(
        update={"pool": Pool(slots=pool) if pool else None, "azure": azure}
    )
    return replace(found, cluster=entry)


def pools(found: Instance) -> dict[str, tuple[str, int]]:
    tasks = [*backup_dag(found).tasks, *upkeep_dag(found).tasks]
    return {
        task.task_id: (task.pool, task.pool_slots) for task in tasks if task.pool != "default_pool"
    }


def test_without_a_pool_in_clusters_yaml_nothing_can_hang_for_one() -> None:
    assert pools(instance(pool=None)) == {}


def test_who_talks_much_to_the_api_server_takes_slots() -> None:
    assert pools(instance()) == {"dump": (CLUSTER, 4), "snapshot": (CLUSTER, 4)}
    narrow = instance(f"{POLICY}requestsInFlight: 2\n")
    assert pools(narrow) == {"dump": (CLUSTER, 2), "snapshot": (CLUSTER, 2)}


def test_disks_of_azure_have_a_pool_of_their_own() -> None:
    assert pools(instance(POLICY + COPIED, azure=AZURE)) == {
        "dump": (CLUSTER, 4),
        "snapshot": (DISKS, 4),
        "copy_regions": (DISKS, 1),
    }
    assert pools(instance(azure=AZURE))["snapshot"] == (CLUSTER, 4)


def test_restores_and_test_restores_never_wait_for_a_slot_that_backups_have() -> None:
    found = instance(f"{POLICY}testRestore: {{schedule: {{cron: 0 4 * * 0}}}}\n", azure=AZURE)
    both = [restore_dag([found.id], ["local"]), test_restore_dag(found)]
    assert {task.pool for dag in both for task in dag.tasks} == {"default_pool"}
