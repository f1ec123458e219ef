"""The sample application: a small shop in two namespaces, with real bytes in its volumes.

The manifests are in sample/. This is what the demo protects and what end-to-end tests restore.
"""

from __future__ import annotations

import random
from pathlib import Path

from local.api import JsonObject, KubeApi, has_condition, load_manifests, wait_until
from local.volumes import claim_data

NAMESPACES = ("shop", "shop-data")
CLAIMS = (("shop", "data-db-0"), ("shop-data", "uploads"))
"""Namespace and name of every claim of the application."""

_MANIFESTS = Path(__file__).with_name("sample")
_SECONDS = 180.0


def deploy(api: KubeApi, csi_root: Path) -> None:
    """Apply everything, wait until it is ready, and fill the volumes. Safe to repeat.

    Raises ApiError, or LocalClusterError when it is not ready in time.
    """
    manifests = load_manifests(sorted(_MANIFESTS.glob("*.yaml")))
    for manifest in manifests:
        api.apply(manifest)
        if manifest["kind"] == "CustomResourceDefinition":
            _wait_established(api, manifest["metadata"]["name"])
        elif "status" in manifest:
            _set_status(api, manifest)
    wait_ready(api)
    for index, (namespace, claim) in enumerate(CLAIMS):
        fill(claim_data(api, csi_root, namespace, claim), seed=index)


def wait_ready(api: KubeApi, namespaces: tuple[str, ...] = NAMESPACES) -> None:
    """Wait until every claim is bound and every workload has its replicas ready.

    Raises LocalClusterError when that takes too long.
    """

    def ready() -> bool:
        return all(
            all(map(_bound, api.list("v1", "PersistentVolumeClaim", namespace)))
            and all(map(_available, api.list("apps/v1", "Deployment", namespace)))
            and all(map(_available, api.list("apps/v1", "StatefulSet", namespace)))
            for namespace in namespaces
        )

    wait_until(f"all workloads are ready in {', '.join(namespaces)}", ready, _SECONDS)


def fill(folder: Path, seed: int) -> None:
    """Write about 2 MiB into a volume: the same bytes for the same seed.

    Nested folders, an empty file, an executable, a symlink, a name beyond ASCII, binary data.
    """
    content = random.Random(seed)
    (folder / "base" / "16384").mkdir(parents=True, exist_ok=True)
    (folder / "images" / "2026" / "11").mkdir(parents=True, exist_ok=True)
    for number in range(6):
        (folder / "base" / "16384" / str(1259 + number)).write_bytes(content.randbytes(160_000))
        photo = folder / "images" / "2026" / "11" / f"photo-{number}.jpg"
        photo.write_bytes(content.randbytes(150_000 + number))
    (folder / "VERSION").write_text(f"17.{seed}\n")
    (folder / "empty").touch()
    (folder / "images" / "café ☕.txt").write_text("crème brûlée\n")
    script = folder / "vacuum.sh"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o750)
    latest = folder / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to("images/2026/11/photo-5.jpg")


def _wait_established(api: KubeApi, name: str) -> None:
    kind = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    wait_until(
        f"the CRD {name} is established",
        lambda: has_condition(api.get(*kind, "", name), "Established"),
        _SECONDS,
    )


def _set_status(api: KubeApi, manifest: JsonObject) -> None:
    where = (manifest["apiVersion"], manifest["kind"], manifest["metadata"]["namespace"])
    path = api.path(*where, manifest["metadata"]["name"]) + "/status"
    patch = {"status": manifest["status"]}
    api.request("PATCH", path, patch, "application/merge-patch+json")


def _bound(claim: JsonObject) -> bool:
    phase: str = claim["status"].get("phase", "")
    return phase == "Bound"


def _available(workload: JsonObject) -> bool:
    status = workload["status"]
    seen: int = status.get("observedGeneration", 0)
    ready: int = status.get("readyReplicas", 0)
    generation: int = workload["metadata"]["generation"]
    wanted: int = workload["spec"]["replicas"]
    return seen >= generation and ready >= wanted
