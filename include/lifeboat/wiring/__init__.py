"""The only room that knows which adapter is behind a port, from references to a Context."""

from __future__ import annotations

from lifeboat.wiring.clusters import (
    azure_place,
    copies_of,
    disks_of,
    endpoint,
    open_cluster,
    open_context,
    volume_reader,
)
from lifeboat.wiring.finders import finders
from lifeboat.wiring.fleet import Fleet, fleet_reader
from lifeboat.wiring.references import (
    Connections,
    NoConnections,
    from_environment,
    resolve,
)
from lifeboat.wiring.standby import open_sides
from lifeboat.wiring.vaults import (
    keyring,
    make_copy,
    make_vault,
    open_copy,
    open_store,
    unlock,
    vault_key,
)

__all__ = [
    "Connections",
    "Fleet",
    "NoConnections",
    "azure_place",
    "copies_of",
    "disks_of",
    "endpoint",
    "finders",
    "fleet_reader",
    "from_environment",
    "keyring",
    "make_copy",
    "make_vault",
    "open_cluster",
    "open_context",
    "open_copy",
    "open_sides",
    "open_store",
    "resolve",
    "unlock",
    "vault_key",
    "volume_reader",
]
