"""All instances at a glance, for the Recovery page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lifeboat.clock import Clock, utc_now
from lifeboat.errors import LifeboatError
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import Include, load_include
from lifeboat.policy.model import VaultEntry
from lifeboat.report.clusters import FleetStanding, read_clusters
from lifeboat.report.concerns import Sight, look
from lifeboat.report.fleet import read_status, unreadable
from lifeboat.vault.vault import Vault
from lifeboat.wiring.references import Connections, NoConnections
from lifeboat.wiring.vaults import unlock


class Fleet:
    """Every instance's standing, for the Recovery page (lifeboat.web.reader.FleetReader)."""

    def __init__(self, include: Path, connections: Connections, clock: Clock = utc_now) -> None:
        self._include = include
        self._connections = connections
        self._clock = clock

    def read(self) -> FleetStanding:
        """Reads every vault once, opened once; one that fails is a row that says so. No cluster is
        asked."""
        found = load_include(self._include)
        places = {one.id: (one, vault) for one, vault in self._places(found)}
        rows = tuple(
            unreadable(instance, vault)
            if isinstance(vault, LifeboatError)
            else read_status(vault, instance, self._clock())
            for instance, vault in places.values()
        )
        names = [cluster.name for cluster in found.clusters.clusters]
        return FleetStanding(rows, tuple(read_clusters(names, rows, places)))

    def sights(self, *, read_only: bool = True) -> Iterator[tuple[Sight, Vault | None]]:
        """Every instance as the watch and the metrics see it, with its vault if that could be
        read."""
        found = load_include(self._include)
        for instance, vault in self._places(found, read_only=read_only):
            try:
                if isinstance(vault, LifeboatError):
                    raise vault
                sight = look(vault, instance, self._clock())
            except LifeboatError as error:
                sight = Sight(instance, unreadable(instance, error))
            if sight.status.state == "unreadable" or isinstance(vault, LifeboatError):
                yield sight, None
            else:
                yield sight, vault

    def _places(
        self, found: Include, *, read_only: bool = True
    ) -> Iterator[tuple[Instance, Vault | LifeboatError]]:
        """Every instance with its vault, or why that cannot be opened."""
        opened: dict[str, Vault | LifeboatError] = {}
        for instance in found.instances:
            if instance.vault.name not in opened:
                opened[instance.vault.name] = self._open(instance.vault, read_only)
            yield instance, opened[instance.vault.name]

    def _open(self, entry: VaultEntry, read_only: bool) -> Vault | LifeboatError:
        try:
            return unlock(entry, self._connections, read_only=read_only)
        except LifeboatError as error:
            return error


def fleet_reader(include: Path, connections: Connections | None = None) -> Fleet:
    """The real FleetReader."""
    return Fleet(include, connections or NoConnections())
