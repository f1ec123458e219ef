"""The documents that pass between the steps of a backup. They lie in the vault; Airflow carries
only the point's id and the ids of shards and volumes.

    enumerate -> Scope -> dump -> Part -> related -> Part -\\
                   `-> snapshot, settle -> VolumesPart ----+-> commit -> Manifest
"""

from __future__ import annotations

import msgspec

from lifeboat.point.capture import Listed
from lifeboat.point.manifest import FileCopy, LeftOut, Run
from lifeboat.ports.cluster import Kind
from lifeboat.ports.disks import StoredSnapshot, Volume

VOLUMES_PART = "volumes"
RELATED_PART = "related"


class Claim(msgspec.Struct, frozen=True):
    """By this document every attempt of one run agrees on one point."""

    point: str
    run: Run
    made: str


class Listing(msgspec.Struct, frozen=True):
    """One list call: a kind, in one namespace or (None) across the cluster.

    `only` restricts cluster-scoped objects to these names (None: those that the policy takes).
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
    """What one run is going to capture. Times RFC 3339.

    `sparse` names packs of which little is still alive: what lives in them is stored anew. `needed`
    are the kinds outside namespaces of which the captured objects may need some (`related`).
    `snapshot_classes` are those that a rule or a claim asks for, by volume; `moves` are the
    volumes whose files go into the vault; `groups` are the labels of claims (`key=value`) by which
    some are cut together, by volume.
    """

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
    sparse: tuple[str, ...] = ()
    needed: tuple[Kind, ...] = ()
    snapshot_classes: dict[str, str] = {}
    moves: tuple[str, ...] = ()
    groups: dict[str, str] = {}
    policy_digest: str = ""


class StoredRows(msgspec.Struct, frozen=True):
    """Objects that a shard stored anew: `rows` are entries in ascending order of key (the Rows of
    lifeboat.vault.rows, in MessagePack), `ordinals` their places in the previous point, -1 for what
    it did not hold."""

    ordinals: list[int]
    rows: bytes


class SpilledRows(msgspec.Struct, frozen=True):
    """StoredRows in a document of their own, and the key of the first of them."""

    document: str
    first: tuple[str, str, str, str, str]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one shard saw, against the previous point of the scope, and its account.

    `kept` are ordinals of the previous point that are unchanged, as start, length, start, length, …
    `samples` are records to train a dictionary on, where the previous point has none; `packs` are
    what was stored; `listed` when its lists were made; `needs` what the objects need outside
    namespaces (`steps.needs`).
    """

    shard: str
    kept: list[int]
    spilled: tuple[SpilledRows, ...]
    stored: StoredRows
    objects: int
    object_bytes: int
    new_objects: int
    new_bytes: int
    left_out: tuple[LeftOut, ...]
    captured_to: str
    samples: tuple[bytes, ...] = ()
    packs: tuple[str, ...] = ()
    listed: Listed | None = None
    needs: dict[str, list[str]] = {}


class VolumesPart(msgspec.Struct, frozen=True, kw_only=True):
    """Every volume's snapshot, or why there is none."""

    snapshots: tuple[StoredSnapshot, ...]
    left_out: tuple[LeftOut, ...]
    captured_to: str


class MovedVolume(msgspec.Struct, frozen=True):
    """What came of copying the files of one volume: the copy, or why there is none."""

    title: str
    copy: FileCopy | None = None
    left_out: LeftOut | None = None
