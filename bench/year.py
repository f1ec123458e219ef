"""`python -m bench.year CHURN HOURS FOLDER`: hourly points on 2,000 objects, CHURN percent of which
change every hour; prints bars as JSON, a line each.

The floor that the vault is measured against holds each distinct version of an object once, kind by
kind in full frames: it is what the same bytes cost without points.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict
from datetime import timedelta
from operator import itemgetter
from pathlib import Path

from bench.bars import Bar
from bench.objects import Item, change, make_items
from bench.simulated import Engine, ListedCluster
from lifeboat.point import catalog
from lifeboat.point.manifest import open_contents, read_manifest
from lifeboat.steps.prune import execute_prune, plan_prune
from lifeboat.steps.strip import strip
from lifeboat.vault.crypto import AesGcm
from lifeboat.vault.dictionaries import Dictionaries
from lifeboat.vault.packs import PackWriter
from tests.support.listed_fields import fields_of
from tests.support.memory_store import MemoryStore

_OBJECTS = 2000
_EVERY_POINT = "{hourly: 8640}"
_THINNED = "{hourly: 24, daily: 7, weekly: 4, monthly: 12}"

Version = tuple[int, int]


class _Floor(PackWriter):
    """Counts what records cost and keeps nothing."""

    def __init__(self) -> None:
        self._void = MemoryStore()
        super().__init__(self._void, AesGcm(bytes(32)), Dictionaries())

    def _store_pack(self) -> None:
        super()._store_pack()
        self._void.blobs.clear()


def floor(items: list[Item], versions: Iterable[Version]) -> int:
    """Bytes of these versions (position in `items`, revision), each once.

    Compressed as records are: in full frames of neighbours, which are other objects of the kind and
    never another version of the same one.
    """
    writers: dict[str, _Floor] = {}
    for position, revision in sorted(versions, key=itemgetter(1, 0)):
        item = items[position]
        then = Item(item.kind, item.namespace, item.name, item.seed, revision)
        writers.setdefault(item.kind.kind, _Floor()).add(
            strip(item.kind, fields_of(then.raw())).content
        )
    for writer in writers.values():
        writer.close()
    return sum(writer.written for writer in writers.values())


class Year:
    """`history` are the revisions of all objects at the points that are kept in the end."""

    def __init__(self, churn: float, folder: Path, keep: str) -> None:
        self.items = make_items(_OBJECTS)
        self._cluster = ListedCluster(self.items)
        self._changing = [item for item in self.items if item.namespace]
        self._number = round(_OBJECTS * churn / 100)
        self._random = random.Random(20260101)
        self.engine = Engine(self._cluster, folder, keep)
        self.history: dict[str, tuple[int, ...]] = {}
        self.first = 0

    def run(self, hours: int) -> None:
        for hour in range(hours):
            if hour:
                changed = self._random.sample(self._changing, self._number)
                change(changed)
                self._cluster.refresh(changed)
            manifest = self.engine.point()
            self.history[manifest.point] = tuple(item.revision for item in self.items)
            if hour == 0:
                self.engine.forget_working()
                self.first = self.engine.stored()
            elif hour % 24 == 0:
                self.engine.sweep()
        self.engine.forget_working()

    def versions(self) -> set[Version]:
        """Distinct versions that the points hold which are there now."""
        points = catalog.point_ids(self.engine.vault, "bench.local")
        return {(n, r) for point in points for n, r in enumerate(self.history[point])}


def _timed(name: str, limit: float, job: object, runs: int = 3) -> Bar:
    figures = []
    for _ in range(runs):
        began = time.monotonic()
        job()  # type: ignore[operator]
        figures.append(time.monotonic() - began)
    return Bar(name, sorted(figures)[runs // 2], limit, "s", 2)


def _reading(year: Year) -> list[Bar]:
    """One object of a point of half a year ago, the one that has been unchanged for longest."""
    vault = year.engine.vault
    points = catalog.point_ids(vault, "bench.local")
    point = points[len(points) // 2]
    probe = open_contents(vault, read_manifest(vault, "bench.local", point))
    oldest = min(probe.rows(), key=lambda row: row[1].place)[1]
    requests = 0
    plain = vault.store.get_range, vault.store.get

    def read() -> None:
        nonlocal requests
        requests = 0
        contents = open_contents(vault, read_manifest(vault, "bench.local", point))
        found = contents.find(oldest.key)
        assert found is not None
        contents.reader().read(found[1].record, found[1].place)

    def counted(call: object) -> object:
        def count(*arguments: object) -> object:
            nonlocal requests
            requests += 1
            return call(*arguments)  # type: ignore[operator]

        return count

    vault.store.get_range, vault.store.get = map(counted, plain)  # type: ignore[method-assign,assignment]
    bar = _timed("object-of-an-old-point", 0.3, read)
    vault.store.get_range, vault.store.get = plain  # type: ignore[method-assign]
    return [bar, Bar("object-of-an-old-point-requests", requests, 4, "", 0)]


def _tell(bar: Bar) -> None:
    print(json.dumps(asdict(bar)), flush=True)


def main(churn: float, hours: int, folder: Path) -> None:
    """Live through the year, then ask for its points, then prune it."""
    year = Year(churn, folder, _EVERY_POINT if churn < 1 else _THINNED)
    year.run(hours)
    engine, name = year.engine, f"hourly-{churn:g}-percent"
    stored = engine.stored()
    if churn < 1:
        _tell(Bar(f"{name}-unpruned", stored / year.first, 15, "x", 2))
        _tell(_timed("catalog-listing", 5, lambda: catalog.manifests(engine.vault, "bench.local")))
        for bar in _reading(year):
            _tell(bar)
        return
    _tell(Bar(f"{name}-unpruned", stored / floor(year.items, year.versions()), 1.4, "x", 2))
    engine.now += timedelta(minutes=1)
    _tell(_timed("prune-plan", 2, lambda: plan_prune(engine.context)))
    execute_prune(engine.context, plan_prune(engine.context))
    left = floor(year.items, year.versions())
    _tell(Bar(f"{name}-pruned", engine.stored() / left, 1.4, "x", 2))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
