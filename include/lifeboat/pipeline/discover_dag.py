"""The DAG that looks for clusters, where clusters.yaml says where."""

from __future__ import annotations

from airflow.sdk import DAG, task

from lifeboat.pipeline.frame import DISCOVER_DAG, fleet_dag
from lifeboat.policy.schedule import Schedule

_DOC = """\
Asks Azure and Airflow which clusters there are, as `discover` in clusters.yaml says, and writes
what they know into a file that DAG files read: a new cluster is protected at the next parse by
every policy whose `clusterLabels` fit. A cluster that is found no more keeps its DAGs; it is told
here, and as an import error of policy_lint.py, until `lifeboat clusters forget NAME`.
docs/clusters.md says more.
"""


def discover_dag(schedule: Schedule) -> DAG:
    """One for the fleet."""
    with fleet_dag(DISCOVER_DAG, "Find the clusters that nobody wrote down", schedule, _DOC) as dag:
        task(task_id="discover", max_active_tis_per_dag=1)(discover)()
    return dag


def discover() -> dict[str, list[str]]:
    """Writes what is known now; also when a source could not be asked, which is raised then."""
    from lifeboat.clock import utc_now
    from lifeboat.errors import UsageError
    from lifeboat.pipeline.connections import AirflowConnections
    from lifeboat.pipeline.opening import say
    from lifeboat.policy.discover import write_discovered
    from lifeboat.policy.folder import include_folder
    from lifeboat.policy.load import load_clusters
    from lifeboat.steps.discover import ensure_asked, look_around
    from lifeboat.wiring import finders

    include = include_folder()
    clusters = load_clusters(include)
    if clusters.discover is None:
        raise UsageError("clusters.yaml has no `discover` any more")
    sources = finders(clusters.discover, AirflowConnections())
    look = look_around(include, clusters, sources, utc_now())
    write_discovered(include, look.file)
    for line in look.told():
        say(line)
    ensure_asked(look)
    return {"new": list(look.new), "lost": list(look.lost), "back": list(look.back)}
