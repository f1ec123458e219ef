"""The real Velero, built from its Go module, as a peer to be measured beside.

It runs outside the cluster, as its own process, with its AWS plugin and moto's S3. Figures of it
hold for the same objects on the same API server in the same run, and for nothing else.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import urllib3

from local.api import KubeApi, wait_until
from local.cache import Report, made_once
from local.cluster import LocalCluster
from local.errors import LocalClusterError
from local.ports import free_ports
from local.processes import Child, stop_all
from local.toolchain import find_go, go_environment

_ROOM = Path(__file__).resolve().parent
_S3 = _ROOM.parent.parent / "tests" / "support" / "s3_server.py"
_PLUGIN = "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws"
_PLUGIN_VERSION = "v1.14.3"
_NAMESPACE, _BUCKET = "velero", "velero"
_API = "velero.io/v1"
_OVER = ("Completed", "PartiallyFailed", "Failed", "FailedValidation")


def build(report: Report) -> Path:
    """A folder with `velero` and `plugins/`; minutes the first time, kept in the cache."""
    go = find_go(report)
    digest = hashlib.sha256(_PLUGIN_VERSION.encode())
    for name in ("go.mod", "go.sum"):
        digest.update((_ROOM / name).read_bytes())

    def make(home: Path) -> None:
        report("Compiling Velero and its plugin: about six minutes")
        _go(go, ["build", "-trimpath", "-o", str(home / "velero"), "tool"], {})
        plugin = ["install", "-trimpath", f"{_PLUGIN}@{_PLUGIN_VERSION}"]
        _go(go, plugin, {"GOBIN": str(home / "plugins")})

    return made_once("velero", digest.hexdigest(), make, report)


def _go(go: Path, arguments: list[str], more: dict[str, str]) -> None:
    environment = {**go_environment(), **more}
    command = [str(go), *arguments]
    done = subprocess.run(
        command, cwd=_ROOM, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LocalClusterError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


class Velero:
    """A running server. `backup` measures."""

    def __init__(self, api: KubeApi) -> None:
        self._api = api
        self._number = 0

    def backup(self, include: Sequence[str] = ("*",), seconds: float = 1800.0) -> tuple[float, int]:
        """One backup, of everything unless `include` names namespaces: seconds from its creation
        until it is over, and its items."""
        self._number += 1
        spec = {
            "snapshotVolumes": False,
            "includedNamespaces": list(include),
            "excludedNamespaces": [_NAMESPACE],
        }
        took, last = self._run("Backup", f"bench-{self._number}", spec, seconds)
        return took, int(last["progress"]["itemsBackedUp"])

    def restore(self, mapping: Mapping[str, str], seconds: float = 3600.0) -> tuple[float, int]:
        """The newest backup into other namespaces: seconds, and its items."""
        name = f"bench-{self._number}"
        spec = {
            "backupName": name,
            "includedNamespaces": list(mapping),
            "namespaceMapping": dict(mapping),
        }
        took, last = self._run("Restore", f"{name}-back", spec, seconds)
        return took, int(last["progress"]["itemsRestored"])

    def _run(
        self, kind: str, name: str, spec: dict[str, Any], seconds: float
    ) -> tuple[float, dict[str, Any]]:
        began = time.monotonic()
        self._api.apply(_object(_API, kind, name, spec=spec))

        def status() -> dict[str, Any]:
            found = self._api.get(_API, kind, _NAMESPACE, name)
            answer: dict[str, Any] = found.get("status") or {}
            return answer

        wait_until(f"Velero's {kind} is over", lambda: status().get("phase") in _OVER, seconds)
        took, last = time.monotonic() - began, status()
        if last["phase"] != "Completed":
            raise LocalClusterError(f"Velero's {kind} is {last['phase']}")
        return took, last


@contextmanager
def running(cluster: LocalCluster, root: Path, report: Report) -> Iterator[Velero]:
    """Velero over this cluster, with its bucket in memory; ended afterwards."""
    home, api = build(report), cluster.api
    root.mkdir(parents=True)
    s3, metrics = free_ports(2)
    secret = root / "aws"
    secret.write_text("[default]\naws_access_key_id=a\naws_secret_access_key=b\n")
    command = [str(home / "velero"), "install", "--crds-only"]
    _run([*command, "--kubeconfig", str(cluster.kubeconfig)])
    _furnish(api, f"http://127.0.0.1:{s3}")
    server = [
        *(str(home / "velero"), "server", "--kubeconfig", str(cluster.kubeconfig)),
        *("--plugin-dir", str(home / "plugins"), "--namespace", _NAMESPACE),
        *("--metrics-address", f"127.0.0.1:{metrics}"),
    ]
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(secret), "AWS_EC2_METADATA_DISABLED": "true"}
    store = Child("s3", [sys.executable, str(_S3), str(s3)], root / "s3.log")
    velero = Child("velero", server, root / "velero.log", environment)
    with ExitStack() as stack:
        stack.callback(stop_all, [velero, store], 5.0)
        store.start()
        store.wait_ready(lambda: _make_bucket(f"http://127.0.0.1:{s3}/{_BUCKET}"), 60.0)
        velero.start()
        velero.wait_ready(lambda: _available(api), 180.0)
        yield Velero(api)


def _run(command: list[str]) -> None:
    environment = {**os.environ, "HOME": str(Path(command[-1]).parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        raise LocalClusterError(f"{' '.join(command[:3])} failed:\n{done.stderr[-2000:]}")


def _furnish(api: KubeApi, url: str) -> None:
    """The namespace, the Deployment that the server looks for, and the place for backups."""
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}})
    labels = {"app": "velero"}
    container = {"name": "velero", "image": "none"}
    spec = {
        "replicas": 0,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    api.apply(_object("apps/v1", "Deployment", "velero", spec=spec))
    config = {"region": "us-east-1", "s3ForcePathStyle": "true", "s3Url": url}
    place = {
        "provider": "aws",
        "default": True,
        "objectStorage": {"bucket": _BUCKET},
        "config": {**config, "checksumAlgorithm": ""},
    }
    api.apply(_object(_API, "BackupStorageLocation", "default", spec=place))


def _object(api_version: str, kind: str, name: str, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": _NAMESPACE}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields}


def _make_bucket(url: str) -> bool:
    try:
        return urllib3.request("PUT", url, retries=False, timeout=5.0).status in (200, 409)
    except urllib3.exceptions.HTTPError:
        return False


def _available(api: KubeApi) -> bool:
    found = api.get(_API, "BackupStorageLocation", _NAMESPACE, "default")
    return bool((found.get("status") or {}).get("phase") == "Available")
