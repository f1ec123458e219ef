"""`make bench-vault`: what points cost, a line a bar: name, figure, limit, ok or short.

The engine is real, the vault is a folder, the objects are made up (bench/objects.py). A year of
hourly points takes a quarter of an hour; two of them run side by side. Exit status 1 when a bar is
short.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import msgspec

from bench.bars import Bar, told
from bench.objects import KINDS, change, make_items
from bench.policies import policy_bars
from bench.simulated import Engine, ListedCluster
from lifeboat.ports.fields import Fields
from lifeboat.steps.strip import strip
from lifeboat.vault.crypto import AesGcm
from lifeboat.vault.dictionaries import Dictionaries
from lifeboat.vault.packs import PackWriter
from tests.support.memory_store import MemoryStore

_HOURS = 8640
_OBJECT_BYTES = 4096


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.vault", description=__doc__)
    parser.add_argument("--hours", type=int, default=_HOURS, help="points of a year (8640)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lifeboat-bench-") as root:
        bars = [*policy_bars(), *_second_points(Path(root)), _packing()]
        bars += _memory(Path(root))
        bars += _years(Path(root), options.hours)
    return 0 if all(bar.ok for bar in bars) else 1


def _second_points(root: Path) -> list[Bar]:
    """A first point against Velero's archive, and what a second one adds."""
    items = make_items(20_000)
    cluster = ListedCluster(items)
    engine = Engine(cluster, root / "second", "{last: 9}")
    engine.point()
    engine.forget_working()
    first = engine.stored()
    bars = [told(Bar("first-point-of-velero", 100 * first / velero_bytes(cluster), 95, "%"))]
    for name, number, limit in (("unchanged", 0, 0.5), ("one-percent-changed", 200, 3)):
        changed = [item for item in items if item.namespace][7::100][:number]
        change(changed)
        cluster.refresh(changed)
        before = engine.stored()
        engine.point()
        engine.forget_working()
        added = engine.stored() - before
        bars.append(told(Bar(f"second-point-{name}", 100 * added / first, limit, "%", 3)))
    return bars


def velero_bytes(cluster: ListedCluster) -> int:
    """The tar.gz that Velero writes: every object at its resource's path and again below its
    preferred version (velero.io/docs, "Output file format"), gzip -6, managedFields and all."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for kind in KINDS:
            for namespace, raw in cluster.objects(kind):
                fields = {"apiVersion": kind.api_version, "kind": kind.kind, **json.loads(raw)}
                data = msgspec.json.encode(fields)
                scope = f"namespaces/{namespace}" if namespace else "cluster"
                name = fields["metadata"]["name"]
                for where in (scope, f"{kind.version}-preferredversion/{scope}"):
                    entry = tarfile.TarInfo(f"resources/{kind.resource}/{where}/{name}.json")
                    entry.size, entry.mode, entry.mtime = len(data), 0o755, 1_780_000_000
                    archive.addfile(entry, io.BytesIO(data))
    return len(gzip.compress(body.getvalue(), 6))


def _packing() -> Bar:
    """Processor time of split, strip, hash, compress and encrypt, per 4 KB of stripped JSON."""
    cluster = ListedCluster(make_items(6_000))
    pages = []
    for kind in KINDS:
        raws = [raw for _, raw in cluster.objects(kind)]
        for start in range(0, len(raws), 500):
            pages.append((kind, b'{"items":[' + b",".join(raws[start : start + 500]) + b"]}"))
    split = msgspec.json.Decoder(_List)
    figures = []
    for _ in range(5):
        cipher, total = AesGcm(bytes(32)), 0
        writer = PackWriter(MemoryStore(), cipher, Dictionaries())
        began = time.process_time()
        for kind, page in pages:
            for fields in split.decode(page).items:
                content = strip(kind, fields).content
                cipher.record_id(content)
                writer.add(content)
                total += len(content)
        writer.close()
        figures.append((time.process_time() - began) / (total / _OBJECT_BYTES))
    return told(Bar("packing-4-kb", 1e6 * sorted(figures)[2], 60, "us"))


class _List(msgspec.Struct):
    items: list[Fields]


def _memory(root: Path) -> list[Bar]:
    """Peak memory of a process that captures two points of many objects."""
    peaks = []
    for count in (20_000, 200_000):
        command = [sys.executable, "-m", "bench.worker", str(count), str(root / f"w{count}")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(float(done.stdout))
    grown = 100 * (peaks[1] / peaks[0] - 1)
    return [
        told(Bar("worker-memory-200k", peaks[1], 250, "MiB", 0)),
        told(Bar("worker-memory-growth", grown, 20, "%", 0)),
    ]


def _years(root: Path, hours: int) -> list[Bar]:
    """Two years of hourly points, in two processes."""
    running = []
    for churn in ("0.1", "1"):
        command = [sys.executable, "-m", "bench.year", churn, str(hours), str(root / f"y{churn}")]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    bars = []
    for process in running:
        output, _ = process.communicate()
        if process.returncode:
            raise SystemExit(f"a year ended with status {process.returncode}")
        bars += [told(Bar(**json.loads(line))) for line in output.splitlines()]
    return bars


if __name__ == "__main__":
    sys.exit(main())
