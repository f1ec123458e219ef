"""`make bench-capture`: what a capture costs beside the barest client and beside Velero.

One local control plane, one run: the same objects are listed by a client that only reads bytes,
captured by Lifeboat, and backed up by Velero, in turns. Their turns are shuffled and their
means compared: one list in two or three meets a garbage collection of the API server, which doubles
its time, and in a fixed order it would always be the same one's. A line a bar: name, figure, limit,
ok or short; exit status 1 when a bar is short.
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
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import velero
from bench.bars import Bar, told
from bench.disks import snapshot_bar
from bench.load import Loader
from lifeboat.adapters.kubeconfig import from_kubeconfig
from local.airflow_settings import REPOSITORY
from local.cluster import LocalCluster
from local.errors import LocalClusterError

_IN_FLIGHT = 8
_Figures = dict[str, float]


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.capture", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of Velero (default 3)")
    parser.add_argument("--turns", type=int, default=10, help="turns of the others (default 10)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of their order")
    parser.add_argument("--quick", action="store_true", help="10,000 objects and 50 volumes only")
    options = parser.parse_args(arguments)
    sizes = [(10_000, 50)] if options.quick else [(10_000, 50), (100_000, 200)]
    try:
        _say(f"turns in the order of seed {options.seed}")
        order = random.Random(options.seed)
        bars = [b for s in sizes for b in _sizes(*s, options.rounds, options.turns, order)]
        bars += [_many_namespaces(30 if options.quick else 1000)]
        with _cluster() as (cluster, root):
            bars.append(told(snapshot_bar(cluster, root, 50 if options.quick else 500)))
    except LocalClusterError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    return 0 if all(bar.ok for bar in bars) else 1


@contextmanager
def _cluster() -> Iterator[tuple[LocalCluster, Path]]:
    root = Path(tempfile.mkdtemp(prefix="lifeboat-bench-"))
    try:
        with LocalCluster(root / "cluster", root / "kubeconfig") as cluster:
            yield cluster, root
    finally:
        shutil.rmtree(root)


def _sizes(
    count: int, namespaces: int, rounds: int, turns: int, order: random.Random
) -> Iterator[Bar]:
    """Wall time against a bare listing and against Velero, memory, requests in flight."""
    with _cluster() as (cluster, root):
        _say(f"loading {count} objects into {namespaces} namespaces")
        _load(cluster, count, namespaces)
        _worker("bare", cluster, root)  # the API server's caches are warm for everybody
        mixed = ["bare", "point"] * turns + ["velero"] * (1 if count > 10_000 else rounds)
        order.shuffle(mixed)
        took: dict[str, list[_Figures]] = {"bare": [], "point": []}
        peer = []
        with velero.running(cluster, root / "velero", _say) as server:
            for what in mixed:
                if what != "velero":
                    took[what].append(_worker(what, cluster, root))
                    continue
                seconds, items = server.backup()
                _say(f"Velero: {items} items in {seconds:.1f} s")
                peer.append(seconds)
        size = f"{count // 1000}k"
        point = took["point"]
        least = statistics.mean(bare["seconds"] for bare in took["bare"])
        dump = statistics.mean(p["dump"] for p in point)
        whole = statistics.mean(p["seconds"] for p in point)
        beside = statistics.mean(peer)
        _say(
            f"means: bare {least:.2f} s, dump {dump:.2f} s, whole point {whole:.2f} s"
            f" ({100 * whole / beside:.1f} % of Velero's {beside:.1f} s)"
        )
        yield told(Bar(f"dump-{size}-of-a-bare-listing", dump / least, 1.3, "x", 2))
        yield told(Bar(f"dump-{size}-of-velero", 100 * dump / beside, 8.33, "%"))
        yield told(Bar(f"memory-{size}", max(p["peak_mib"] for p in point), 250, "MiB", 0))
        most = max(p["in_flight"] for p in point)
        yield told(Bar(f"requests-in-flight-{size}", most, _IN_FLIGHT, "", 0))


def _many_namespaces(namespaces: int) -> Bar:
    """Requests of a point, beyond one a kind to count and the pages of a bare listing."""
    with _cluster() as (cluster, root):
        _say(f"loading {namespaces} namespaces")
        _load(cluster, 3 * namespaces, namespaces)
        bare, point = _worker("bare", cluster, root), _worker("point", cluster, root)
        _say(f"{bare['kinds']} kinds, {bare['requests']} pages, {point['requests']} requests")
        more = point["requests"] - bare["kinds"] - bare["requests"]
        return told(Bar(f"requests-beyond-pages-{namespaces}-namespaces", more, 50, "", 0))


def _load(cluster: LocalCluster, count: int, namespaces: int) -> None:
    loader = Loader(from_kubeconfig(cluster.kubeconfig))
    loader.load(count, namespaces)
    _say("waiting until controllers have done with them")
    loader.settle()


def _worker(what: str, cluster: LocalCluster, root: Path) -> _Figures:
    """A process of its own, so that memory and imports are its own."""
    vault = root / "vault"
    shutil.rmtree(vault, ignore_errors=True)
    command = [sys.executable, "-m", "bench.capture_worker", what, str(cluster.kubeconfig)]
    done = subprocess.run(
        [*command, str(vault)], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LocalClusterError(f"{what} failed:\n{done.stderr[-2000:]}")
    told_by_it: dict[str, Any] = json.loads(done.stdout)
    return told_by_it


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
