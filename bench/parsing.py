"""What reading a DAG file costs: the processor time of a process that does it, and of a task.

Each measurement is a process of its own that has imported what Airflow's own process has (the SDK,
and the plugin, which brings the engine's reader of policies) and then runs dags/backup.py once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from bench.bars import Bar, told
from local.airflow_settings import REPOSITORY

_FEW, _MANY = 500, 2000
_CLUSTERS = """\
clusters: [{name: local, inCluster: true}]
vaults: [{name: main, url: "file:///nowhere/vault", key: "env:NO_KEY"}]
"""
_POLICY = """\
clusters: [local]
schedule: {{cron: "{minute} * * * *"}}
select: {{namespaces: {{include: [team-{number}]}}}}
retention: {{keep: {{last: 24, daily: 7, weekly: 4}}}}
testRestore: {{schedule: {{cron: "{minute} 5 * * 0"}}}}
"""


def parsing_bars(root: Path) -> list[Bar]:
    """Of 500 and 2,000 policies, and of a task among 500; the best of three, others may work."""
    few, many = (_include(root / str(count), count) for count in (_FEW, _MANY))
    seconds, slow = _best(few), _best(many)
    return [
        told(Bar("parse-500-policies", seconds, 5, "s cpu", 2)),
        told(Bar("parse-2000-of-500", slow / seconds, _MANY / _FEW * 1.1, "x", 2)),
        told(Bar("task-start-among-500", _best(few, "backup.p0007.local"), 0.15, "s cpu", 3)),
    ]


def _include(folder: Path, count: int) -> Path:
    (folder / "policies").mkdir(parents=True)
    (folder / "clusters.yaml").write_text(_CLUSTERS)
    for number in range(count):
        text = _POLICY.format(minute=number % 60, number=number)
        (folder / "policies" / f"p{number:04}.yaml").write_text(text)
    return folder


def _best(include: Path, task_of: str = "") -> float:
    """Seconds of processor time."""
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")},
        "AIRFLOW_HOME": str(include.parent / "home"),
        "PYTHONPATH": os.pathsep.join(map(str, (REPOSITORY / "include", REPOSITORY))),
        "LIFEBOAT_INCLUDE": str(include),
    }
    if task_of:
        env["_AIRFLOW_PARSING_CONTEXT_DAG_ID"] = task_of
    command = [sys.executable, "-m", __name__]
    runs = (
        subprocess.run(command, env=env, cwd=REPOSITORY, capture_output=True, text=True, check=True)
        for _ in range(3)
    )
    return min(float(done.stdout.splitlines()[-1]) for done in runs)


def _main() -> None:
    import runpy

    import airflow.models
    import airflow.providers.standard.decorators.python
    import airflow.sdk.execution_time.task_runner  # noqa: F401

    runpy.run_path(str(REPOSITORY / "plugins" / "lifeboat_plugin.py"))
    began = time.process_time()
    found = runpy.run_path(str(REPOSITORY / "dags" / "backup.py"))
    seconds = time.process_time() - began
    assert any(name.startswith("backup.") for name in found)
    print(seconds)


if __name__ == "__main__":
    _main()
