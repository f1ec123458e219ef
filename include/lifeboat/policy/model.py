"""A backup policy, as a person writes it: what to protect, when, how long, and how to prove it.

Each field says in its description what it means, its unit, its default and why; the JSON Schema,
docs/policy.md and the error messages come from here. Nothing here reads a file or a cluster.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from lifeboat.policy.fields import (
    Duration,
    Name,
    Strict,
    Switch,
    format_duration,
    refuse,
    unique,
)
from lifeboat.policy.hooks import Exec, Hook, Scale
from lifeboat.policy.places import ClusterEntry, ClustersFile, VaultEntry, VolumeReaderEntry
from lifeboat.policy.rules import Keep, Retention
from lifeboat.policy.schedule import Schedule
from lifeboat.policy.select import SYSTEM_NAMESPACES, KindSelect, NamespaceSelect, Select

__all__ = [
    "CHECKS",
    "SYSTEM_NAMESPACES",
    "Check",
    "ClusterEntry",
    "ClustersFile",
    "Exec",
    "Hook",
    "Keep",
    "KindSelect",
    "NamespaceSelect",
    "Objectives",
    "Policy",
    "Retention",
    "Scale",
    "Schedule",
    "Select",
    "TestRestore",
    "Upkeep",
    "VaultEntry",
    "VolumeReaderEntry",
    "Volumes",
]

Check = Literal["workloadsReady", "objectsComplete", "volumeBytesEqual"]
CHECKS: tuple[Check, ...] = ("workloadsReady", "objectsComplete", "volumeBytesEqual")

_DERIVED = timedelta(0)  # stands for "no rpo written"; never a valid duration
_SLACK = timedelta(hours=1)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default")


class Objectives(Strict):
    """What the owner of the application needs."""

    rpo: Duration = Field(
        default=_DERIVED,
        description="Recovery point objective, a duration such as 5h: how old the newest good"
        " point may become before the instance is late. Default: the longest wait of the schedule"
        " plus 1h. A shorter one than that longest wait is refused. Required without a schedule.",
        examples=["5h"],
        json_schema_extra=_without_default,
    )
    rto: Duration = Field(
        default=timedelta(hours=1),
        description="Recovery time objective, a duration such as 15m: how long a restore may take."
        " Test restores are measured against it. Default 1h.",
        examples=["15m"],
    )


class Volumes(Strict):
    """What happens to the data of persistent volumes."""

    snapshot: Switch = Field(
        default=True,
        description="Whether to take CSI snapshots of the selected volume claims. Default true.",
    )
    on_unprotected: Literal["fail", "warn"] = Field(
        default="fail",
        description="What a volume that cannot be snapshotted means. fail: the point is incomplete"
        " and the run fails; warn: the point is good and names the volume. Default fail, because a"
        " backup without its data is found out too late.",
    )
    snapshot_class: str = Field(
        default="",
        pattern=r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$",
        description="The VolumeSnapshotClass to use. Default empty: the default class of each"
        " volume's driver.",
        examples=["csi-azuredisk-snapshots"],
    )
    timeout: Duration = Field(
        default=timedelta(minutes=10),
        description="How long to wait until all snapshots are ready to use, a duration."
        " Default 10m, as the CSI snapshot time-out of Velero.",
        examples=["30m"],
    )


class TestRestore(Strict):
    """Restores the newest good point into scratch namespaces, checks it, and tears it down."""

    __test__ = False  # not a test case, whatever its name suggests to pytest

    schedule: Schedule | None = Field(
        default=None, description="When it runs by itself. Default none: only when triggered."
    )
    checks: tuple[Check, ...] = Field(
        default=CHECKS,
        min_length=1,
        description="What must hold before the point counts as proven: workloadsReady (pods come"
        " up), objectsComplete (every object of the point is there), volumeBytesEqual (volume bytes"
        " equal the snapshot's; needs the cluster's volumeReader). Default all three.",
        examples=[list(CHECKS)],
    )
    timeout: Duration = Field(
        default=timedelta(minutes=15),
        description="How long the restored workloads may take to become ready, a duration."
        " Default 15m.",
        examples=["15m"],
    )

    @field_validator("checks")
    @classmethod
    def _each_once(cls, checks: tuple[Check, ...]) -> tuple[Check, ...]:
        return unique(checks)


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
    clusters: Annotated[tuple[str, ...], AfterValidator(unique)] = Field(
        min_length=1,
        description="The clusters to protect, by their names in clusters.yaml.",
        examples=[["local"]],
    )
    vault: str = Field(
        default="main",
        description="The vault that keeps the points, by its name in clusters.yaml. Default main.",
        examples=["main"],
    )
    schedule: Schedule | None = Field(
        default=None, description="When backups run by themselves. Default none: only on demand."
    )
    objectives: Objectives = Field(
        default_factory=Objectives,
        description="How much may be lost and how long a restore may take.",
    )
    select: Select = Field(
        default_factory=Select,
        description="What is protected. Default every namespace but system ones, every kind.",
    )
    volumes: Volumes = Field(
        default_factory=Volumes,
        description="What happens to volumes. Default: snapshots of all, and a volume that cannot"
        " be snapshotted fails the run.",
    )
    hooks: tuple[Hook, ...] = Field(
        default=(),
        description="What to stop around the snapshots, in this order, so that they are consistent"
        " for the application. Default none: snapshots are as after a power cut.",
    )
    max_freeze: Duration = Field(
        default=timedelta(minutes=5),
        description="How long hooks may keep things still, from the first command on: then all"
        " thaws, and the point names the volumes that were not cut by then. A snapshot is waited"
        " for until it is cut, not until it is ready. Default 5m: longer than a cut takes, shorter"
        " than most clients wait.",
        examples=["2m"],
    )
    retention: Retention = Field(description="How many points stay.")
    test_restore: TestRestore | None = Field(
        default=None,
        description="How points are proven. Default none: points of this policy are hopes.",
    )
    upkeep: Upkeep = Field(
        default_factory=Upkeep,
        description="How often the vault is put in order and read again. Default once a week, a"
        " tenth of the data each time.",
    )

    @model_validator(mode="after")
    def _objectives_fit_schedule(self) -> Policy:
        rpo = self.objectives.rpo
        if self.schedule is None:
            if rpo == _DERIVED:
                raise refuse(
                    "an rpo such as 24h: without a schedule there is no rhythm to derive it from",
                    found="no rpo and no schedule",
                    at=("objectives", "rpo"),
                )
            return self
        gap = self.schedule.gap
        if rpo == _DERIVED:
            derived = Objectives(rpo=gap.length + _SLACK, rto=self.objectives.rto)
            object.__setattr__(self, "objectives", derived)
        elif gap.length > rpo:
            raise refuse(
                f"at least {format_duration(gap.length)}, or a denser schedule: cron"
                f' "{self.schedule.cron}" ({self.schedule.timezone}) leaves'
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
            settled = rules.model_copy(update={"timezone": zone})
            object.__setattr__(self, "retention", settled)
        return self

    @model_validator(mode="after")
    def _hooks_name_a_workload_once(self) -> Policy:
        seen: set[tuple[str, str]] = set()
        for index, hook in enumerate(self.hooks):
            if hook.scale is None:
                continue
            target = (hook.scale.namespace, hook.scale.workload)
            if target in seen:
                raise refuse(
                    "each workload in one hook",
                    found=f"{hook.scale.workload} of {hook.scale.namespace} twice",
                    at=("hooks", index, "scale", "workload"),
                )
            seen.add(target)
        return self
