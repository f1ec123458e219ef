"""What every step is given: one instance and the opened things behind its ports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from lifeboat.clock import Clock
from lifeboat.policy.instance import Instance
from lifeboat.ports.calls import Calls
from lifeboat.ports.cluster import Cluster
from lifeboat.ports.copies import Copies
from lifeboat.ports.definition import Definitions
from lifeboat.ports.disks import Disks
from lifeboat.ports.movers import Movers, Repository
from lifeboat.ports.pods import Pods
from lifeboat.ports.registry import Registries
from lifeboat.ports.volumes import VolumeReader
from lifeboat.vault.vault import Vault


class Custody(Protocol):
    """What it takes to keep the points of one place in order: a `Context`, or an `AtCopy`."""

    @property
    def instance(self) -> Instance: ...

    @property
    def vault(self) -> Vault: ...

    @property
    def cluster(self) -> Cluster | None:
        """None in a copy: no cluster is asked for there."""
        ...

    @property
    def disks(self) -> Disks | None:
        """None in a copy: the snapshots that its points name belong to the first vault."""
        ...

    @property
    def movers(self) -> Movers | None:
        """None in a copy: no cluster is asked for there."""
        ...

    @property
    def repository(self) -> Repository | None:
        """The files of volumes beside the vault; None in a copy, and where nobody can ask."""
        ...

    @property
    def clock(self) -> Clock: ...


@dataclass(frozen=True)
class AtCopy:
    """One copy of an instance's points: `instance` has the copy's vault and retention. No cluster
    is asked for."""

    instance: Instance
    vault: Vault
    clock: Clock
    cluster: None = None
    disks: None = None
    movers: None = None
    repository: None = None


@dataclass(frozen=True)
class Context:
    """Made by `lifeboat.wiring`, which alone knows the adapters behind the ports. `copies` is None
    where snapshots cannot be copied, `pods` where no command can be run in a pod, `calls` where no
    request can be sent for a hook, `definitions` where nobody manages the cluster, `registries`
    where the policy does not want them asked, `movers` and `repository` where no restic gets at
    the vault's store."""

    instance: Instance
    cluster: Cluster
    vault: Vault
    disks: Disks
    reader: VolumeReader
    clock: Clock
    copies: Copies | None = None
    pods: Pods | None = None
    calls: Calls | None = None
    definitions: Definitions | None = None
    registries: Registries | None = None
    movers: Movers | None = None
    repository: Repository | None = None
