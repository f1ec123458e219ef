"""A backup policy, as a person writes it: what to protect, when, how long, and how to prove it.

Each field says in its description what it means, its unit, its default and why; the JSON Schema,
docs/policy.md and the error messages come from here. Nothing here reads a file or a cluster.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.after import BackupSchedule
from lifeboat.policy.copies import Copy, settled
from lifeboat.policy.fields import (
    Criticality,
    Duration,
    Name,
    Strict,
    format_duration,
    refuse,
    unique,
)
from lifeboat.policy.hooks import Hooks, PodHooks
from lifeboat.policy.images import ImageCheck
from lifeboat.policy.places import ClusterEntry, ClustersFile, VaultEntry, VolumeReaderEntry
from lifeboat.policy.proof import TestRestore
from lifeboat.policy.quiet import Quiesce
from lifeboat.policy.recovery import Recovery
from lifeboat.policy.residency import Residency
from lifeboat.policy.restore_hooks import RestoreHooks
from lifeboat.policy.rules import Keep, Retention
from lifeboat.policy.schedule import Schedule
from lifeboat.policy.select import SYSTEM_NAMESPACES, KindSelect, NamespaceSelect, Select
from lifeboat.policy.standby import Standby
from lifeboat.policy.volumes import Volumes

__all__ = [
    "SYSTEM_NAMESPACES",
    "ClusterEntry",
    "ClustersFile",
    "Copy",
    "Keep",
    "KindSelect",
    "NamespaceSelect",
    "Objectives",
    "Policy",
    "Retention",
    "Schedule",
    "Select",
    "TestRestore",
    "Upkeep",
    "VaultEntry",
    "VolumeReaderEntry",
    "Volumes",
]


_DERIVED = timedelta(0)  # stands for "no rpo written"; never a valid duration
_SLACK = timedelta(hours=1)
_REQUESTS_A_DUMP = 4  # one process packs what so many lists bring; more of them would only wait


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default")


class Objectives(Strict):
    """What the owner of the application needs."""

    rpo: Duration = Field(
        default=_DERIVED,
        description="Recovery point objective, a duration such as 5h: how old the newest good"
        " point may become before the instance is late. Default: the longest wait of the schedule"
        " plus 1h, or what noPointOlderThan says. A shorter one than that longest wait is refused."
        " Required without a schedule that has a time.",
        examples=["5h"],
        json_schema_extra=_without_default,
    )
    rto: Duration = Field(
        default=timedelta(hours=1),
        description="Recovery time objective, a duration such as 15m: how long a restore may take."
        " Test restores are measured against it. Default 1h.",
        examples=["15m"],
    )


class Upkeep(Strict):
    """Keeps the instance's part of the vault in order: removes what crashes left behind, reads
    points again to find damage, removes expired points."""

    schedule: Schedule = Field(
        default=Schedule(cron="30 3 * * 0"),
        description="When it runs by itself. Default once a week, in the night to Sunday at 03:30"
        " UTC.",
    )
    scrub: str = Field(
        default="10%",
        pattern=r"^([1-9][0-9]?|100)%$",
        description="How much of the stored data each run reads again, 1% to 100%. Runs in a row"
        " read different parts: with 10%, ten of them read everything. Default 10%.",
        examples=["25%"],
    )

    @property
    def scrub_percent(self) -> int:
        """`scrub` as a number from 1 to 100."""
        return int(self.scrub.removesuffix("%"))


class Policy(Strict):
    """One backup policy: a file in include/policies/. Each cluster it names becomes one instance,
    called `<policy>.<cluster>`."""

    name: Name = Field(
        description="What the policy is called: 1 to 40 of a-z, 0-9 and -, unique among all files."
        " Default: the file's name without its ending.",
        examples=["shop"],
        json_schema_extra={"x-default": "the file's name"},
    )
    description: str = Field(
        default="",
        description="A line for people, shown in the UI. Default empty.",
        examples=["The web shop: orders, stock and payments"],
    )
    preset: str = Field(
        default="",
        pattern=r"^([a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?)?$",
        description="A preset of presets.yaml that lies under this policy: what the policy writes"
        " itself wins, key by key; lists are not joined. Default empty: none.",
    )
    clusters: Annotated[tuple[str, ...], AfterValidator(unique)] = Field(
        default=(),
        min_length=1,
        description="The clusters to protect, by their names in clusters.yaml. Default none: those"
        " of clusterLabels. One of the two is required.",
        examples=[["local"]],
    )
    cluster_labels: dict[str, str] = Field(
        default_factory=dict,
        description="Protect every cluster of clusters.yaml that has all these labels, besides"
        " those of `clusters`: a new one is protected at the next parse. Default none.",
        examples=[{"environment": "production"}],
    )
    vault: str = Field(
        default="main",
        description="The vault that keeps the points, by its name in clusters.yaml. Default main.",
        examples=["main"],
    )
    schedule: BackupSchedule | None = Field(
        default=None, description="When backups run by themselves. Default none: only on demand."
    )
    criticality: Criticality = Field(
        default="normal",
        description="Whose backups go first when Airflow has more tasks than it may run: critical,"
        " high, normal, low; among equals the shorter rpo. Restores go before all of them. Default"
        " normal.",
        examples=["high"],
    )
    objectives: Objectives = Field(
        default_factory=Objectives,
        description="How much may be lost and how long a restore may take.",
    )
    select: Select = Field(
        default_factory=Select,
        description="What is protected. Default every namespace but system ones, every kind.",
    )
    requests_in_flight: int = Field(
        default=8,
        ge=1,
        le=64,
        description="How many requests a backup may have open to the API server at once, 1 to 64,"
        " however many tasks it has. Default 8: fewer than a person's own kubectl would be delayed"
        " by (an API server serves 600 by default).",
        examples=[8],
    )
    volumes: Volumes = Field(
        default_factory=Volumes,
        description="What happens to volumes. Default: snapshots of all, and a volume that cannot"
        " be snapshotted fails the run.",
    )
    hooks: Hooks = Field(
        default=(),
        description="What to still around the snapshots, one after the other in this order, across"
        " namespaces, so that they are consistent for the application; it thaws the other way round"
        " (docs/hooks.md). Default none: snapshots are as after a power cut.",
    )
    pod_hooks: PodHooks = Field(
        default_factory=PodHooks,
        description="Hooks that pods ask for themselves. They freeze last and thaw first. Default:"
        " they count.",
    )
    max_freeze: Duration = Field(
        default=timedelta(minutes=5),
        description="How long hooks may keep things still, from the first of them on: then all"
        " thaws, and the point names the volumes that were not cut by then. A snapshot is waited"
        " for until it is cut, not until it is ready. Default 5m: longer than a cut takes, shorter"
        " than most clients wait.",
        examples=["2m"],
    )
    restore_hooks: RestoreHooks = Field(
        default_factory=RestoreHooks,
        description="What a restore does beside creating objects. Default: only what pods ask for"
        " by Velero's annotations.",
    )
    quiesce: Quiesce | None = Field(
        default=None,
        description="Other DAGs to wait for, or to pause, before the snapshots. Default none.",
    )
    retention: Retention = Field(description="How many points stay.")
    copies: tuple[Copy, ...] = Field(
        default=(),
        description="Further vaults that every point goes to, each with a retention of its own."
        " Default none: whoever loses the vault loses every point.",
    )
    test_restore: TestRestore | None = Field(
        default=None,
        description="How points are proven. Default none: points of this policy are hopes.",
    )
    restore: Recovery = Field(
        default_factory=Recovery, description="How points may be restored. Default: by anybody."
    )
    standby: Standby | None = Field(
        default=None,
        description="A second cluster that is kept at the newest point, ready to take over"
        " (docs/standby.md). Default none.",
    )
    residency: Residency | None = Field(
        default=None,
        description="Where copies may lie: the cluster with its snapshots, the vault, and the"
        " cluster of a restore. Default none: everywhere.",
    )
    image_check: ImageCheck | None = Field(
        default=None,
        description="Whether registries are asked if every image of a point can still be had, and"
        " who asks. Default none: Lifeboat talks to no registry.",
    )
    upkeep: Upkeep = Field(
        default_factory=Upkeep,
        description="How often the vault is put in order and read again. Default once a week, a"
        " tenth of the data each time.",
    )

    @property
    def rhythm(self) -> BackupSchedule | None:
        """The schedule if it has ticks; one that only comes after something else has none."""
        return self.schedule if self.schedule and self.schedule.timed else None

    @property
    def max_lag(self) -> timedelta | None:
        """How old the standby's point may become; None without a standby."""
        return (self.standby.max_lag or 2 * self.objectives.rpo) if self.standby else None

    @property
    def requests_a_dump(self) -> int:
        """Requests that the dump of one shard has open at once."""
        return min(_REQUESTS_A_DUMP, self.requests_in_flight)

    @property
    def may_freeze(self) -> bool:
        """Whether anything can be stilled around the snapshots, or is captured while it is."""
        captured = self.test_restore is not None and bool(self.test_restore.captured)
        return bool(self.hooks) or self.pod_hooks.enabled or captured

    @property
    def dumps_at_once(self) -> int:
        """How many shards may be dumped at once, so that all have no more requests open than the
        policy allows."""
        return self.requests_in_flight // self.requests_a_dump

    @model_validator(mode="after")
    def _some_clusters(self) -> Policy:
        if not self.clusters and not self.cluster_labels:
            raise refuse("clusters, clusterLabels or both", found="neither", at=("clusters",))
        return self

    @model_validator(mode="after")
    def _objectives_fit_schedule(self) -> Policy:
        rpo = self.objectives.rpo
        if self.rhythm is None:
            if rpo == _DERIVED:
                missing = "schedule" if self.schedule is None else "schedule that has a time"
                raise refuse(
                    "an rpo such as 24h: without a schedule there is no rhythm to derive it from",
                    found=f"no rpo and no {missing}",
                    at=("objectives", "rpo"),
                )
            return self
        gap = self.rhythm.gap
        if rpo == _DERIVED:
            allowed = gap.length + (self.rhythm.reserve or _SLACK)
            derived = Objectives(rpo=allowed, rto=self.objectives.rto)
            object.__setattr__(self, "objectives", derived)
        elif gap.length > rpo:
            raise refuse(
                f"at least {format_duration(gap.length)}, or a denser schedule:"
                f" {self.rhythm} leaves"
                f" {format_duration(gap.length)} between two runs (for example {gap.begin:%a %H:%M}"
                f" to {gap.end:%a %H:%M}), which is {format_duration(gap.length - rpo)} longer than"
                " the rpo",
                found=format_duration(rpo),
                at=("objectives", "rpo"),
            )
        return self

    @model_validator(mode="after")
    def _retention_fits_schedule(self) -> Policy:
        rules = self.retention
        if rules.on_demand is not None and self.schedule is None:
            raise refuse(
                "no onDemand: without a schedule every point is made on demand, and keep says which"
                " stay",
                found=str(rules.on_demand),
                at=("retention", "onDemand"),
            )
        if not rules.timezone:
            zone = self.schedule.timezone if self.schedule else "UTC"
            in_zone = rules.model_copy(update={"timezone": zone})
            object.__setattr__(self, "retention", in_zone)
        return self

    @model_validator(mode="after")
    def _copies_lie_elsewhere(self) -> Policy:
        scheduled = self.schedule is not None
        copies = settled(self.copies, self.vault, self.retention, scheduled=scheduled)
        object.__setattr__(self, "copies", copies)
        return self
