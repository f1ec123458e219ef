"""`make bench-restore`: what a restore costs beside the leanest client and beside Velero.

One local control plane a size, one run: small objects are captured, then created into new
namespaces by a client that only sends bodies made before, and restored by Lifeboat, in shuffled
turns; what was restored is compared with the point; Velero backs the same objects up and restores
them into other namespaces. A line a bar: name, figure, limit, ok or short; exit status 1 when a bar
is short.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import velero
from bench.bars import Bar, told
from bench.load import Loader
from bench.objects import CONFIG_MAP, NAMESPACE, SECRET
from lifeboat.adapters.kubeconfig import from_kubeconfig
from local.airflow_settings import REPOSITORY
from local.cluster import LocalCluster
from local.errors import LocalClusterError

_SMALL = 10_000
_OBJECTS_A_NAMESPACE = 200
_PAYLOAD = 600
_Figures = dict[str, float]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.restore", description=__doc__)
    parser.add_argument("--turns", type=int, default=3, help="turns at 10,000 objects (default 3)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of their order")
    parser.add_argument("--quick", action="store_true", help="10,000 objects only, no Velero")
    options = parser.parse_args(arguments)
    try:
        _say(f"turns in the order of seed {options.seed}")
        order = random.Random(options.seed)
        bars, small = _size(_SMALL, options.turns, order, peer=not options.quick)
        if not options.quick:
            more, _ = _size(31_000, 1, order)
            most, large = _size(100_000, 1, order, plain=False)
            bars += more + most
            linear = (large / 100_000) / (small / _SMALL)
            bars.append(told(Bar("time-an-object-100k-of-10k", linear, 1.25, "x", 2)))
    except LocalClusterError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0 if all(bar.ok for bar in bars) else 1


def _size(
    count: int, turns: int, order: random.Random, *, peer: bool = False, plain: bool = True
) -> tuple[list[Bar], float]:
    """The bars of so many objects, and the seconds that a restore took."""
    size = f"{count // 1000}k"
    with _cluster() as (cluster, root):
        _say(f"loading {count} small objects")
        _load(cluster, count)
        _worker("capture", cluster, root, "-")
        mixed = (["plain"] if plain else []) * turns + ["restore"] * turns
        order.shuffle(mixed)
        took: dict[str, list[_Figures]] = {"plain": [], "restore": []}
        for number, what in enumerate(mixed):
            took[what].append(_worker(what, cluster, root, f"{what[0]}{number}"))
            _say(f"{what}: {took[what][-1]}")
        restores = took["restore"]
        seconds = statistics.mean(r["seconds"] for r in restores)
        bars = []
        if plain:
            best = statistics.mean(p["seconds"] / p["objects"] for p in took["plain"])
            ours = statistics.mean(r["seconds"] / r["objects"] for r in restores)
            # 75 % of a rate is 1.33 times the time of an object.
            bars.append(told(Bar(f"restore-{size}-of-a-plain-client", ours / best, 1.333, "x", 2)))
        bars.append(
            told(Bar(f"memory-{size}", max(r["peak_mib"] for r in restores), 250, "MiB", 0))
        )
        planned = statistics.mean(r["plan"] for r in restores)
        if count == _SMALL:
            compared = _worker("diff", cluster, root, f"r{mixed.index('restore')}")
            _say(f"plan with full diff: {compared}; of new objects: {planned:.1f} s")
            diff = compared["seconds"] / seconds
            bars.append(told(Bar(f"plan-{size}-with-full-diff-of-its-apply", diff, 1.5, "x", 2)))
        if peer:
            bars.append(_beside_velero(cluster, root, planned + seconds))
    return bars, seconds


def _beside_velero(cluster: LocalCluster, root: Path, ours: float) -> Bar:
    with velero.running(cluster, root / "velero", _say) as server:
        taken, items = server.backup(include=["team-*"])
        _say(f"Velero: backup of {items} items in {taken:.1f} s")
        spaces = [f"team-{n:04d}" for n in range(_SMALL // _OBJECTS_A_NAMESPACE)]
        seconds, restored = server.restore({s: s.replace("team", "velero") for s in spaces})
        _say(f"Velero: restore of {restored} items in {seconds:.1f} s; plan and apply {ours:.1f} s")
        return told(Bar("restore-10k-of-velero", 100 * ours / seconds, 8.33, "%"))


def _load(cluster: LocalCluster, count: int) -> None:
    loader = Loader(from_kubeconfig(cluster.kubeconfig))
    spaces = [f"team-{n:04d}" for n in range(count // _OBJECTS_A_NAMESPACE)]
    loader.create(NAMESPACE, (_body("Namespace", "", space) for space in spaces))
    loader.create(CONFIG_MAP, _bodies("ConfigMap", spaces))
    loader.create(SECRET, _bodies("Secret", spaces))
    loader.settle()


def _bodies(kind: str, spaces: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Half of each namespace's objects, in the order of numbers."""
    for space in spaces:
        for number in range(_OBJECTS_A_NAMESPACE // 2):
            text = random.Random(f"{space} {number}").randbytes(_PAYLOAD // 2).hex()
            field = "data" if kind == "ConfigMap" else "stringData"
            yield {**_body(kind, space, f"item-{number:03d}"), field: {"payload": text}}


def _body(kind: str, space: str, name: str) -> dict[str, Any]:
    place = {"namespace": space} if space else {}
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, **place}}


@contextmanager
def _cluster() -> Iterator[tuple[LocalCluster, Path]]:
    root = Path(tempfile.mkdtemp(prefix="lifeboat-bench-"))
    try:
        with LocalCluster(root / "cluster", root / "kubeconfig") as cluster:
            yield cluster, root
    finally:
        shutil.rmtree(root)


def _worker(what: str, cluster: LocalCluster, root: Path, prefix: str) -> _Figures:
    """A process of its own, so that memory and imports are its own."""
    command = [sys.executable, "-m", "bench.restore_worker", what, str(cluster.kubeconfig)]
    done = subprocess.run(
        [*command, str(root / "vault"), prefix],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise LocalClusterError(f"{what} failed:\n{done.stderr[-2000:]}")
    told_by_it: _Figures = json.loads(done.stdout)
    return told_by_it


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
