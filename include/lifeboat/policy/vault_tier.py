"""The `volumes.vaultTier` section of a policy: file-level copies of volumes in the vault's store.

For drivers whose snapshots cannot leave the place of the disks. Who runs the copying, and how much
of the cluster it may take (docs/movers.md).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lifeboat.policy.fields import Duration, Strict, Switch, refuse

MOVER_IMAGE = "docker.io/restic/restic:0.18.1"
_CPU = r"^[1-9][0-9]*m?$"
_MEMORY = r"^[1-9][0-9]*[KMGT]i$"
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._/:-]*(:[\w][\w.-]{0,127}|@sha256:[0-9a-f]{64})")


def _check_image(image: str) -> str:
    if not _IMAGE.fullmatch(image) or image.endswith(":latest"):
        raise refuse(
            "an image with a tag other than latest, or better a digest (name@sha256:…), so that"
            " every run moves data with the same program",
            found=repr(image),
        )
    return image


class MoverToleration(Strict):
    """A taint that mover pods may run beside, as in a pod's `tolerations`."""

    key: str = Field(default="", description="The taint's key. Default empty: every taint.")
    operator: Literal["Equal", "Exists"] = Field(
        default="Equal",
        description="Whether the value is compared too. Default Equal.",
        examples=["Exists"],
    )
    value: str = Field(default="", description="The taint's value. Default empty.")
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = Field(
        default="", description="The taint's effect. Default empty: any.", examples=["NoSchedule"]
    )


class VaultTier(Strict):
    """Copies the files of volumes into the vault's store: a clone of the snapshot, read by a pod of
    restic in the protected cluster. Block volumes have no files and are named as not in it."""

    others: Switch = Field(
        default=True,
        description="Whether volumes that no rule decides on are copied. Default true; with false"
        " only those of rules with action: vault.",
    )
    namespace: str = Field(
        default="lifeboat",
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        description="Where clones, mover pods and, while they run, the store's credential are. Make"
        " it for them alone: whoever reads Secrets there can read the vault. Default lifeboat.",
        examples=["lifeboat"],
    )
    image: Annotated[str, AfterValidator(_check_image)] = Field(
        default=MOVER_IMAGE,
        description="The image of the mover: restic 0.17 or newer, and a shell. Default"
        f" {MOVER_IMAGE}; name your own registry's copy with its digest where you can.",
        examples=["registry.example.org/restic:0.18.1"],
    )
    service_account: str = Field(
        default="",
        pattern=r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$",
        description="The service account of mover pods, for a store that is opened by workload"
        " identity. Default empty: the namespace's default, and no token is mounted.",
        examples=["lifeboat-mover"],
    )
    run_as_user: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="The user id that reads the files. Default 0: root, without any right but to"
        " read all files (pod security `baseline`). Any other satisfies `restricted`, and fails"
        " at a file that this user may not read.",
        examples=[1000],
    )
    parallel: int = Field(
        default=2,
        ge=1,
        le=32,
        description="How many mover pods may run at once, 1 to 32. Default 2.",
        examples=[4],
    )
    timeout: Duration = Field(
        default=timedelta(hours=4),
        description="How long the copy of one volume may take, a duration; then its pod is ended"
        " and the volume is named. What was sent already is not sent again. Default 4h.",
        examples=["12h"],
    )
    cpu: str = Field(
        default="1",
        pattern=_CPU,
        description="CPU limit of a mover pod, a quantity. Default 1.",
        examples=["500m"],
    )
    memory: str = Field(
        default="1Gi",
        pattern=_MEMORY,
        description="Memory limit of a mover pod, a quantity. restic needs about 1 GiB for ten"
        " million files. Default 1Gi.",
        examples=["4Gi"],
    )
    node_selector: dict[str, str] = Field(
        default={},
        description="Labels of the nodes that movers may run on. Default empty: any node.",
        examples=[{"pool": "backup"}],
    )
    tolerations: tuple[MoverToleration, ...] = Field(
        default=(), description="Taints that movers may run beside. Default none."
    )
