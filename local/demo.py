"""`make demo`: protect, lose, restore and prove a real application, through Airflow's REST API.

Everything real and everything on this machine: a Kubernetes control plane, a shop with bytes in its
volumes, Airflow with Lifeboat's DAGs, an encrypted vault in a folder. State below `root` is kept,
so that a second demo goes on with the first one's points.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lifeboat.adapters.store_local import LocalStore
from lifeboat.clock import utc_now
from lifeboat.policy.folder import include_folder
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import HEADER_KEY, create_vault
from local import sample_app
from local.airflow_client import AirflowClient, Run, TaskState
from local.airflow_pools import import_pools
from local.airflow_settings import REPOSITORY
from local.airflow_stack import AirflowStack
from local.api import KubeApi, wait_until
from local.cache import Report
from local.cluster import LocalCluster
from local.credentials import write_private
from local.errors import LocalClusterError
from local.fingerprint import differences, fingerprint

ROOT = REPOSITORY / ".lifeboat" / "demo"
INSTANCE = "shop.local"
LOST = "shop"
_BACKUP, _RESTORE, _TEST = f"backup.{INSTANCE}", "restore", f"test_restore.{INSTANCE}"
_RUN_SECONDS = 600.0
_GONE_SECONDS = 180.0
_POLL_SECONDS = 1.0


@dataclass
class Teller:
    """Prints lines with the seconds since the start before them."""

    report: Report
    began: float = field(default_factory=time.monotonic)

    def __call__(self, line: str) -> None:
        self.report(f"[{time.monotonic() - self.began:6.1f} s] {line}")

    def title(self, line: str) -> None:
        """A step begins."""
        self.report("")
        self(line)


def demo(root: Path, port: int, *, once: bool, report: Report) -> None:
    """Run the whole story; then stay until Ctrl-C, or end at once.

    Raises LocalClusterError when a step does not come out as it should.
    """
    tell = Teller(report)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with ExitStack() as stack:
            tell.title("Starting a Kubernetes control plane")
            cluster = stack.enter_context(
                LocalCluster(root / "cluster", root / "kubeconfig", report=tell)
            )
            tell.title("Deploying the sample application")
            _deploy(cluster, tell)
            tell.title("Starting Airflow")
            env = environment(root, cluster)
            airflow = stack.enter_context(
                AirflowStack(root / "airflow", env=env, port=port, report=tell)
            )
            import_pools(airflow, include_folder(), tell)
            client = airflow.client()
            stack.callback(client.close)
            _Story(cluster, airflow, client, tell).tell_all()
            _stay(root, cluster, airflow, tell, once=once)
    except KeyboardInterrupt:
        report("\nStopped.")


def environment(root: Path, cluster: LocalCluster) -> dict[str, str]:
    """What include/clusters.yaml asks for; makes the vault and its key when they are missing."""
    folder, key_file = _vault_places(root)
    if not key_file.exists():
        write_private(key_file, generate_key())
    key = key_file.read_text().strip()
    folder.mkdir(mode=0o700, exist_ok=True)
    store = LocalStore(folder)
    if store.stat(HEADER_KEY) is None:
        create_vault(store, key, utc_now)
    return {
        "KUBECONFIG": str(cluster.kubeconfig),
        "LIFEBOAT_VAULT_URL": folder.as_uri(),
        "LIFEBOAT_VAULT_KEY": key,
        "LIFEBOAT_FOLDER_CSI_ROOT": str(cluster.csi_root),
    }


@dataclass
class _Story:
    cluster: LocalCluster
    airflow: AirflowStack
    client: AirflowClient
    tell: Teller

    def tell_all(self) -> None:
        """Protect, lose, restore, prove."""
        for dag in (_BACKUP, _RESTORE, _TEST):
            self.client.wait_for_dag(dag)
            self.client.unpause(dag)
        before = self._fingerprint()
        self.tell(f"{LOST} has {_counted(before)}")
        point = self._back_up()
        self._lose()
        self._restore(before)
        self._prove(point)

    def _back_up(self) -> str:
        self.tell.title(f"1. Protect: {_BACKUP}")
        run = self._run(_BACKUP)
        made = self.client.xcom(_BACKUP, run.run_id, "commit")
        self.tell(f"point {made['point']}: {made['objects']} objects, {made['volumes']} volumes")
        return str(made["point"])

    def _lose(self) -> None:
        self.tell.title(f"2. Lose: deleting the namespace {LOST} and its volumes")
        api = self.cluster.api
        claims = [claim for namespace, claim in sample_app.CLAIMS if namespace == LOST]
        folders = [self.cluster.claim_path(LOST, claim) for claim in claims]
        api.delete("v1", "Namespace", "", LOST)
        wait_until(
            f"the namespace {LOST} and the folders of its volumes are gone",
            lambda: (
                api.gone("v1", "Namespace", "", LOST)
                and not any(folder.exists() for folder in folders)
            ),
            _GONE_SECONDS,
        )
        for folder in folders:
            self.tell(f"gone: {folder}")
        self.tell(f"gone: namespace {LOST}")

    def _restore(self, before: dict[str, str]) -> None:
        self.tell.title(f"3. Restore: {_RESTORE}")
        run = self._run(_RESTORE, {"instance": INSTANCE, "namespaces": [LOST]})
        done = self.client.xcom(_RESTORE, run.run_id, "report")
        self.tell(f"objects created: {done['created']}, volumes: {done['volumes']}")
        sample_app.wait_ready(self.cluster.api, (LOST,))
        lost = differences(before, self._fingerprint())
        if lost:
            raise LocalClusterError(
                "the restored namespace is not what was lost:\n" + "\n".join(lost)
            )
        self.tell(f"{_counted(before)}: all equal to what was lost, byte for byte")

    def _prove(self, point: str) -> None:
        self.tell.title(f"4. Prove: {_TEST}")
        run = self._run(_TEST, {"point": point})
        verdict = self.client.xcom(_TEST, run.run_id, "verdict")
        for check, detail in verdict["checks"].items():
            self.tell(f"passed {check}: {detail}")
        self.tell(f"point {point} is proven, recovered in {verdict['rto_seconds']:.1f} s")

    def _run(self, dag: str, conf: dict[str, Any] | None = None) -> Run:
        began = time.monotonic()
        run_id = self.client.trigger(dag, conf)
        done = self.client.wait(
            dag, run_id, seconds=_RUN_SECONDS, watch=self._watch, alive=self.airflow.check
        )
        seconds = time.monotonic() - began
        if done.state != "success":
            raise LocalClusterError(self.client.failure(done))
        self.tell(f"{dag}: {done.state} after {seconds:.1f} s")
        return done

    def _watch(self, task: TaskState) -> None:
        if task.state in ("success", "failed", "up_for_retry", "deferred"):
            self.tell(f"   {task.name}: {task.state}")

    def _fingerprint(self) -> dict[str, str]:
        return fingerprint(self.cluster.api, self.cluster.csi_root, LOST)


def _vault_places(root: Path) -> tuple[Path, Path]:
    """The vault's folder and the file with its key."""
    return root.absolute() / "vault", root.absolute() / "vault.key"


def _counted(found: dict[str, str]) -> str:
    """`20 objects and 1 volume`, of a fingerprint."""
    volumes = sum(name.startswith("volume ") for name in found)
    return f"{len(found) - volumes} objects and {volumes} volume{'' if volumes == 1 else 's'}"


def _deploy(cluster: LocalCluster, tell: Teller) -> None:
    """Also after a demo that was interrupted between loss and restore."""
    api = cluster.api
    wait_until("no namespace is being deleted", lambda: not _ending(api), _GONE_SECONDS)
    sample_app.deploy(api, cluster.csi_root)
    tell(f"namespaces {' and '.join(sample_app.NAMESPACES)} are ready")


def _ending(api: KubeApi) -> list[str]:
    ending = [
        item["metadata"]["name"]
        for item in api.list("v1", "Namespace")
        if item["status"]["phase"] == "Terminating"
    ]
    return [name for name in ending if name in sample_app.NAMESPACES]


def _stay(
    root: Path, cluster: LocalCluster, airflow: AirflowStack, tell: Teller, *, once: bool
) -> None:
    if once:
        tell.title("Done, and stopping (--once). `make demo` goes on with these points, and stays.")
        return
    vault, key = _vault_places(root)
    tell.title("Done")
    tell.report(f"  open      {airflow.url}  (Recovery, at the left, shows what is proven)")
    tell.report(f"  log in    admin / {airflow.passwords['admin']}")
    tell.report(f"  kubectl   KUBECONFIG={cluster.kubeconfig}")
    tell.report(
        f"  lifeboat  {Path(sys.executable).parent}/lifeboat points {INSTANCE}"
        f" --vault {vault.as_uri()} --key file:{key}"
    )
    tell.report("\nCtrl-C ends it.")
    while True:
        cluster.check()
        airflow.check()
        time.sleep(_POLL_SECONDS)
