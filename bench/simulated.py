"""An engine over simulated objects: the real steps, a real folder, and no API server in the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from bench.instances import instance_of
from bench.objects import CLAIM, KINDS, VOLUME, Item, stream_items
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.store_local import LocalStore
from lifeboat.adapters.volumes_folder import NoVolumes
from lifeboat.errors import NotFound
from lifeboat.point.manifest import Manifest, Run
from lifeboat.ports.cluster import Discovery, Json, Kind, Page
from lifeboat.ports.fields import FieldsPage
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.steps.prune import working_documents
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault
from tests.support.listed_fields import split

POLICY = """
clusters: [local]
objectives: {rpo: 2h}
select: {namespaces: {include: ["*"]}, clusterScoped: none}
volumes: {snapshot: false}
retention: {keep: %s}
"""
START = datetime(
    2027, 1, 1, tzinfo=UTC
)  # after every blob's true time, so that sweeping finds them old


class SimulatedCluster:
    """The part of the cluster port that a backup without volumes calls, over made-up objects."""

    def describe(self) -> str:
        return "simulated objects"

    def discover(self) -> Discovery:
        return Discovery(KINDS, {}, "v1.36.3")

    def get(self, kind: Kind, namespace: str | None, name: str) -> Json:
        raise NotFound(f"{kind.resource} {namespace}/{name}")

    def objects(self, kind: Kind) -> Iterator[tuple[str, bytes]]:
        """Namespace and JSON of every object of a kind."""
        raise NotImplementedError

    def list_pages(
        self,
        kind: Kind,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        limit: int = 0,
    ) -> Iterator[Page]:
        del label_selector
        chosen = (raw for where, raw in self.objects(kind) if namespace in (None, where))
        while page := tuple(islice(chosen, limit or 1000)):
            yield Page(page, "1", self.left(kind) if limit == 1 else None)

    def list_fields(self, kind: Kind, *, namespace: str | None = None) -> Iterator[FieldsPage]:
        return split(self.list_pages(kind, namespace=namespace))

    def left(self, kind: Kind) -> int:
        """What a count of this kind is told."""
        raise NotImplementedError

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"a backup without volumes never calls {name}")


class ListedCluster(SimulatedCluster):
    """Objects held as bytes, so that listing costs nothing."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self._raw: dict[str, dict[tuple[str, str], bytes]] = {}
        self.refresh(items)

    def refresh(self, items: Iterable[Item]) -> None:
        """Make the bytes of changed objects anew."""
        for item in items:
            held = self._raw.setdefault(item.kind.kind, {})
            held[item.namespace, item.name] = item.raw()

    def objects(self, kind: Kind) -> Iterator[tuple[str, bytes]]:
        for (namespace, _), raw in self._raw.get(kind.kind, {}).items():
            yield namespace, raw

    def list_fields(self, kind: Kind, *, namespace: str | None = None) -> Iterator[FieldsPage]:
        return split(self.list_pages(kind, namespace=namespace))

    def left(self, kind: Kind) -> int:
        return len(self._raw.get(kind.kind, {}))


class StreamedCluster(SimulatedCluster):
    """Objects made while they are listed, so that they take no memory; some have changed."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.changed_every = 0

    def objects(self, kind: Kind) -> Iterator[tuple[str, bytes]]:
        if kind in (CLAIM, VOLUME):
            return
        for number, item in enumerate(stream_items(self._count, kind)):
            if self.changed_every and number % self.changed_every == 0:
                item.revision += 1
            yield item.namespace, item.raw()

    def list_fields(self, kind: Kind, *, namespace: str | None = None) -> Iterator[FieldsPage]:
        return split(self.list_pages(kind, namespace=namespace))

    def left(self, kind: Kind) -> int:
        return 0 if kind in (CLAIM, VOLUME) else self._count // 3


class Engine:
    """One instance over `cluster`, its vault in `folder`, at a time that moves by hand."""

    def __init__(self, cluster: SimulatedCluster, folder: Path, keep: str) -> None:
        self.cluster = cluster
        self.now = START
        self.store = LocalStore.create(folder)
        self.vault = create_vault(self.store, generate_key(), self.clock)
        instance = instance_of(POLICY % keep)
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

    def forget_working(self) -> None:
        """Remove the working documents of all runs, to weigh what stays."""
        for folder in ("scopes", "parts", "claims"):
            for stat in list(self.store.list(f"instances/bench.local/{folder}/")):
                self.store.delete(stat.key)

    def sweep(self) -> None:
        """What every prune does first: remove the working documents of runs that are over."""
        for key in working_documents(self.context):
            self.store.delete(key)
