"""What is protected and by whom while things go wrong, and how to break and mend each of them."""

from __future__ import annotations

import signal
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lifeboat.policy.model import VaultEntry
from lifeboat.steps.context import Context
from lifeboat.wiring import NoConnections, make_vault
from local import sample_app
from local.cluster import LocalCluster
from local.errors import ApiError, LocalClusterError
from local.processes import end_all
from tests.chaos.faults import AIRFLOW, AZURITE, KUBE, LINK, Fault
from tests.support.airflow import Lifeboat
from tests.support.azurite import Azurite, running_azurite
from tests.support.celery import celery_lifeboat
from tests.support.link import Link, link_to

SHOP = "shop.local"
BLOB = "blob.local"
HOOKS = "chaos-hooks"
"""A line `freeze` or `thaw` for each that a command in a pod has done: kwok runs them here."""

_READY_CONDITIONS = ("ContainersReady", "Ready")
_STOP_SECONDS = 30.0
_URL = "azure://lifeboat/chaos"
_INCLUDE = {
    "clusters.yaml": f"""\
clusters:
  - name: local
    kubeconfig: env:KUBECONFIG
    volumeReader: {{driver: folder.csi.lifeboat.dev, root: "env:LIFEBOAT_FOLDER_CSI_ROOT"}}
vaults:
  - {{name: main, url: "env:LIFEBOAT_VAULT_URL", key: "env:LIFEBOAT_VAULT_KEY"}}
  - name: blob
    url: {_URL}
    connectionString: env:CHAOS_STORE
    key: env:LIFEBOAT_VAULT_KEY
""",
    "policies/shop.yaml": f"""\
clusters: [local]
objectives: {{rpo: 24h}}
select: {{namespaces: {{include: [shop, shop-data]}}}}
retention: {{keep: {{last: 3}}}}
hooks:
  - exec:
      namespace: shop
      labels: app=web
      pre: {{command: [sh, -c, "echo freeze >> {HOOKS}"]}}
      post: {{command: [sh, -c, "echo thaw >> {HOOKS}"]}}
  - scale: {{namespace: shop, workload: statefulset/db}}
testRestore: {{timeout: 120s}}
""",
    "policies/blob.yaml": """\
clusters: [local]
vault: blob
objectives: {rpo: 24h}
select: {namespaces: {include: [shop-data]}}
retention: {keep: {last: 2}}
""",
}


@dataclass
class World:
    """Everything that can go wrong, and who looks whether it went right."""

    lifeboat: Lifeboat
    link: Link
    azurite: Azurite
    blob: VaultEntry

    def context(self, instance: str) -> Context:
        """The engine, opened beside Airflow, not through the link."""
        return self.lifeboat.context(instance, self.blob if instance == BLOB else None)

    def hook_lines(self) -> list[str]:
        """What was frozen and thawed, in order."""
        file = self.lifeboat.cluster.root / "exec" / HOOKS
        return file.read_text().split() if file.exists() else []

    def strike(self, fault: Fault) -> None:
        """Let it happen; nothing if it is broken already."""
        stack, cluster = self.lifeboat.stack, self.lifeboat.cluster
        if fault.what == LINK:
            (self.link.cut if fault.whole else self.link.hold)()
        elif fault.what == KUBE:
            cluster.part(fault.what).kill()
        elif fault.what == AZURITE:
            end_all([self.azurite.process.identity], _STOP_SECONDS)
            self.azurite.process.reap()
        elif fault.what == "postgres":
            postgres = stack.parts["postgres"]
            if postgres.identity is not None:
                postgres.identity.signal(signal.SIGINT)  # SIGTERM would wait for its clients
            end_all([postgres.identity], _STOP_SECONDS)
            postgres.reap()
        elif fault.what in AIRFLOW and fault.whole:
            stack.lose(fault.what)
        else:
            stack.kill(fault.what)

    def mend(self, fault: Fault) -> None:
        """Start it again; Airflow's own parts and the API server take their time after that."""
        stack, cluster = self.lifeboat.stack, self.lifeboat.cluster
        if fault.what == LINK:
            self.link.mend()
        elif fault.what == KUBE:
            cluster.part(fault.what).start()
        elif fault.what == AZURITE:
            self.azurite.process.start()
            self.azurite.wait_ready()
        else:
            stack.restart(fault.what)

    def mend_what_died(self, broken: Collection[str]) -> list[str]:
        """Start again what has ended by itself, as systemd or Kubernetes would; its names."""
        stack = self.lifeboat.stack
        dead = [n for n, part in stack.parts.items() if n not in broken and not part.alive]
        for name in dead:
            stack.restart(name)
        return dead

    def check(self, broken: Collection[str]) -> None:
        """Raises LocalClusterError when a part of the cluster has ended that nobody broke."""
        if KUBE not in broken:
            self.lifeboat.cluster.check()
            with suppress(ApiError):  # it may be busy with what it missed
                self._be_the_kubelet()
        if AZURITE not in broken and not self.azurite.process.alive:
            raise LocalClusterError("azurite has ended")

    def _be_the_kubelet(self) -> None:
        """What kwok leaves undone when the API server was away: nodes have lost their addresses,
        without which nobody can run a command in a pod, and pods are not ready for ever."""
        for node in self.lifeboat.cluster.api.list("v1", "Node"):
            if not node["status"].get("addresses"):
                address = {"type": "InternalIP", "address": "127.0.0.1"}
                self._set_status(f"nodes/{node['metadata']['name']}", "addresses", [address])
        for namespace in sample_app.NAMESPACES:
            for pod in self.lifeboat.cluster.api.list("v1", "Pod", namespace):
                held = {one["type"]: one for one in pod["status"].get("conditions", [])}
                states = {kind: held.get(kind, {}).get("status") for kind in _READY_CONDITIONS}
                if list(states.values()) == ["True", "False"]:
                    held["Ready"]["status"] = "True"
                    path = f"namespaces/{namespace}/pods/{pod['metadata']['name']}"
                    self._set_status(path, "conditions", list(held.values()))

    def _set_status(self, path: str, name: str, value: object) -> None:
        self.lifeboat.cluster.api.request(
            "PATCH",
            f"/api/v1/{path}/status",
            {"status": {name: value}},
            "application/merge-patch+json",
        )


@contextmanager
def chaos_world(cluster: LocalCluster) -> Iterator[World]:
    """Two instances: one with hooks, two volumes and test restores, its points in a folder, and a
    small one with its points in Azurite."""
    with ExitStack() as held:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="lifeboat-chaos-")))
        (folder / "azurite").mkdir()
        azurite = held.enter_context(running_azurite(folder / "azurite", kept=True))
        link, kubeconfig = held.enter_context(link_to(cluster.kubeconfig, folder))
        (cluster.root / "exec" / HOOKS).unlink(missing_ok=True)
        env = {"KUBECONFIG": str(kubeconfig), "CHAOS_STORE": azurite.connection_string}
        lifeboat = held.enter_context(celery_lifeboat(cluster, _INCLUDE, env))
        blob = _opened(folder, azurite, lifeboat.env["LIFEBOAT_VAULT_KEY"])
        make_vault(blob, NoConnections())
        yield World(lifeboat, link, azurite, blob)


def _opened(folder: Path, azurite: Azurite, key: str) -> VaultEntry:
    """The vault in Azurite, its secrets in files instead of in Airflow's environment."""
    for name, text in (("store", azurite.connection_string), ("key", key)):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    return VaultEntry(
        name="blob",
        url=_URL,
        connection_string=f"file:{folder / 'store'}",
        key=f"file:{folder / 'key'}",
    )
