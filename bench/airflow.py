"""`make bench-airflow`: what Airflow's side costs, a line a bar: name, figure, limit, ok or short.

`--quick` measures only the reading of DAG files, which needs no running Airflow. Everything else is
real: a control plane, Airflow with Postgres and LocalExecutor, an encrypted vault. `--fleet` is the
fleet day alone: 200 instances in three rounds of 20 minutes. `--instances 50` makes it smaller,
three rounds of 5 minutes, which is as dense and the least that shows something.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench import sharded
from bench.bars import Bar, told
from bench.fleet_day import SETTINGS, Fleet, fleet_bars
from bench.main import EMPTY_POLICY, through_airflow, to_stderr
from bench.parsing import parsing_bars
from local import sample_app
from local.airflow_client import AirflowClient
from local.airflow_settings import REPOSITORY
from local.airflow_stack import AirflowStack
from local.cluster import LocalCluster
from local.demo import environment
from local.errors import LocalClusterError


def main(arguments: list[str] | None = None) -> int:
    """Measure and print. Exit status 1 when a bar is short."""
    parser = argparse.ArgumentParser(prog="python -m bench.airflow", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the reading of DAG files")
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each bar (default 5)")
    parser.add_argument("--fleet", action="store_true", help="only the fleet day")
    parser.add_argument("--instances", type=int, default=200, help="of the fleet (default 200)")
    options = parser.parse_args(arguments)
    root = Path(tempfile.mkdtemp(prefix="lifeboat-bench-"))
    try:
        bars: list[Bar] = [] if options.fleet else parsing_bars(root / "parse")
        if not options.quick and not options.fleet:
            bars += _single(root / "single", options.runs)
        if not options.quick:
            bars += _fleet_day(root / "fleet", Fleet(options.instances))
    except LocalClusterError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(root)
    return 0 if all(bar.ok for bar in bars) else 1


def _single(root: Path, runs: int) -> list[Bar]:
    """The bars of runs one by one, of which `runs` are counted."""
    with LocalCluster(root / "cluster", root / "kubeconfig") as cluster:
        sample_app.deploy(cluster.api, cluster.csi_root)
        _write_single(_policies(root), cluster)
        env = {"AIRFLOW__CORE__DAGS_FOLDER": str(sharded.dags_folder(root / "dags"))}
        with _airflow(root, cluster, env) as (_, client):
            return _run_bars(client, runs)


def _fleet_day(root: Path, fleet: Fleet) -> list[Bar]:
    """With all DAGs that there are, not those of backups alone."""
    with LocalCluster(root / "cluster", root / "kubeconfig") as cluster:
        fleet.write(_policies(root), cluster.api)
        with _airflow(root, cluster, SETTINGS) as (airflow, client):
            return fleet_bars(airflow, client, fleet, to_stderr)


def _policies(root: Path) -> Path:
    """The folder for policies, in an include folder with the repository's clusters."""
    folder = root / "include" / "policies"
    folder.mkdir(parents=True)
    shutil.copy(REPOSITORY / "include" / "clusters.yaml", folder.parent)
    return folder


@contextmanager
def _airflow(
    root: Path, cluster: LocalCluster, settings: Mapping[str, str]
) -> Iterator[tuple[AirflowStack, AirflowClient]]:
    env = {**environment(root, cluster), **settings, "LIFEBOAT_INCLUDE": str(root / "include")}
    with AirflowStack(root / "airflow", env=env, report=to_stderr) as airflow:
        client = airflow.client()
        try:
            yield airflow, client
        finally:
            client.close()


def _run_bars(client: AirflowClient, runs: int) -> list[Bar]:
    empty, last = through_airflow(client, "backup.empty.local", runs)
    bars = [told(Bar("empty-namespace-trigger-to-success", empty, 12))]
    bars.append(
        told(Bar("tasks-of-an-empty-backup", _ran(client, last.dag_id, last.run_id), 9, "", 0))
    )
    for name in ("no-hooks", "pod-hooks"):
        _, last = through_airflow(client, f"backup.{name}.local", 1)
        ran = _ran(client, last.dag_id, last.run_id)
        bars.append(told(Bar(f"tasks-with-volumes-{name}", ran, 9, "", 0)))
    many, last = through_airflow(client, "backup.many.local", 1)
    mapped = sum(1 for task in last.tasks if task.task == "dump")
    each = (many - empty) / (mapped - 1)
    return [*bars, told(Bar(f"mapped-shard-of-{mapped}", each, 0.4, "s", 2))]


def _ran(client: AirflowClient, dag: str, run: str) -> int:
    """Tasks that had a process, which is what costs; skipped ones have none."""
    return sum(1 for task in client.task_instances(dag, run) if task.started and task.try_number)


def _write_single(policies: Path, cluster: LocalCluster) -> None:
    """Policies without schedules, and what they protect."""
    many = ", ".join(f"many-{number}" for number in range(sharded.NAMESPACES))
    sample = "shop, shop-data"
    spaces = {"empty": "empty", "no-hooks": sample, "pod-hooks": sample, "many": many}
    for name, selected in spaces.items():
        text = EMPTY_POLICY.replace("[empty]", f"[{selected}]")
        if name != "pod-hooks":
            text += "podHooks: {enabled: false}\n"
        (policies / f"{name}.yaml").write_text(text)
    for name in ("empty", *many.split(", ")):
        metadata = {"name": name}
        cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    for name in many.split(", "):
        for body in sharded.objects(name):
            cluster.api.apply(body)


if __name__ == "__main__":
    sys.exit(main())
