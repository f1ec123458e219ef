"""An engine over simulated objects: the real steps, a real folder, and no API server in the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench.objects import KINDS, Item
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.store_local import LocalStore
from lifeboat.adapters.volumes_folder import NoVolumes
from lifeboat.errors import NotFound
from lifeboat.point.manifest import Manifest, Run
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import ClusterEntry, VaultEntry
from lifeboat.ports.cluster import Discovery, Json, Kind, Page
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault

POLICY = """
clusters: [local]
objectives: {rpo: 2h}
select: {namespaces: {include: ["*"]}, clusterScoped: none}
volumes: {snapshot: false}
retention: {keep: %s}
"""
START = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass
class ListedCluster:
    """The part of the cluster port that a backup without volumes calls, over raw objects."""

    items: list[Item]
    raw: dict[tuple[str, str, str], bytes] = field(default_factory=dict)

    def refresh(self, items: Iterable[Item]) -> None:
        """Make the bytes of changed objects anew."""
        for item in items:
            self.raw[item.kind.kind, item.namespace, item.name] = item.raw()

    def describe(self) -> str:
        return "simulated objects"

    def discover(self) -> Discovery:
        return Discovery(KINDS, {}, "v1.36.3")

    def list_pages(
        self,
        kind: Kind,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        limit: int = 1000,
    ) -> Iterator[Page]:
        del label_selector
        chosen = [
            (item.kind.kind, item.namespace, item.name)
            for item in self.items
            if item.kind == kind and namespace in (None, item.namespace)
        ]
        for start in range(0, len(chosen), limit):
            page = tuple(self.raw[key] for key in chosen[start : start + limit])
            yield Page(page, "1", max(0, len(chosen) - start - limit))

    def get(self, kind: Kind, namespace: str | None, name: str) -> Json:
        raise NotFound(f"{kind.resource} {namespace}/{name}")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a backup without volumes never calls {name}")


class Engine:
    """One instance over `cluster`, its vault in `folder`, at a time that moves by hand."""

    def __init__(self, cluster: ListedCluster, folder: Path, keep: str) -> None:
        self.cluster = cluster
        self.now = START
        self.store = LocalStore.create(folder)
        self.vault = create_vault(self.store, generate_key(), self.clock)
        text = POLICY % keep
        instance = Instance(
            policy=parse_policy(text, "bench.yaml", "bench"),
            cluster=ClusterEntry(name="local", in_cluster=True),
            vault=VaultEntry(name="main", url="file:///none", key="env:NONE"),
            policy_text=text,
            policy_digest=f"sha256:{sha256(text.encode()).hexdigest()}",
            source="bench.yaml",
        )
        disks = DisksCsi(cluster, clock=self.clock)
        self.context = Context(instance, cluster, self.vault, disks, NoVolumes(), self.clock)

    def clock(self) -> datetime:
        return self.now

    def point(self, hours: int = 1) -> Manifest:
        """One point, `hours` after the last."""
        self.now += timedelta(hours=hours)
        run = Run(f"scheduled__{self.now:%Y-%m-%dT%H:%M:%S}", "scheduled", f"{self.now:%FT%TZ}")
        made = backup(self.context, run, lambda _: None)
        assert made is not None
        return made

    def stored(self, *roots: str) -> int:
        """Bytes in the store below these roots, or of all of it."""
        return sum(stat.size for root in roots or ("",) for stat in self.store.list(root))

    def working(self) -> int:
        """Bytes of scopes, parts and claims, which prune sweeps a day after their run."""
        prefix = "instances/bench.local/"
        return self.stored(f"{prefix}scopes/", f"{prefix}parts/", f"{prefix}claims/")
