"""What every step is given: one instance and the opened things behind its ports."""

from __future__ import annotations

from dataclasses import dataclass

from lifeboat.clock import Clock
from lifeboat.policy.instance import Instance
from lifeboat.ports.cluster import Cluster
from lifeboat.ports.disks import Disks
from lifeboat.ports.pods import Pods
from lifeboat.ports.volumes import VolumeReader
from lifeboat.vault.vault import Vault


@dataclass(frozen=True)
class Context:
    """Made by `lifeboat.wiring`, which alone knows the adapters behind the ports."""

    instance: Instance
    cluster: Cluster
    pods: Pods
    vault: Vault
    disks: Disks
    reader: VolumeReader
    clock: Clock
