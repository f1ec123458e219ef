"""A small application in a namespace of its own, and the engine opened on it.

Every test gets its own namespace, vault and policy, so that tests can run in any order and twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.exec_api import ExecApi
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.errors import NotFound
from lifeboat.point.manifest import Manifest, Run
from lifeboat.policy.instance import Instance
from lifeboat.policy.load import parse_policy
from lifeboat.policy.model import ClusterEntry, VaultEntry
from lifeboat.policy.places import VolumeReaderEntry
from lifeboat.ports.cluster import Kind
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.vault.keys import generate_key
from lifeboat.wiring import NoConnections, make_vault, open_context
from local.api import wait_until
from local.cluster import LocalCluster

DRIVER = "folder.csi.lifeboat.dev"
SECRET = "correct-horse-battery-staple"  # what must never be seen outside the vault
DEPLOYMENT = Kind("apps", "v1", "deployments", "Deployment", namespaced=True)
NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
CONFIG_MAP = Kind("", "v1", "configmaps", "ConfigMap", namespaced=True)
_POD = {
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "main", "image": "example.invalid/app:1"}],
    }
}


@dataclass
class App:
    """The application `name` in namespace `name`, protected by a policy of the same name."""

    name: str
    cluster: LocalCluster
    folder: Path
    policy: dict[str, Any] = field(default_factory=dict)

    def instance(self) -> Instance:
        reader = VolumeReaderEntry(driver=DRIVER, root=str(self.cluster.csi_root))
        return local_instance(self.name, self.policy, self.cluster, self.folder, reader)

    def context(self) -> Context:
        """A freshly opened engine, as every command and every task opens it."""
        return open_context(self.instance(), NoConnections())

    def opened(self, endpoint: Endpoint) -> Context:
        """The engine with another credential."""
        cluster = ClusterApi(endpoint)
        pods = ExecApi(endpoint)
        return replace(self.context(), cluster=cluster, disks=DisksCsi(cluster), pods=pods)

    def backup(self, run: str = "", trigger: str = "manual") -> Manifest:
        """One whole backup in this process."""
        made = backup(self.context(), Run(run or f"run-{uuid.uuid4()}", trigger), _quiet)
        assert made is not None
        return made

    @property
    def data(self) -> Path:
        """The folder behind the claim `data`."""
        return self.cluster.claim_path(self.name, "data")

    def lose(self) -> None:
        """Delete the namespace and wait until it and its volume are gone."""
        folder = self.data
        api = self.cluster.api
        # A namespace that holds protected claims is looked at again only every eight seconds.
        api.delete("apps/v1", "Deployment", self.name, "web")
        wait_until("the pods are gone", lambda: not api.list("v1", "Pod", self.name), 60)
        api.delete("v1", "PersistentVolumeClaim", self.name, "data")
        api.delete("v1", "Namespace", "", self.name)
        wait_until("the namespace is gone", lambda: api.gone("v1", "Namespace", "", self.name), 120)
        wait_until("the volume is gone", lambda: not folder.exists(), 60)


def local_instance(
    name: str,
    policy: dict[str, Any],
    cluster: LocalCluster,
    folder: Path,
    reader: VolumeReaderEntry | None = None,
) -> Instance:
    """A policy on a local cluster, with a vault and its key in `folder`."""
    text = yaml.safe_dump(policy)
    return Instance(
        policy=parse_policy(text, "test.yaml", name),
        cluster=ClusterEntry(
            name="local", kubeconfig=str(cluster.kubeconfig), volume_reader=reader
        ),
        vault=VaultEntry(
            name="main", url=f"file://{folder / 'vault'}", key=f"file:{folder / 'key'}"
        ),
        policy_text=text,
        policy_digest=f"sha256:{sha256(text.encode()).hexdigest()}",
        source="test.yaml",
    )


def captured(context: Context, run: str = "run-1") -> Manifest:
    """One whole backup with what is open there."""
    made = backup(context, Run(run, "manual"), _quiet)
    assert made is not None
    return made


def _quiet(_: str) -> None: ...


def manifests(name: str) -> list[dict[str, Any]]:
    """Namespace, configuration, a Deployment that uses a claim, and its Service."""
    labels = {"app": name}
    mount = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
    template = {"metadata": {"labels": labels}, "spec": {**_POD["spec"], "volumes": mount}}
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {"team": "tests"}},
        },
        _object("v1", "ConfigMap", "settings", {"data": {"colour": "blue"}}),
        _object("v1", "Secret", "login", {"stringData": {"password": SECRET}}),
        _object(
            "v1",
            "PersistentVolumeClaim",
            "data",
            {
                "spec": {
                    "accessModes": ["ReadWriteOnce"],
                    "resources": {"requests": {"storage": "64Mi"}},
                }
            },
        ),
        _object(
            "apps/v1",
            "Deployment",
            "web",
            {"spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}},
        ),
        _object("v1", "Service", "web", {"spec": {"selector": labels, "ports": [{"port": 80}]}}),
    ]


def _object(api_version: str, kind: str, name: str, rest: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": ""}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def wait_ready(cluster: LocalCluster, name: str) -> None:
    """Wait until the claim is bound and the Deployment has its pods."""

    def ready() -> bool:
        api = cluster.api
        claim = api.get("v1", "PersistentVolumeClaim", name, "data")
        web = api.get("apps/v1", "Deployment", name, "web")
        bound = claim.get("status", {}).get("phase") == "Bound"
        pods = web.get("status", {}).get("readyReplicas", 0)
        return bool(bound and pods == web["spec"]["replicas"])

    wait_until(f"{name} is ready", ready, 120)


@pytest.fixture
def app(cluster: LocalCluster, tmp_path: Path) -> Iterator[App]:
    """The application, running, with bytes in its volume, an empty vault and a policy."""
    with running_app(cluster, tmp_path) as made:
        yield made


@contextmanager
def running_app(cluster: LocalCluster, folder: Path) -> Iterator[App]:
    """The fixture `app` in any cluster; `folder` gets its vault and key."""
    name = f"app-{uuid.uuid4().hex[:8]}"
    for manifest in manifests(name):
        if "namespace" in manifest["metadata"]:
            manifest["metadata"]["namespace"] = name
        cluster.api.apply(manifest)
    wait_ready(cluster, name)
    (folder / "key").write_text(generate_key())
    (folder / "key").chmod(0o600)
    policy = {
        "clusters": ["local"],
        "objectives": {"rpo": "1h", "rto": "10m"},
        "select": {"namespaces": {"include": [name]}},
        "retention": {"keep": {"last": 2}},
        "testRestore": {},
    }
    made = App(name, cluster, folder, policy)
    (made.data / "ledger").write_bytes(b"one\0two" * 1000)
    make_vault(made.instance().vault, NoConnections())
    yield made
    context = made.context()
    for namespace in (name, f"{name}-copy"):
        context.cluster.delete(NAMESPACE, None, namespace)


def exists(context: Context, kind: Kind, namespace: str | None, name: str) -> bool:
    """Whether an object is there."""
    try:
        context.cluster.get(kind, namespace, name)
    except NotFound:
        return False
    return True
