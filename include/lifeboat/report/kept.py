"""What the API server, Kubernetes' own controllers and a restore of ours write by themselves.

A cluster that nobody touches goes on writing: status, times, copies of what people wrote. A diff
that shows it hides the one line that somebody is looking for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from lifeboat.ports.marks import RESTORE, RESTORED_FROM, STANDBY
from lifeboat.vault.rows import Key

Path = tuple[str | int, ...]

# API conventions, "Metadata" and "Spec and Status".
_METADATA = frozenset({
    "uid", "generation", "resourceVersion", "creationTimestamp", "deletionTimestamp",
    "deletionGracePeriodSeconds", "managedFields", "selfLink",
})  # fmt: skip

# kubernetes.io/docs/reference/labels-annotations-taints; kubectl's is a copy of what was applied.
_ANNOTATIONS = frozenset({
    "control-plane.alpha.kubernetes.io/leader",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/revision-history",
    "deprecated.daemonset.template.generation",
    "endpoints.kubernetes.io/last-change-trigger-time",
    "kubectl.kubernetes.io/last-applied-configuration",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "pv.kubernetes.io/provisioned-by",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/storage-resizer",
    RESTORE,
    RESTORED_FROM,
    STANDBY,
})  # fmt: skip

# While an object is in use: as long as a snapshot is taken of a claim, for example.
_FINALIZERS = frozenset({
    "external-provisioner.volume.kubernetes.io/finalizer", "foregroundDeletion",
    "kubernetes.io/pv-controller", "kubernetes.io/pv-protection", "kubernetes.io/pvc-protection",
    "orphan", "service.kubernetes.io/load-balancer-cleanup",
})  # fmt: skip
_OF_SIDECARS = ("snapshot.storage.kubernetes.io/", "external-attacher/")

# The token volume that admission adds to each pod, under a random name (serviceaccount plugin).
TOKEN_VOLUME = "kube-api-access-"  # noqa: S105 - a name, not a password

_MADE_IN_EVERY_NAMESPACE = frozenset({
    ("ConfigMap", "kube-root-ca.crt"),
    ("ServiceAccount", "default"),
})  # fmt: skip
_COPIES = frozenset({
    ("", "Pod"), ("apps", "ReplicaSet"), ("apps", "ControllerRevision"), ("batch", "Job"),
})  # fmt: skip


class _Owner(msgspec.Struct, frozen=True):
    controller: bool = False


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    owner_references: list[_Owner] = []


class _Owned(msgspec.Struct, frozen=True):
    metadata: _Metadata = _Metadata()


_owned = msgspec.json.Decoder(_Owned)


def kept_field(path: Path, before: Any, after: Any) -> bool:
    """Whether a field that differs so was set by the server or a controller. `apiVersion` is: the
    server chooses at which version of one group it shows an object."""
    if path[0] in ("status", "apiVersion"):
        return True
    if path[:2] == ("spec", "nodeName"):  # the scheduler's answer
        return True
    if any(str(segment).startswith(f"[{TOKEN_VOLUME}") for segment in path):
        return True
    if path[0] != "metadata" or len(path) == 1:
        return False
    if path[1] == "annotations":
        return len(path) == 3 and is_kept_annotation(str(path[2]))
    if path[1] == "finalizers":
        return all(is_kept_finalizer(str(name)) for name in _either(before, after))
    return path[1] in _METADATA


def is_kept_annotation(name: str) -> bool:
    """Whether a controller writes this annotation, or we do."""
    return name in _ANNOTATIONS


def made_in_every_namespace(key: Key) -> bool:
    """Whether each namespace gets this object by itself, as it goes with the namespace."""
    group, _, kind, namespace, name = key
    return not group and bool(namespace) and (kind, name) in _MADE_IN_EVERY_NAMESPACE


def may_be_copy(key: Key) -> bool:
    """Whether workload controllers make objects of this kind."""
    return (key[0], key[2]) in _COPIES


def is_copy(key: Key, record: bytes) -> bool:
    """Whether a controller made the object out of another one and makes it anew when it is lost:
    the Pod of a Deployment, say, whose own change is told already."""
    if not may_be_copy(key):
        return False
    return any(owner.controller for owner in _owned.decode(record).metadata.owner_references)


def _either(before: Any, after: Any) -> Iterable[Any]:
    """The items that only one of two lists has; what is no list counts as an empty one."""
    old, new = (value if isinstance(value, list) else [] for value in (before, after))
    return [item for item in (*old, *new) if (item in old) != (item in new)]


def is_kept_finalizer(name: str) -> bool:
    """Whether Kubernetes or a sidecar of its storage sets this finalizer by itself."""
    return name in _FINALIZERS or name.startswith(_OF_SIDECARS)
