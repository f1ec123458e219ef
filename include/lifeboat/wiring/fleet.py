"""All instances at a glance, for the Recovery page."""

from __future__ import annotations

from pathlib import Path

from lifeboat.clock import Clock, utc_now
from lifeboat.errors import LifeboatError
from lifeboat.policy.load import load_include
from lifeboat.policy.model import VaultEntry
from lifeboat.report.fleet import read_status, unreadable
from lifeboat.report.objectives import InstanceStatus
from lifeboat.vault.vault import Vault
from lifeboat.wiring.references import Connections, NoConnections
from lifeboat.wiring.vaults import unlock


class Fleet:
    """Every instance's standing, for the Recovery page (lifeboat.web.reader.FleetReader)."""

    def __init__(self, include: Path, connections: Connections, clock: Clock = utc_now) -> None:
        self._include = include
        self._connections = connections
        self._clock = clock

    def instances(self) -> tuple[InstanceStatus, ...]:
        """Reads every vault once, opened once; one that fails is a row that says so."""
        opened: dict[str, Vault | LifeboatError] = {}
        rows = []
        for instance in load_include(self._include).instances:
            if instance.vault.name not in opened:
                opened[instance.vault.name] = self._open(instance.vault)
            vault = opened[instance.vault.name]
            if isinstance(vault, LifeboatError):
                rows.append(unreadable(instance, vault))
            else:
                rows.append(read_status(vault, instance, self._clock()))
        return tuple(rows)

    def _open(self, entry: VaultEntry) -> Vault | LifeboatError:
        try:
            return unlock(entry, self._connections, read_only=True)
        except LifeboatError as error:
            return error


def fleet_reader(include: Path, connections: Connections | None = None) -> Fleet:
    """The real FleetReader."""
    return Fleet(include, connections or NoConnections())
