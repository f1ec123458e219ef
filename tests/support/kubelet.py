"""Plays the kubelet for mover pods: runs the container's very command on this machine with a real
restic, the real Secret and the claim's folder, and writes the pod's status.

Two things differ from a pod: the program's folder is put on PATH, and what is mounted at `/data`
lies elsewhere and has another name, so the arguments say that; a fill is copied there.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lifeboat.adapters.mover_pod import DATA, MOVER, POD, SECRET
from lifeboat.adapters.restic import RESULT_VARIABLE
from lifeboat.ports.cluster import Cluster, Json, Kind
from local.go_tools import ensure_restic
from tests.support.kinds import CLAIM
from tests.support.poll import until


@pytest.fixture(scope="session")
def restic() -> Path:
    """The program that local/restic pins, built once."""
    return ensure_restic()


@dataclass
class Kubelet:
    """`folder_of` gives the folder behind a claim, by namespace and name."""

    cluster: Cluster
    restic: Path
    folder_of: Callable[[str, str], Path]

    def run_mover(self, namespace: str, look: Callable[[], None] = lambda: None) -> int:
        """Wait for the one mover pod of the namespace and run it. `look` is called at every look
        and raises when no pod can come any more."""

        def ready() -> str:
            look()
            for pod in _listed(self.cluster, POD, namespace):
                claim = pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
                live = self.cluster.get(CLAIM, namespace, claim)
                phases = (live["status"].get("phase"), (pod.get("status") or {}).get("phase"))
                if phases == ("Bound", "Running"):
                    return str(pod["metadata"]["name"])
            return ""

        return self.run(namespace, until("a mover pod runs", ready))

    def run(self, namespace: str, name: str) -> int:
        """Run the pod to its end, as a kubelet would; returns the container's exit status."""
        pod = self.cluster.get(POD, namespace, name)
        with tempfile.TemporaryDirectory() as scratch:
            done, message = self._container(pod, Path(scratch))
        state = {"exitCode": done.returncode, "message": message}
        status = {
            "phase": "Succeeded" if done.returncode == 0 else "Failed",
            "containerStatuses": [
                {
                    "name": pod["spec"]["containers"][0]["name"],
                    "image": pod["spec"]["containers"][0]["image"],
                    "imageID": "",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"terminated": state},
                }
            ],
        }
        self.cluster.patch(POD, namespace, name, {"status": status}, subresource="status")
        return done.returncode

    def _container(self, pod: Json, scratch: Path) -> tuple[subprocess.CompletedProcess[str], str]:
        namespace = pod["metadata"]["namespace"]
        container = pod["spec"]["containers"][0]
        claim = pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
        data = self.folder_of(namespace, claim)
        environment = self._environment(pod, scratch)
        arguments = list(container["args"])
        filling = tuple(arguments[-2:]) != DATA
        if filling:
            arguments[-1] = str(scratch / "restored")
        else:
            arguments[-2:] = [str(data.parent), data.name]
        done = subprocess.run(
            [*container["command"], *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if filling and done.returncode == 0:
            (restored,) = (scratch / "restored").iterdir()
            command = ["cp", "-a", "--sparse=always", f"{restored}/.", str(data)]
            subprocess.run(command, check=True)
        result = scratch / "result"
        said = result.read_text() if result.exists() else ""
        if done.returncode:  # terminationMessagePolicy: FallbackToLogsOnError
            said = said or (done.stdout + done.stderr)[-2048:]
        return done, said[:4096]

    def _environment(self, pod: Json, scratch: Path) -> dict[str, str]:
        namespace = pod["metadata"]["namespace"]
        environment = {"PATH": f"{self.restic.parent}{os.pathsep}{os.environ['PATH']}"}
        for entry in pod["spec"]["containers"][0]["env"]:
            environment[entry["name"]] = entry.get("value", "") or self._secret(
                namespace, entry.get("valueFrom", {}).get("secretKeyRef")
            )
        secret = pod["spec"]["volumes"][1]["secret"]
        password = scratch / "password"
        reference = {"name": secret["secretName"], "key": secret["items"][0]["key"]}
        password.write_text(self._secret(namespace, reference))
        environment["RESTIC_PASSWORD_FILE"] = str(password)
        environment["RESTIC_CACHE_DIR"] = str(scratch / "cache")
        environment["TMPDIR"] = str(scratch)
        environment[RESULT_VARIABLE] = str(scratch / "result")
        return environment

    def _secret(self, namespace: str, reference: Json | None) -> str:
        if reference is None:
            return ""
        found = self.cluster.get(SECRET, namespace, reference["name"])
        encoded = found.get("data", {}).get(reference["key"])
        if encoded is None:  # the cluster in memory leaves stringData as it is
            return str(found["stringData"][reference["key"]])
        return base64.b64decode(encoded).decode()


def made_by_movers(cluster: Cluster, namespace: str) -> list[str]:
    """What of a mover is there still and is not going: pods, Secrets and clones."""
    return [
        f"{kind.kind} {item['metadata']['name']}"
        for kind in (POD, SECRET, CLAIM)
        for item in _listed(cluster, kind, namespace)
        if not item["metadata"].get("deletionTimestamp")
    ]


def _listed(cluster: Cluster, kind: Kind, namespace: str) -> list[Json]:
    pages = cluster.list_pages(kind, namespace=namespace, label_selector=MOVER)
    return [json.loads(raw) for page in pages for raw in page.items]
