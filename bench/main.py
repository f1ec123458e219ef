"""`make bench-main`: what the main job costs, a line a bar: name, figure, limit, ok or short.

Everything is real (control plane, Airflow, an encrypted vault) and made anew in a temporary folder;
the first run of each kind warms up and is not counted. Exit status 1 when a bar is short.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

from bench.bars import Bar, told
from local import sample_app
from local.airflow_client import AirflowClient, Run
from local.airflow_settings import REPOSITORY
from local.airflow_stack import AirflowStack
from local.cluster import LocalCluster
from local.demo import environment
from local.errors import LocalClusterError

EMPTY_POLICY = """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [empty]}}
retention: {keep: {last: 3}}
"""
_RUN_SECONDS = 300.0


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.main", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="counted runs of each bar (default 5)")
    parser.add_argument("--timeline", action="store_true", help="where the seconds of a run go")
    options = parser.parse_args(arguments)
    root = Path(tempfile.mkdtemp(prefix="lifeboat-bench-"))
    try:
        bars = _measure(root, options.runs, timeline=options.timeline)
    except LocalClusterError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(root)
    return 0 if all(bar.ok for bar in bars) else 1


def _measure(root: Path, runs: int, *, timeline: bool) -> list[Bar]:
    bars = []
    with ExitStack() as stack:
        cluster = stack.enter_context(LocalCluster(root / "cluster", root / "kubeconfig"))
        sample_app.deploy(cluster.api, cluster.csi_root)
        metadata = {"name": "empty"}
        cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        env = {**environment(root, cluster), "LIFEBOAT_INCLUDE": str(_include(root))}
        bars.append(told(Bar("cli-backup-sample", _cli(env, runs), 3)))
        airflow = stack.enter_context(AirflowStack(root / "airflow", env=env, report=to_stderr))
        client = airflow.client()
        stack.callback(client.close)
        for name, policy, limit in (("sample", "shop", 20), ("empty", "empty", 12)):
            figures, last = through_airflow(client, f"backup.{policy}.local", runs)
            bars.append(told(Bar(f"point-through-airflow-{name}", figures, limit)))
            if timeline:
                _show(last)
    return bars


def _cli(env: dict[str, str], runs: int) -> float:
    command = [sys.executable, "-m", "lifeboat", "backup", "shop.local"]
    whole = {**os.environ, **env, "PYTHONPATH": str(REPOSITORY / "include")}

    def once() -> float:
        began = time.monotonic()
        done = subprocess.run(command, env=whole, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise LocalClusterError(f"lifeboat backup failed:\n{done.stderr}")
        return time.monotonic() - began

    once()
    return statistics.median(once() for _ in range(runs))


def through_airflow(client: AirflowClient, dag: str, runs: int) -> tuple[float, Run]:
    """From the trigger's answer on until the run is seen to have ended; and the last run."""
    client.wait_for_dag(dag)
    figures = []
    for _ in range(runs + 1):
        began = time.monotonic()
        done = client.wait(dag, client.trigger(dag), seconds=_RUN_SECONDS)
        figures.append(time.monotonic() - began)
        if done.state != "success":
            raise LocalClusterError(client.failure(done))
    return statistics.median(figures[1:]), done


def _show(run: Run) -> None:
    began = min(datetime.fromisoformat(task.started) for task in run.tasks if task.started)
    for task in sorted(run.tasks, key=lambda task: task.started or "~"):
        if not task.started or not task.ended:
            continue
        start = (datetime.fromisoformat(task.started) - began).total_seconds()
        end = (datetime.fromisoformat(task.ended) - began).total_seconds()
        to_stderr(f"  {start:6.2f} - {end:6.2f} s  {task.name} ({task.state})")


def _include(root: Path) -> Path:
    """The repository's clusters and shop, and a policy for an empty namespace; no schedules."""
    folder = root / "include"
    (folder / "policies").mkdir(parents=True)
    shutil.copy(REPOSITORY / "include" / "clusters.yaml", folder)
    shop = EMPTY_POLICY.replace("[empty]", "[shop, shop-data]")
    (folder / "policies" / "shop.yaml").write_text(shop)
    (folder / "policies" / "empty.yaml").write_text(EMPTY_POLICY)
    return folder


def to_stderr(line: str) -> None:
    """Beside the bars."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
