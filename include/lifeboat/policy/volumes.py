"""What a policy does with volumes, as a person writes it, and the rule that decides for one volume.

The conditions are those of Velero's volume policies (its "Resource filtering", `volumePolicies`),
so that a rule means the same in both. Pure: nothing here asks a cluster.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy.azure import AzureVolumes
from lifeboat.policy.fields import Duration, Strict, Switch, refuse, unique
from lifeboat.policy.vault_tier import VaultTier
from lifeboat.ports.quantity import parse_quantity

# A label's key: a name, with or without a DNS prefix (kubernetes.io, "Labels and Selectors").
_LABEL_KEY = (
    r"^(([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"
)
_CLASS = r"^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?)?$"
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?([KMGTPE]i|[kMGTPE])?")

VolumeType = Literal[
    "csi", "nfs", "hostPath", "local", "azureDisk", "azureFile", "awsElasticBlockStore",
    "gcePersistentDisk", "cinder", "vsphereVolume", "portworxVolume", "iscsi", "fc", "cephfs",
    "rbd", "glusterfs", "flexVolume",
]  # fmt: skip
Phase = Literal["Pending", "Bound", "Lost"]
AccessMode = Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]


def capacity_bounds(text: str) -> tuple[int, int | None]:
    """Bytes of `lo,hi`, both inclusive; an empty bound is none. Raises ValueError."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not any(parts):
        raise ValueError("two bounds with a comma, one may be empty: 10Gi,100Gi or ,5Gi or 1Ti,")
    for part in parts:
        if part and not _QUANTITY.fullmatch(part):
            raise ValueError(f"Kubernetes quantities such as 500Mi or 1.5Ti, not {part!r}")
    low = parse_quantity(parts[0]) if parts[0] else 0
    high = parse_quantity(parts[1]) if parts[1] else None
    if high is not None and low > high:
        raise ValueError(f"the smaller bound first: {parts[1]},{parts[0]}")
    return low, high


def _check_capacity(text: str) -> str:
    if text:
        try:
            capacity_bounds(text)
        except ValueError as error:
            raise refuse(str(error)) from None
    return text


class CsiCondition(Strict):
    """Volumes of a CSI driver."""

    driver: str = Field(
        default="",
        description="The driver's name. Default empty: any CSI driver.",
        examples=["disk.csi.azure.com"],
    )


class NfsCondition(Strict):
    """Volumes on an NFS server, by the volume's own `nfs` section."""

    server: str = Field(
        default="", description="The server. Default empty: any.", examples=["192.168.200.90"]
    )
    path: str = Field(
        default="", description="The exported path. Default empty: any.", examples=["/data"]
    )


class VolumeConditions(Strict):
    """Which volumes; all that is written here must hold. A condition that looks at the volume never
    holds for a claim that has none, but for its capacity (what it asks for) and storageClass."""

    capacity: Annotated[str, AfterValidator(_check_capacity)] = Field(
        default="",
        description="Size between two bounds, lo,hi, both inclusive; one may be empty. Default"
        " empty: any.",
        examples=["10Gi,100Gi"],
    )
    storage_class: Annotated[tuple[str, ...], AfterValidator(unique)] = Field(
        default=(),
        description="One of these storage classes. Default empty: any.",
        examples=[["managed-csi"]],
    )
    csi: CsiCondition | None = Field(
        default=None, description="A volume of a CSI driver. Default none: any volume."
    )
    nfs: NfsCondition | None = Field(
        default=None, description="A volume on an NFS server. Default none: any volume."
    )
    volume_types: Annotated[tuple[VolumeType, ...], AfterValidator(unique)] = Field(
        default=(),
        description="One of these kinds of volume, by the section that the PersistentVolume has."
        " Default empty: any.",
        examples=[["nfs", "hostPath"]],
    )
    pvc_labels: dict[str, str] = Field(
        default={},
        description="Labels that the claim carries, others beside them. Default empty: any.",
        examples=[{"tier": "cache"}],
    )
    pvc_phase: Annotated[tuple[Phase, ...], AfterValidator(unique)] = Field(
        default=(),
        description="One of these phases of the claim. Default empty: any.",
        examples=[["Pending", "Lost"]],
    )
    pvc_volume_mode: Literal["Filesystem", "Block"] | None = Field(
        default=None,
        description="The claim's volume mode. Default none: any.",
        examples=["Block"],
    )
    pvc_access_modes: Annotated[tuple[AccessMode, ...], AfterValidator(unique)] = Field(
        default=(),
        description="Access modes that the claim has, all of them, others beside them. Default"
        " empty: any.",
        examples=[["ReadWriteMany"]],
    )


class VolumeRule(Strict):
    """One rule; of several the first that matches decides."""

    when: VolumeConditions = Field(
        default_factory=VolumeConditions,
        description="Which volumes; all conditions must hold. Default: every volume, which only the"
        " last rule may say.",
    )
    action: Literal["skip", "snapshot", "vault"] = Field(
        description="skip: the data is not protected, and the point names the volume with this"
        " rule; snapshot: it is, also with snapshot: false beside the rules; vault: a snapshot, and"
        " a copy of its files in the vault's store (vaultTier).",
        examples=["snapshot"],
    )
    snapshot_class: str = Field(
        default="",
        pattern=_CLASS,
        description="With action snapshot or vault: the VolumeSnapshotClass to use. Default empty:"
        " the one that the claim's annotation velero.io/csi-volumesnapshot-class names, else"
        " volumes.snapshotClass.",
        examples=["csi-azuredisk-snapshots"],
    )

    @model_validator(mode="after")
    def _a_class_is_for_snapshots(self) -> VolumeRule:
        if self.snapshot_class and self.action == "skip":
            raise refuse("no snapshotClass beside action: skip", at=("snapshotClass",))
        return self


class Volumes(Strict):
    """What happens to the data of persistent volumes."""

    snapshot: Switch = Field(
        default=True,
        description="Whether to take CSI snapshots of the selected volume claims that no rule"
        " decides on. Default true.",
    )
    rules: tuple[VolumeRule, ...] = Field(
        default=(),
        description="What happens to which volumes; the first rule that matches decides, before"
        " snapshot. A claim that select leaves out, or that opts out, is never looked at. Default"
        " none.",
    )
    mode: Literal["csi", "azure"] = Field(
        default="csi",
        description="Who is asked for snapshots. csi: the cluster's snapshot API, for every driver;"
        " azure: Azure itself for its managed disks, the cluster for all others. Default csi.",
    )
    azure: AzureVolumes = Field(
        default_factory=AzureVolumes,
        description="What is special to mode azure: instant access, copies. Default neither.",
    )
    vault_tier: VaultTier | None = Field(
        default=None,
        description="Copies of the volumes' files in the vault's store, which outlive the disks."
        " Default none: a volume is protected by its snapshot alone, which lies beside the disk.",
    )
    on_unprotected: Literal["fail", "warn"] = Field(
        default="fail",
        description="What a volume that cannot be snapshotted means. fail: the point is incomplete"
        " and the run fails; warn: the point is good and names the volume. Default fail, because a"
        " backup without its data is found out too late.",
    )
    snapshot_class: str = Field(
        default="",
        pattern=_CLASS,
        description="The VolumeSnapshotClass to use where neither a rule nor the claim's annotation"
        " velero.io/csi-volumesnapshot-class names one. Default empty: of the classes of the"
        ' volume\'s driver the one with the label velero.io/csi-volumesnapshot-class: "true", else'
        " the default class, else the only one.",
        examples=["csi-azuredisk-snapshots"],
    )
    group_by: str = Field(
        default="velero.io/volume-group",
        pattern=_LABEL_KEY,
        description="A label of claims. Those of a namespace that have the same value of it are cut"
        " at one moment, by a VolumeGroupSnapshot, where their driver offers that and every one of"
        " them is to be snapshotted; elsewhere one by one, with a warning. Default"
        " velero.io/volume-group, as Velero has it. Empty turns it off.",
        examples=["app.kubernetes.io/instance"],
    )
    timeout: Duration = Field(
        default=timedelta(minutes=10),
        description="How long each snapshot may take until it is ready to use, from when it was"
        " asked for, a duration; one that takes longer is named, and the others go on. Default 10m,"
        " as the CSI snapshot time-out of Velero.",
        examples=["30m"],
    )

    @model_validator(mode="after")
    def _every_rule_can_match(self) -> Volumes:
        for index, rule in enumerate(self.rules[:-1]):
            if rule.when == VolumeConditions():
                raise refuse(
                    "conditions, or this rule at the end: it matches every volume, so that no rule"
                    " after it ever counts",
                    found="no condition",
                    at=("rules", index, "when"),
                )
        return self

    @model_validator(mode="after")
    def _movers_are_described(self) -> Volumes:
        for index, rule in enumerate(self.rules):
            if rule.action == "vault" and self.vault_tier is None:
                raise refuse(
                    "volumes.vaultTier beside the rules ({} will do), which says how files get into"
                    " the vault",
                    found="no vaultTier",
                    at=("rules", index, "action"),
                )
        return self

    @property
    def takes_snapshots(self) -> bool:
        """Whether there may be snapshots at all."""
        return self.snapshot or any(rule.action != "skip" for rule in self.rules)


@dataclass(frozen=True)
class VolumeFacts:
    """What rules look at. `capacity` in bytes; `type`, `driver` and `nfs` (server, path) are empty
    for a claim without a volume."""

    capacity: int
    storage_class: str = ""
    type: str = ""
    driver: str = ""
    nfs: tuple[str, str] = ("", "")
    labels: Mapping[str, str] = field(default_factory=dict)
    phase: str = "Bound"
    mode: str = "Filesystem"
    access_modes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """What is to happen to one volume, and by which field of the policy (`source`). `vault`: its
    files are copied too."""

    snapshot: bool
    source: str
    snapshot_class: str = ""
    vault: bool = False


def decide(volumes: Volumes, facts: VolumeFacts) -> Decision:
    """The first rule that matches, else `snapshot`."""
    for index, rule in enumerate(volumes.rules):
        if _matches(rule.when, facts):
            return Decision(
                rule.action != "skip",
                f"volumes.rules[{index}]",
                rule.snapshot_class,
                vault=rule.action == "vault",
            )
    tier = volumes.vault_tier
    vault = volumes.snapshot and tier is not None and tier.others
    return Decision(volumes.snapshot, "volumes.snapshot", vault=vault)


def _matches(when: VolumeConditions, facts: VolumeFacts) -> bool:
    return (
        _in_bounds(when.capacity, facts.capacity)
        and _one_of(facts.storage_class, when.storage_class)
        and _is_csi(when.csi, facts)
        and _is_nfs(when.nfs, facts)
        and _one_of(facts.type, when.volume_types)
        and when.pvc_labels.items() <= facts.labels.items()
        and _one_of(facts.phase, when.pvc_phase)
        and when.pvc_volume_mode in (None, facts.mode)
        and set(when.pvc_access_modes) <= set(facts.access_modes)
    )


def _one_of(value: str, wanted: tuple[str, ...]) -> bool:
    return not wanted or value in wanted


def _in_bounds(capacity: str, found: int) -> bool:
    if not capacity:
        return True
    low, high = capacity_bounds(capacity)
    return low <= found and (high is None or found <= high)


def _is_csi(wanted: CsiCondition | None, facts: VolumeFacts) -> bool:
    return wanted is None or (facts.type == "csi" and wanted.driver in ("", facts.driver))


def _is_nfs(wanted: NfsCondition | None, facts: VolumeFacts) -> bool:
    if wanted is None:
        return True
    server, path = facts.nfs
    return facts.type == "nfs" and wanted.server in ("", server) and wanted.path in ("", path)
