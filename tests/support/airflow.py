"""Fixtures: a real Airflow with the repository's DAGs and plugins, once for the whole run, that
protects the sample application on the real local cluster.

What DAGs need to know (clusters, vaults) comes from `airflow_env`, one environment for the whole
run. A test that needs another one starts its own with `local.airflow_stack.temporary_airflow`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lifeboat.policy.load import load_instance
from lifeboat.policy.model import ClusterEntry, VaultEntry
from lifeboat.policy.places import VolumeReaderEntry
from lifeboat.steps.context import Context
from lifeboat.vault.keys import generate_key
from lifeboat.wiring import NoConnections, make_vault, open_context
from local import sample_app
from local.airflow_client import AirflowClient, Run
from local.airflow_stack import AirflowStack, temporary_airflow
from local.cluster import LocalCluster

QUIET = "quiet"
"""A namespace with nothing in it."""

_CLUSTERS = """\
clusters:
  - name: local
    kubeconfig: env:KUBECONFIG
    volumeReader: {driver: folder.csi.lifeboat.dev, root: "env:LIFEBOAT_FOLDER_CSI_ROOT"}
  - {name: linked, connection: kube_linked}
  - {name: pooled, kubeconfig: env:KUBECONFIG, pool: {slots: 8}}
  - {name: far, kubeconfig: FAR_KUBECONFIG}
vaults:
  - {name: main, url: "env:LIFEBOAT_VAULT_URL", key: "env:LIFEBOAT_VAULT_KEY"}
"""

_FAR = """\
apiVersion: v1
kind: Config
current-context: far
contexts: [{name: far, context: {cluster: far, user: far}}]
clusters: [{name: far, cluster: {server: "https://127.0.0.1:9"}}]
users: [{name: far, user: {token: none}}]
"""

_POLICIES = {
    "shop": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop, shop-data]}}
retention: {keep: {last: 50}}
testRestore: {}
""",
    "hooked": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop]}}
retention: {keep: {last: 50}}
hooks:
  - exec:
      namespace: shop
      labels: app=web
      pre: {command: [touch, hooked-frozen]}
      post: {command: [touch, hooked-thawed]}
  - scale: {namespace: shop, workload: statefulset/db}
""",
    # A freeze that fails half-way.
    "stuck": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop]}}
retention: {keep: {last: 50}}
hooks:
  - exec:
      namespace: shop
      labels: app=web
      pre: {command: [touch, stuck-frozen]}
      post: {command: [touch, stuck-thawed]}
  - exec: {namespace: shop, labels: app=web, pre: {command: ["false"]}}
""",
    # A freeze that ends before its snapshots are cut.
    "slow": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop-data]}}
retention: {keep: {last: 50}}
maxFreeze: 5s
hooks:
  - exec: {namespace: shop, labels: app=web, post: {command: [touch, slow-thawed]}}
""",
    # A freeze that takes long enough to be interrupted.
    "guarded": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop-data]}}
retention: {keep: {last: 50}}
maxFreeze: 45s
hooks:
  - exec:
      namespace: shop
      labels: app=web
      pre: {command: [sh, -c, "touch guarded-frozen; sleep 8"]}
      post: {command: [touch, guarded-thawed]}
""",
    # Restored only with somebody's word.
    "asked": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [asked]}}
retention: {keep: {last: 50}}
restore: {approval: required}
""",
    # A cluster that nobody can reach.
    "far": """\
clusters: [far]
objectives: {rpo: 24h}
retention: {keep: {last: 50}}
""",
    "quiet": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [quiet]}}
retention: {keep: {last: 50}}
testRestore: {timeout: 10s}
""",
    # A vault's part of its own, to be damaged.
    "kept": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop-data]}}
retention: {keep: {last: 2}}
upkeep: {scrub: 100%}
""",
    # The same cluster, by a connection that a test makes.
    "linked": """\
clusters: [linked]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop-data]}}
retention: {keep: {last: 50}}
""",
    # The same cluster, with a pool that a test imports.
    "shared": """\
clusters: [pooled]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop-data]}}
retention: {keep: {last: 50}}
""",
    # A volume that can be snapshotted, and one that a test makes and that cannot.
    "lacking": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop-data, lacking]}}
retention: {keep: {last: 50}}
""",
    # Files of its volume go into the vault, by pods in a namespace that a test makes.
    "moved": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop-data]}}
retention: {keep: {last: 50}}
volumes: {vaultTier: {namespace: movers}}
""",
    # Another DAG stands still while its volume is snapshotted.
    "held": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop-data]}}
retention: {keep: {last: 50}}
quiesce: {dags: [backup.monthly.local], mode: pause}
""",
    "lost": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [shop-data]}}
retention: {keep: {last: 50}}
quiesce: {dags: [no_such_dag]}
""",
    # Tested after every second point, and by ticks to backfill.
    "tested": """\
clusters: [local]
objectives: {rpo: 24h}
select: {namespaces: {include: [quiet]}}
retention: {keep: {last: 50}}
testRestore:
  everyPoints: 2
  schedule: {cron: "0 0 1 * *"}
  timeout: 10s
  checks: [objectsComplete]
""",
    # Ticks that Airflow has no timetable for, to backfill in every way.
    "outage": """\
clusters: [local]
schedule: {every: 31d, jitter: 6h}
select: {namespaces: {include: [quiet]}}
retention: {keep: {last: 50}}
""",
    # Ticks that an outage misses.
    "down": """\
clusters: [local]
schedule: {every: 31d, jitter: 6h}
select: {namespaces: {include: [quiet]}}
retention: {keep: {last: 50}}
""",
    # A run of long ago that died.
    "dead": """\
clusters: [local]
schedule: {cron: "0 0 1 * *"}
select: {namespaces: {include: [quiet]}}
retention: {keep: {last: 50}}
""",
    # Runs that come again after a restore.
    "again": """\
clusters: [local]
schedule: {cron: "0 0 1 * *"}
select: {namespaces: {include: [quiet]}}
retention: {keep: {last: 50}}
""",
    # A point of long ago, to be looked at again.
    "old": """\
clusters: [local]
objectives: {rpo: 7d}
select: {namespaces: {include: [quiet]}}
retention: {keep: {last: 50}}
""",
    # A point whenever another DAG has succeeded.
    "follower": """\
clusters: [local]
schedule: {after: {dags: [backup.old.local], connection: time_airflow}}
objectives: {rpo: 24h}
select: {namespaces: {include: [quiet]}}
retention: {keep: {last: 50}}
""",
    # Weeks of ticks that a test has Airflow miss.
    "missed": """\
clusters: [local]
schedule: {every: 7d}
objectives: {rpo: 8d}
select: {namespaces: {include: [quiet]}}
retention: {keep: {last: 50}}
""",
    # Ticks to backfill, and none of them while tests run.
    "monthly": """\
clusters: [local]
schedule: {cron: "0 0 1 * *"}
select: {namespaces: {include: [quiet]}}
retention: {keep: {last: 50}}
""",
}


def write_include(folder: Path) -> Path:
    """An include folder with the policies above: linked on cluster `linked`, shared on `pooled`,
    far on `far`, which does not answer, the others on `local`."""
    (folder / "policies").mkdir(parents=True)
    far = folder / "far.kubeconfig"
    far.write_text(_FAR)
    (folder / "clusters.yaml").write_text(_CLUSTERS.replace("FAR_KUBECONFIG", str(far)))
    for name, text in _POLICIES.items():
        (folder / "policies" / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="session")
def airflow_env(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is added to the environment of every Airflow component."""
    folder = tmp_path_factory.mktemp("protected")
    return {
        "LIFEBOAT_INCLUDE": str(write_include(folder / "include")),
        "KUBECONFIG": str(cluster.kubeconfig),
        "LIFEBOAT_VAULT_URL": (folder / "vault").as_uri(),
        "LIFEBOAT_VAULT_KEY": generate_key(),
        "LIFEBOAT_FOLDER_CSI_ROOT": str(cluster.csi_root),
    }


@pytest.fixture(scope="session")
def airflow(airflow_env: dict[str, str]) -> Iterator[AirflowStack]:
    """A running, warm Airflow."""
    with temporary_airflow(airflow_env) as stack:
        yield stack


@pytest.fixture
def airflow_admin(airflow: AirflowStack) -> Iterator[AirflowClient]:
    """Its REST API as an administrator."""
    airflow.check()
    client = airflow.client()
    yield client
    client.close()


@dataclass
class Lifeboat:
    """Airflow's API, the cluster, and the engine opened beside Airflow to look at what it did."""

    stack: AirflowStack
    client: AirflowClient
    cluster: LocalCluster
    env: dict[str, str]

    @property
    def vault_folder(self) -> Path:
        return Path(self.env["LIFEBOAT_VAULT_URL"].removeprefix("file://"))

    def start(self, dag: str, **conf: Any) -> str:
        """Trigger a run; its id."""
        self.client.wait_for_dag(dag)
        return self.client.trigger(dag, conf)

    def finish(self, dag: str, run: str, seconds: float = 300.0) -> Run:
        """Wait for a run, whatever comes of it."""
        return self.client.wait(dag, run, seconds=seconds, alive=self.stack.check)

    def run(self, dag: str, **conf: Any) -> Run:
        """A run that has to succeed."""
        done = self.finish(dag, self.start(dag, **conf))
        assert done.state == "success", self.client.failure(done)
        return done

    def back_up(self, instance: str) -> str:
        """A backup that has to succeed; the point that it made."""
        dag = f"backup.{instance}"
        return str(self.client.xcom(dag, self.run(dag).run_id, "commit")["point"])

    def database(self, statement: str) -> str:
        """What a statement returns, straight from Airflow's database."""
        return self.stack._postgres.scalar(statement)

    def log(self, run: Run, task: str) -> str:
        """The log of a task of a run."""
        found = next(one for one in run.tasks if one.task == task)
        return self.client.log(run.dag_id, run.run_id, found)

    def context(self, instance: str, vault: VaultEntry | None = None) -> Context:
        """The engine, opened with the same policy, vault and cluster, without Airflow; `vault` is
        where the policy's points lie, if that is not the vault in a folder."""
        found = load_instance(Path(self.env["LIFEBOAT_INCLUDE"]), instance)
        reader = VolumeReaderEntry(
            driver="folder.csi.lifeboat.dev", root=str(self.cluster.csi_root)
        )
        cluster = ClusterEntry(
            name=found.cluster.name,
            kubeconfig=str(self.cluster.kubeconfig),
            volume_reader=reader,
        )
        opened = replace(found, cluster=cluster, vault=vault or vault_of(self.env))
        return open_context(opened, NoConnections())


@pytest.fixture(scope="session")
def _sample(cluster: LocalCluster, airflow_env: dict[str, str]) -> None:
    sample_app.deploy(cluster.api, cluster.csi_root)
    metadata = {"name": QUIET}
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    make_vault(vault_of(airflow_env), NoConnections())


def vault_of(env: dict[str, str]) -> VaultEntry:
    """The same vault, its key in a file beside it instead of in Airflow's environment."""
    key = Path(env["LIFEBOAT_VAULT_URL"].removeprefix("file://")).with_name("key")
    key.write_text(env["LIFEBOAT_VAULT_KEY"])
    key.chmod(0o600)
    return VaultEntry(name="main", url=env["LIFEBOAT_VAULT_URL"], key=f"file:{key}")


@pytest.fixture
def lifeboat(
    _sample: None,
    airflow: AirflowStack,
    airflow_admin: AirflowClient,
    cluster: LocalCluster,
    airflow_env: dict[str, str],
) -> Lifeboat:
    """A protected cluster: the sample application, an empty vault, Airflow with the DAGs."""
    return Lifeboat(airflow, airflow_admin, cluster, airflow_env)
