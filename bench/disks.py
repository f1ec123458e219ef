"""Snapshots of many volumes: what a point's snapshots cost beside a bare parallel client that
creates the same VolumeSnapshots and waits until they are ready."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.bars import Bar
from bench.capture_worker import POLICY
from bench.instances import instance_of
from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.kubeconfig import from_kubeconfig
from lifeboat.adapters.store_local import LocalStore
from lifeboat.adapters.volumes_folder import NoVolumes
from lifeboat.clock import utc_now
from lifeboat.point.manifest import Run
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault
from local.api import KubeApi, wait_until
from local.cluster import LocalCluster

_NAMESPACE = "disks"
_SNAPSHOTS = "snapshot.storage.k8s.io/v1"
_IN_FLIGHT = 8
_SECONDS = 1800.0
_DISKS_POLICY = POLICY.replace("{snapshot: false}", "{timeout: 30m}").replace(
    "volumes:", f"select: {{namespaces: {{include: [{_NAMESPACE}]}}}}\nvolumes:"
)


def snapshot_bar(cluster: LocalCluster, root: Path, count: int) -> Bar:
    """The ratio of the two, one after the other on the same volumes."""
    _provision(cluster.api, count)
    bare = _bare(cluster.api, count)
    return Bar(f"snapshots-{count}-of-a-bare-client", _ours(cluster, root) / bare, 1.3, "x", 2)


def _provision(api: KubeApi, count: int) -> None:
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}})
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    _apply_all(api, [_object("v1", "PersistentVolumeClaim", n, spec) for n in range(count)])

    def bound() -> bool:
        claims = api.list("v1", "PersistentVolumeClaim", _NAMESPACE)
        return all(claim["status"].get("phase") == "Bound" for claim in claims)

    wait_until("every claim is bound", bound, _SECONDS)


def _bare(api: KubeApi, count: int) -> float:
    began = time.monotonic()
    _apply_all(api, [_object(_SNAPSHOTS, "VolumeSnapshot", n, _source(n)) for n in range(count)])

    def ready() -> bool:
        found = api.list(_SNAPSHOTS, "VolumeSnapshot", _NAMESPACE)
        return all((one.get("status") or {}).get("readyToUse") for one in found)

    wait_until("every snapshot is ready", ready, _SECONDS)
    return time.monotonic() - began


def _ours(cluster: LocalCluster, root: Path) -> float:
    """A whole point: its few objects are a second of it."""
    folder = root / "disks-vault"
    shutil.rmtree(folder, ignore_errors=True)
    api = ClusterApi(from_kubeconfig(cluster.kubeconfig))
    vault = create_vault(LocalStore.create(folder), generate_key(), utc_now)
    context = Context(instance_of(_DISKS_POLICY), api, vault, DisksCsi(api), NoVolumes(), utc_now)
    began = time.monotonic()
    made = backup(context, Run("bench", "manual"), lambda _: None)
    took = time.monotonic() - began
    assert made is not None
    assert made.complete, made.left_out
    return took


def _apply_all(api: KubeApi, manifests: list[dict[str, Any]]) -> None:
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        list(pool.map(api.apply, manifests))


def _source(number: int) -> dict[str, Any]:
    return {"source": {"persistentVolumeClaimName": _name(number)}}


def _object(api_version: str, kind: str, number: int, spec: dict[str, Any]) -> dict[str, Any]:
    metadata = {"name": _name(number), "namespace": _NAMESPACE}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def _name(number: int) -> str:
    return f"disk-{number:04d}"
