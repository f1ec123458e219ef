"""One policy on one cluster: the unit that is scheduled, stored, restored and reported on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lifeboat.policy.model import ClusterEntry, Policy, VaultEntry
from lifeboat.policy.rules import Retention


@dataclass(frozen=True)
class CopyPlace:
    """A further vault that gets the points of an instance, and which of them stay there."""

    vault: VaultEntry
    retention: Retention


@dataclass(frozen=True)
class Instance:
    """A policy with the cluster and the vault it names.

    `policy_text` is the file as it was read, `policy_digest` its `sha256:<hex>`; both go into every
    point. `source` is the file below the include folder, such as `policies/shop.yaml`.
    `stands_by_for`: the id of the instance whose standby this one's points are of.
    """

    policy: Policy
    cluster: ClusterEntry
    vault: VaultEntry
    policy_text: str
    policy_digest: str
    source: str
    copies: tuple[CopyPlace, ...] = ()
    stands_by_for: str = ""

    def at(self, place: CopyPlace) -> Instance:
        """The instance as it is kept in a copy: that vault, and the retention there."""
        policy = self.policy.model_copy(update={"retention": place.retention})
        return replace(self, policy=policy, vault=place.vault, copies=())

    @property
    def id(self) -> str:
        """`<policy>.<cluster>`: both are without dots, so it can be taken apart again."""
        return f"{self.policy.name}.{self.cluster.name}"

    @property
    def standby_id(self) -> str:
        """The id of the points that are captured in its standby; empty without one."""
        standby = self.policy.standby
        return f"{self.policy.name}.{standby.cluster}" if standby else ""

    @property
    def has_context(self) -> bool:
        """Whether a point has something beside it that is no object of the cluster."""
        return self.cluster.aks is not None or self.policy.image_check is not None

    @property
    def backup_dag(self) -> str:
        """The id of the Airflow DAG that backs this instance up."""
        return f"backup.{self.id}"

    @property
    def test_restore_dag(self) -> str:
        """The id of the Airflow DAG that test-restores this instance."""
        return f"test_restore.{self.id}"

    @property
    def standby_dag(self) -> str:
        """The id of the Airflow DAG that brings this instance's points to its standby."""
        return f"standby.{self.id}"

    @property
    def upkeep_dag(self) -> str:
        """The id of the Airflow DAG that keeps this instance's part of the vault in order."""
        return f"upkeep.{self.id}"
