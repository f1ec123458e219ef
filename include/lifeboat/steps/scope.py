"""The documents that pass between the steps of a backup. They lie in the vault; Airflow carries
only the point's id and the ids of shards and volumes.

    enumerate -> Scope -> dump -> Part ----------\\
                   `-> snapshot, settle -> VolumesPart -> commit -> Manifest
"""

from __future__ import annotations

import msgspec

from lifeboat.point.manifest import LeftOut, Run
from lifeboat.ports.cluster import Kind
from lifeboat.ports.disks import StoredSnapshot, Volume

VOLUMES_PART = "volumes"


class Claim(msgspec.Struct, frozen=True):
    """By this document every attempt of one run agrees on one point."""

    point: str
    run: Run
    made: str


class Listing(msgspec.Struct, frozen=True):
    """One list call: a kind, in one namespace or (None) across the cluster.

    `only` restricts cluster-scoped objects to these names (None: all of them).
    """

    kind: Kind
    namespace: str | None = None
    only: tuple[str, ...] | None = None

    @property
    def title(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.kind.resource}{where}"


class Shard(msgspec.Struct, frozen=True):
    """A share of the dump, sized by counted objects, that one task does."""

    id: str
    title: str
    listings: tuple[Listing, ...]


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What one run is going to capture. Times RFC 3339."""

    point: str
    instance: str
    run: Run
    captured_from: str
    previous: str
    server_version: str
    namespaces: tuple[str, ...]
    shards: tuple[Shard, ...]
    volumes: tuple[Volume, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one shard stored: its trees as records' bytes (base64 in JSON), and its account."""

    shard: str
    trees: tuple[bytes, ...]
    kinds: dict[str, int]
    objects: int
    new_objects: int
    new_bytes: int
    left_out: tuple[LeftOut, ...]
    captured_to: str


class VolumesPart(msgspec.Struct, frozen=True, kw_only=True):
    """Every volume's snapshot, or why there is none."""

    snapshots: tuple[StoredSnapshot, ...]
    left_out: tuple[LeftOut, ...]
    captured_to: str
