"""`make bench-proof`: test restores of the sample application through Airflow, one after the other.

A real Airflow with the repository's DAGs on the local control plane: each run is triggered by the
API and timed from there to its verdict. In the end, what is in the cluster and was not there before
is counted: namespaces, objects, volumes, snapshots. A line a bar: name, figure, limit, ok or short;
exit status 1 when a bar is short.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from bench.bars import Bar, told
from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.kubeconfig import from_kubeconfig
from lifeboat.policy.model import VaultEntry
from lifeboat.vault.keys import generate_key
from lifeboat.wiring import NoConnections, make_vault
from local import sample_app
from local.airflow_client import AirflowClient
from local.airflow_stack import AirflowStack, temporary_airflow
from local.api import wait_until
from local.cluster import LocalCluster, temporary_cluster
from local.errors import LocalClusterError

_SECONDS = 90.0
_PASSING = ("Event", "Lease", "EndpointSlice", "Endpoints")
"""Kinds that controllers renew or let expire all the time, whatever anybody does."""

_CLUSTERS = """\
clusters:
  - name: local
    kubeconfig: env:KUBECONFIG
    volumeReader: {driver: folder.csi.lifeboat.dev, root: "env:LIFEBOAT_FOLDER_CSI_ROOT"}
vaults:
  - {name: main, url: "env:LIFEBOAT_VAULT_URL", key: "env:LIFEBOAT_VAULT_KEY"}
"""
_POLICY = """\
clusters: [local]
objectives: {rpo: 24h, rto: 90s}
select: {namespaces: {include: [shop, shop-data]}}
retention: {keep: {last: 50}}
testRestore:
  checks:
    - workloadsReady
    - objectsComplete
    - volumeBytesEqual
    - job: {namespace: shop, image: "example.invalid/tools:1", args: [verify]}
"""
_BACKUP, _PROOF = "backup.shop.local", "test_restore.shop.local"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.proofs", description=__doc__)
    parser.add_argument("--runs", type=int, default=20, help="test restores in a row (default 20)")
    options = parser.parse_args(arguments)
    root = Path(tempfile.mkdtemp(prefix="lifeboat-bench-"))
    try:
        with temporary_cluster() as cluster:
            _say("deploying the sample application")
            sample_app.deploy(cluster.api, cluster.csi_root)
            with temporary_airflow(_environment(root, cluster), report=_say) as stack:
                bars = _measure(stack, cluster, options.runs)
    except LocalClusterError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(root)
    return 0 if all(bar.ok for bar in bars) else 1


def _measure(stack: AirflowStack, cluster: LocalCluster, runs: int) -> list[Bar]:
    client = stack.client()
    try:
        for dag in (_BACKUP, _PROOF):
            client.wait_for_dag(dag)
        _finish(client, stack, _BACKUP)
        before = _inventory(cluster)
        took, inside = [], []
        for number in range(runs):
            seconds, run_seconds = _verdict(client, stack)
            took.append(seconds)
            inside.append(run_seconds)
            _say(f"{number + 1}: verdict after {seconds:.1f} s, in the run {run_seconds:.1f} s")
        _say(f"median {statistics.median(took):.1f} s")
        left = _left(cluster, before)
        for what in sorted(left)[:20]:
            _say(f"left behind: {what}")
        return [
            told(Bar(f"verdict-from-trigger-worst-of-{runs}", max(took), _SECONDS)),
            told(Bar(f"left-behind-after-{runs}", len(left), 0, "", 0)),
        ]
    finally:
        client.close()


def _verdict(client: AirflowClient, stack: AirflowStack) -> tuple[float, float]:
    """Seconds from the trigger, and from the run's start, until the verdict was written."""
    began = time.time()
    run = _finish(client, stack, _PROOF)
    (task,) = [
        one
        for one in client.request("GET", f"/api/v2/dags/{_PROOF}/dagRuns/{run}/taskInstances")[
            "task_instances"
        ]
        if one["task_id"] == "verdict"
    ]
    ended = datetime.fromisoformat(task["end_date"]).timestamp()
    started = client.request("GET", f"/api/v2/dags/{_PROOF}/dagRuns/{run}")["start_date"]
    return ended - began, ended - datetime.fromisoformat(started).timestamp()


def _finish(client: AirflowClient, stack: AirflowStack, dag: str) -> str:
    run = client.wait(dag, client.trigger(dag, {}), alive=stack.check)
    if run.state != "success":
        raise LocalClusterError(f"{dag} failed:\n{client.failure(run)}")
    return run.run_id


def _inventory(cluster: LocalCluster) -> set[str]:
    """Every object of every kind, by its name, and the folders of volumes and snapshots."""
    api = ClusterApi(from_kubeconfig(cluster.kubeconfig))
    found = set()
    for kind in api.discover().kinds:
        if "list" not in kind.verbs or kind.kind in _PASSING:
            continue
        for page in api.list_pages(kind):
            for raw in page.items:
                meta = json.loads(raw)["metadata"]
                found.add(f"{kind.group_kind} {meta.get('namespace', '')}/{meta['name']}")
    folders = [path for path in cluster.csi_root.rglob("*") if path.is_dir()]
    return found | {f"folder {path.relative_to(cluster.csi_root)}" for path in folders}


def _left(cluster: LocalCluster, before: set[str]) -> set[str]:
    """What is there and was not; controllers that still tidy up are given a minute."""
    left: set[str] = set()

    def tidy() -> bool:
        nonlocal left
        left = _inventory(cluster) - before
        return not left

    with suppress(LocalClusterError):
        wait_until("nothing is left", tidy, 60)
    return left


def _environment(root: Path, cluster: LocalCluster) -> dict[str, str]:
    """The include folder, an empty vault, and what every component of Airflow is told."""
    (root / "include" / "policies").mkdir(parents=True)
    (root / "include" / "clusters.yaml").write_text(_CLUSTERS)
    (root / "include" / "policies" / "shop.yaml").write_text(_POLICY)
    key = generate_key()
    (root / "key").write_text(key)
    (root / "key").chmod(0o600)
    url = (root / "vault").as_uri()
    make_vault(VaultEntry(name="main", url=url, key=f"file:{root / 'key'}"), NoConnections())
    return {
        "LIFEBOAT_INCLUDE": str(root / "include"),
        "KUBECONFIG": str(cluster.kubeconfig),
        "LIFEBOAT_VAULT_URL": url,
        "LIFEBOAT_VAULT_KEY": key,
        "LIFEBOAT_FOLDER_CSI_ROOT": str(cluster.csi_root),
    }


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
