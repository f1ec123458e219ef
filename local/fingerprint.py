"""What a namespace is, as far as people made it: its objects and the bytes in its volumes.

Two fingerprints are equal when nothing of that was lost. Left out is what the cluster itself makes
anew and differently: owned objects (pods, replica sets), ids, times, status, addresses.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from local.api import JsonObject, KubeApi
from local.volumes import claim_data, tree

Fingerprint = dict[str, str]
"""`Secret/credentials`, `volume data-db-0` -> a digest."""

_MADE_BY_CONTROLLERS = {
    "ControllerRevision",
    "Endpoints",
    "EndpointSlice",
    "Event",
    "Lease",
    "Pod",
    "VolumeSnapshot",
}
_METADATA = ("name", "namespace", "labels", "annotations", "finalizers")
_FOREIGN_ANNOTATIONS = (
    "deployment.kubernetes.io/",
    "kubectl.kubernetes.io/",
    "lifeboat.dev/",
    "pv.kubernetes.io/",
    "volume.beta.kubernetes.io/",
    "volume.kubernetes.io/",
)
_SPEC_MADE_ANEW = {
    "Service": ("clusterIP", "clusterIPs"),
    "PersistentVolumeClaim": ("volumeName", "dataSource", "dataSourceRef"),
}


def fingerprint(api: KubeApi, csi_root: Path, namespace: str) -> Fingerprint:
    """Every object that somebody made in the namespace, and every claim's tree of files."""
    found: Fingerprint = {}
    for api_version, kind in _kinds(api):
        for item in api.list(api_version, kind, namespace):
            if not _made_by_the_cluster(kind, item):
                found[f"{kind}/{item['metadata']['name']}"] = _digest(_essence(kind, item))
        if kind == "PersistentVolumeClaim":
            for item in api.list(api_version, kind, namespace):
                name = item["metadata"]["name"]
                found[f"volume {name}"] = _digest(tree(claim_data(api, csi_root, namespace, name)))
    return found


def differences(before: Fingerprint, after: Fingerprint) -> list[str]:
    """What is missing, different or new, a line each; empty when nothing was lost."""
    lost = [f"{name} is missing" for name in before if name not in after]
    new = [f"{name} is new" for name in after if name not in before]
    changed = [f"{n} differs" for n in before if n in after and before[n] != after[n]]
    return [*lost, *changed, *new]


def _kinds(api: KubeApi) -> list[tuple[str, str]]:
    """(apiVersion, kind) of everything namespaced that can be listed, one version a group."""
    groups = api.request("GET", "/apis")["groups"]
    served = [("/api/v1", "v1")]
    served += [
        (f"/apis/{g['preferredVersion']['groupVersion']}", g["preferredVersion"]["groupVersion"])
        for g in groups
    ]
    return [
        (version, resource["kind"])
        for path, version in served
        for resource in api.request("GET", path)["resources"]
        if resource["namespaced"] and "list" in resource["verbs"] and "/" not in resource["name"]
    ]


def _made_by_the_cluster(kind: str, item: JsonObject) -> bool:
    metadata = item["metadata"]
    if kind in _MADE_BY_CONTROLLERS or metadata.get("ownerReferences"):
        return True
    return (kind, metadata["name"]) in (
        ("ConfigMap", "kube-root-ca.crt"),
        ("ServiceAccount", "default"),
    )


def _essence(kind: str, item: JsonObject) -> JsonObject:
    metadata: dict[str, Any] = {k: item["metadata"].get(k) for k in _METADATA}
    annotations = metadata["annotations"] or {}
    metadata["annotations"] = {
        k: v for k, v in annotations.items() if not k.startswith(_FOREIGN_ANNOTATIONS)
    }
    rest = {k: v for k, v in item.items() if k not in ("metadata", "status", "apiVersion", "kind")}
    if kind in _SPEC_MADE_ANEW:
        rest["spec"] = {k: v for k, v in rest["spec"].items() if k not in _SPEC_MADE_ANEW[kind]}
    return {"metadata": metadata, **rest}


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
