"""One local Kubernetes control plane: start it, know where its things are, stop it.

How each part is called is in commands.py, how a process lives and dies in processes.py.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3
import yaml

from local import state
from local.api import KubeApi, has_condition, load_manifests, wait_until
from local.build import ensure_built
from local.cache import Report
from local.commands import CSI_ROOT_VARIABLE, Places, children
from local.credentials import SYSTEM, USER, Credentials, ensure_credentials, write_private
from local.errors import LocalClusterError
from local.ports import free_ports
from local.processes import Child, stop_all
from local.volumes import claim_data, snapshot_folder, volume_folder

_MANIFESTS = Path(__file__).with_name("manifests")
_START_SECONDS = 180.0  # generous: a loaded machine is slow, not broken
GRACE_SECONDS = 3.0
"""How long a part may take to end on its own; a test's API server has nothing to drain for."""


def stop_order(names: Iterable[str]) -> list[list[str]]:
    """Clients first, etcd last: each would otherwise wait for the others, or complain of them."""
    last = ["kube-apiserver", "csidriver", "etcd"]
    present = list(names)
    return [
        [name for name in present if name not in last],
        *([name] for name in last if name in present),
    ]


def _quiet(_line: str) -> None:
    """Reports nothing."""


class LocalCluster:
    """A control plane below `root`, with a kubeconfig for a cluster-admin at `kubeconfig`.

    A root that was used before is continued: its objects, volumes and tokens are still there.
    Use it as a context manager, or call `start` and `stop`. Start it from a thread that lives as
    long as the cluster shall: the parts die with that thread (see leash.py).

    `exec_here`: `exec` into any pod runs the command on this machine, as this user, in the folder
    `root`/exec. Whoever can reach the fake kubelet's loopback port can do that too, so it is off
    unless asked for. kwok turns a non-zero exit status into an error that names it.

    `audit`: the API server writes down what ServiceAccounts ask for, in `audit_log`.

    `older`: Kubernetes of the minor version before (etcd and the CSI parts are the same).

    `without`: built-in API versions that are not served, such as `autoscaling/v2`, as another minor
    version of Kubernetes would not.
    """

    def __init__(
        self,
        root: Path,
        kubeconfig: Path,
        *,
        exec_here: bool = False,
        audit: bool = False,
        older: bool = False,
        without: tuple[str, ...] = (),
        report: Report = _quiet,
    ) -> None:
        self.root = root.absolute()
        self.kubeconfig = kubeconfig.absolute()
        self._exec_here = exec_here
        self._audit = audit
        self._older = older
        self._without = without
        self._report = report
        self._places: Places | None = None
        self._api: KubeApi | None = None
        self._children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def server(self) -> str:
        """The API server's URL, as https://127.0.0.1:port."""
        return self._started_places().server

    @property
    def api(self) -> KubeApi:
        """A small client with the kubeconfig's rights, for setting things up and looking."""
        self._started_places()
        assert self._api is not None
        return self._api

    @property
    def csi_root(self) -> Path:
        """The folder CSI driver's root: volumes/ and snapshots/ are below it."""
        return self.root / "csi"

    @property
    def audit_log(self) -> Path:
        """An audit.k8s.io/v1 Event in each line, where `audit` is on."""
        return self._started_places().audit_log

    def volume_path(self, handle: str) -> Path:
        """The folder with the data of the PersistentVolume whose csi.volumeHandle this is."""
        return volume_folder(self.csi_root, handle)

    def snapshot_path(self, handle: str) -> Path:
        """The folder with the data of the snapshot whose status.snapshotHandle this is."""
        return snapshot_folder(self.csi_root, handle)

    def claim_path(self, namespace: str, claim: str) -> Path:
        """The folder with the data of a bound claim; raises LocalClusterError otherwise."""
        return claim_data(self.api, self.csi_root, namespace, claim)

    def part(self, name: str) -> Child:
        """One running part, as `kube-apiserver`: to kill and start again, or to read its log."""
        return self._children[name]

    def check(self) -> None:
        """Raise LocalClusterError, with the end of its log, if a part has ended."""
        for child in self._children.values():
            child.check()

    def start(self) -> None:
        """Build what is missing, start every part, wait until nodes are ready.

        Raises LocalClusterError, with the end of the failing part's log, after ending the rest.
        """
        if self._children:
            raise LocalClusterError(f"the cluster below {self.root} is started already")
        state.refuse_if_running(self.root)
        binaries = ensure_built(self._report, older=self._older)
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.root / "logs").mkdir(exist_ok=True)
        credentials = ensure_credentials(self.root / "credentials")
        etcd, api, kubelet = free_ports(3)
        sockets = Path(tempfile.mkdtemp(prefix="lb-"))
        self._places = Places(self.root, sockets, etcd, api, kubelet)
        self._allow_exec(self._places)
        self._order_audit(self._places)
        self._children = children(self._places, binaries, credentials, self._without)
        try:
            self._bring_up(credentials, load_manifests(binaries.snapshot_crds.glob("*.yaml")))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End every part; returns when none is left. The root keeps its data."""
        for names in stop_order(self._children):
            stop_all([self._children[name] for name in names], GRACE_SECONDS)
        self._children = {}
        if self._api is not None:
            self._api.close()
            self._api = None
        if self._places is not None:
            shutil.rmtree(self._places.sockets, ignore_errors=True)
            self._places = None
        state.forget(self.root)

    def _started_places(self) -> Places:
        if self._places is None:
            raise LocalClusterError(f"the cluster below {self.root} is not started")
        return self._places

    def _bring_up(self, credentials: Credentials, crds: list[dict[str, object]]) -> None:
        places = self._started_places()
        write_private(places.system_kubeconfig, credentials.kubeconfig(places.server, SYSTEM))
        self._start("etcd", "csidriver")
        self._children["etcd"].wait_ready(lambda: _healthy(f"{places.etcd_url}/health"), 60.0)
        system = KubeApi(places.server, credentials.ca.read_text(), credentials.tokens[SYSTEM])
        with contextlib.closing(system):
            self._start("kube-apiserver")
            self._children["kube-apiserver"].wait_ready(system.ready, _START_SECONDS)
            self._report("The API server is ready")
            self._start("kube-controller-manager", "kube-scheduler", "kwok")
            self._furnish(system, crds)
        self._start("snapshot-controller", "csi-snapshotter", "csi-provisioner")
        self.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        write_private(self.kubeconfig, credentials.kubeconfig(places.server, USER))
        self._api = KubeApi.from_kubeconfig(self.kubeconfig)
        self._wait_usable(self._api)
        self._record(server=places.server, kubeconfig=str(self.kubeconfig))

    def _allow_exec(self, places: Places) -> None:
        places.exec_config.unlink(missing_ok=True)
        if not self._exec_here:
            return
        work = self.root / "exec"
        work.mkdir(exist_ok=True)
        environment = [{"name": CSI_ROOT_VARIABLE, "value": str(self.csi_root)}]
        document = {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "ClusterExec",
            "metadata": {"name": "all-pods"},
            "spec": {"execs": [{"local": {"workDir": str(work), "envs": environment}}]},
        }
        places.exec_config.write_text(yaml.safe_dump(document))

    def _order_audit(self, places: Places) -> None:
        places.audit_policy.unlink(missing_ok=True)
        if not self._audit:
            return
        document = {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived", "ResponseStarted"],
            "rules": [
                # Kubernetes' own controllers.
                {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
                {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
            ],
        }
        places.audit_policy.write_text(yaml.safe_dump(document))

    def _start(self, *names: str) -> None:
        for name in names:
            self._children[name].start()
        self._record()

    def _record(self, server: str = "", kubeconfig: str = "") -> None:
        identities = {name: child.identity for name, child in self._children.items()}
        parts = {name: identity for name, identity in identities.items() if identity is not None}
        state.record(self.root, state.Running(parts, server, kubeconfig))

    def _furnish(self, api: KubeApi, crds: list[dict[str, object]]) -> None:
        """Apply what makes this a usable cluster: CRDs, classes, nodes, the user's rights."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            list(pool.map(api.apply, crds))
        kind = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")

        def established() -> bool:
            return all(has_condition(crd, "Established") for crd in api.list(*kind))

        wait_until("every CRD is established", established, _START_SECONDS)
        for manifest in load_manifests(sorted(_MANIFESTS.glob("*.yaml"))):
            api.apply(manifest)

    def _wait_usable(self, api: KubeApi) -> None:
        def usable() -> bool:
            self.check()
            nodes = api.list("v1", "Node")
            # Pods are refused until the controller manager has made this account.
            api.get("v1", "ServiceAccount", "default", "default")
            return bool(nodes) and all(has_condition(node, "Ready") for node in nodes)

        wait_until("every node is ready", usable, _START_SECONDS)


def _healthy(url: str) -> bool:
    try:
        return urllib3.request("GET", url, retries=False, timeout=2.0).status == 200
    except urllib3.exceptions.HTTPError:
        return False


@contextlib.contextmanager
def temporary_cluster(
    *, audit: bool = False, older: bool = False, without: tuple[str, ...] = ()
) -> Iterator[LocalCluster]:
    """A cluster in a new folder of its own that is removed afterwards; `exec` works in it."""
    folder = Path(tempfile.mkdtemp(prefix="lifeboat-cluster-"))
    try:
        place = (folder / "root", folder / "kubeconfig")
        with LocalCluster(
            *place, exec_here=True, audit=audit, older=older, without=without
        ) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder)
