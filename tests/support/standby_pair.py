"""Two real control planes whose CSI drivers share one folder, as two clusters share a storage, and
an application of which one stands by for the other."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import rmtree
from typing import Any

import yaml

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.point.manifest import Manifest, Run
from lifeboat.point.standby import StandbyEvent
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import load_clusters, load_instance
from lifeboat.policy.model import ClusterEntry
from lifeboat.ports.cluster import Json
from lifeboat.standby.sides import Sides
from lifeboat.standby.sync import Asked, sync
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.vault.keys import generate_key
from lifeboat.wiring import NoConnections, make_vault, open_context, open_sides
from local.api import wait_until
from local.cluster import LocalCluster
from tests.support.access import bind_roles, service_account
from tests.support.app import DRIVER, manifests, wait_ready

PRIMARY, STANDBY = "prod", "dr"


@contextmanager
def two_clusters() -> Iterator[dict[str, LocalCluster]]:
    """By name."""
    folder = Path(tempfile.mkdtemp(prefix="lifeboat-pair-"))
    shared = folder / "csi"
    shared.mkdir()
    try:
        with ExitStack() as stack:
            found = {}
            for name in (PRIMARY, STANDBY):
                (folder / name).mkdir()
                (folder / name / "csi").symlink_to(shared)
                place = (folder / name, folder / f"{name}.kubeconfig")
                found[name] = stack.enter_context(LocalCluster(*place, audit=True))
            yield found
    finally:
        rmtree(folder)


def rebuilt(cluster: LocalCluster) -> LocalCluster:
    """A lost cluster made anew, to be started: no objects, another address, the same storage."""
    shared = cluster.csi_root.resolve()
    cluster.stop()
    root = cluster.root.with_name(f"{cluster.root.name}-anew")
    root.mkdir()
    (root / "csi").symlink_to(shared)
    return LocalCluster(root, root.with_suffix(".kubeconfig"), audit=True)


def workloads(name: str) -> list[Json]:
    """Beside the application's Deployment: what holds otherwise."""
    labels = {"app": "other"}
    pod: Json = {"containers": [{"name": "main", "image": "example.invalid/app:1"}]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    once = {"template": {"spec": {**pod, "restartPolicy": "Never"}}}
    wanted = {"selector": {"matchLabels": labels}, "template": template}
    made: list[tuple[str, str, str, Json]] = [
        ("apps/v1", "StatefulSet", "queue", {"spec": {**wanted, "serviceName": ""}}),
        ("apps/v1", "DaemonSet", "agent", {"spec": wanted}),
        ("v1", "Pod", "lone", {"spec": pod}),
        (
            "batch/v1",
            "CronJob",
            "nightly",
            {"spec": {"schedule": "0 2 1 1 *", "jobTemplate": {"spec": once}}},
        ),
    ]
    return [
        {"apiVersion": v, "kind": k, "metadata": {"name": n, "namespace": name}, **rest}
        for v, k, n, rest in made
    ]


@dataclass
class Pair:
    """The application `name`, protected in `prod`, standing by in `dr` under the same names."""

    name: str
    clusters: dict[str, LocalCluster]
    folder: Path
    policy: dict[str, Any]
    endpoints: dict[str, Endpoint] = field(default_factory=dict)

    def space(self, where: str) -> str:
        """What the application's namespace is called there."""
        mapping: dict[str, str] = self.policy.get("standby", {}).get("mapping", {})
        return mapping.get(self.name, self.name) if where == STANDBY else self.name

    @property
    def id(self) -> str:
        return f"{self.name}.{PRIMARY}"

    @property
    def include(self) -> Path:
        """The files, as they are now."""
        folder = self.folder / "include"
        (folder / "policies").mkdir(parents=True, exist_ok=True)
        clusters = [
            {
                "name": name,
                "kubeconfig": str(cluster.kubeconfig),
                "volumeReader": {"driver": DRIVER, "root": str(cluster.csi_root)},
            }
            for name, cluster in self.clusters.items()
        ]
        vault = {
            "name": "main",
            "url": f"file://{self.folder / 'vault'}",
            "key": f"file:{self.folder / 'key'}",
        }
        written = {"clusters": clusters, "vaults": [vault]}
        (folder / "clusters.yaml").write_text(yaml.safe_dump(written))
        (folder / "policies" / f"{self.name}.yaml").write_text(yaml.safe_dump(self.policy))
        return folder

    def sides(self) -> Sides:
        """Both clusters with the credentials of `endpoints`, an administrator's without."""
        include = self.include
        entry = load_clusters(include).cluster(STANDBY)
        assert entry is not None
        made = open_sides(load_instance(include, self.id), entry, NoConnections(), include)

        def opened(instance: Instance, target: ClusterEntry | None) -> Context:
            context = open_context(instance, NoConnections(), target=target)
            name = (target or instance.cluster).name
            if name not in self.endpoints:
                return context
            cluster = ClusterApi(self.endpoints[name])
            return replace(context, cluster=cluster, disks=DisksCsi(cluster))

        return replace(made, open=opened)

    def backup(self) -> Manifest:
        """A point of the primary."""
        made = backup(self.sides().primary(), Run(f"run-{uuid.uuid4()}", "manual"), quiet)
        assert made is not None
        return made

    def sync(self, point: str = "latest") -> StandbyEvent:
        """Bring a point to the standby."""
        sides = self.sides()
        asked = Asked(f"run-{uuid.uuid4()}", "tester")
        return sync(sides.standby(), point, asked, quiet, sides.read_transform)

    def get(self, where: str, api_version: str, kind: str, name: str) -> Json:
        found: Json = self.clusters[where].api.get(api_version, kind, self.space(where), name)
        return found

    def ledger(self, where: str) -> Path:
        """A file in the application's volume."""
        return self.clusters[where].claim_path(self.space(where), "data") / "ledger"

    def make(self, where: str, name: str, colour: str) -> None:
        """A ConfigMap, or another colour of it."""
        metadata = {"name": name, "namespace": self.name}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        self.clusters[where].api.apply({**body, "data": {"colour": colour}})

    def colour(self, where: str, name: str) -> str:
        """Empty where there is no such ConfigMap."""
        api = self.clusters[where].api
        if api.gone("v1", "ConfigMap", self.name, name):
            return ""
        return str(api.get("v1", "ConfigMap", self.name, name)["data"]["colour"])

    def wait_running(self, where: str) -> None:
        wait_ready(self.clusters[where], self.space(where))

    def wait_still(self, where: str) -> None:
        """Until no pod runs; those behind a gate do not."""
        api = self.clusters[where].api

        def still() -> bool:
            pods = api.list("v1", "Pod", self.space(where))
            return not [pod for pod in pods if not pod["spec"].get("schedulingGates")]

        wait_until(f"nothing of {self.name} runs in {where}", still, 120)

    def bind(self, where: str, *roles: str) -> None:
        """From here on the engine has these shipped roles there, and nothing else."""
        cluster, space = self.clusters[where], f"lifeboat-{self.name}"
        space_body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}
        cluster.api.apply(space_body)
        endpoint = service_account(cluster, space, "lifeboat")
        bind_roles(cluster, endpoint, space, roles)
        self.endpoints[where] = endpoint


def make_pair(clusters: dict[str, LocalCluster], folder: Path) -> Pair:
    """The application running in `prod`, with bytes in its volume, an empty vault and a policy."""
    name = f"app-{uuid.uuid4().hex[:8]}"
    for body in (*manifests(name), *workloads(name)):
        if "namespace" in body["metadata"]:
            body["metadata"]["namespace"] = name
        clusters[PRIMARY].api.apply(body)
    wait_ready(clusters[PRIMARY], name)
    (folder / "key").write_text(generate_key())
    (folder / "key").chmod(0o600)
    policy = {
        "clusters": [PRIMARY],
        "objectives": {"rpo": "1h", "rto": "10m"},
        "select": {"namespaces": {"include": [name]}},
        "retention": {"keep": {"last": 9}},
        "standby": {"cluster": STANDBY},
    }
    pair = Pair(name, clusters, folder, policy)
    pair.ledger(PRIMARY).write_text("one")
    make_vault(load_instance(pair.include, pair.id).vault, NoConnections())
    return pair


def quiet(_: str) -> None: ...
