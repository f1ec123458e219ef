"""What captured objects need of the cluster outside their namespaces, collected while they pass.

Only names are kept, so memory does not grow with objects. `related` turns them into listings once
every shard has told its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from lifeboat.ports.cluster import Kind
from lifeboat.steps.strip import Stripped

VOLUMES = "persistentvolumes"
STORAGE_CLASSES = "storageclasses.storage.k8s.io"
ATTRIBUTES_CLASSES = "volumeattributesclasses.storage.k8s.io"
SNAPSHOT_CLASSES = "volumesnapshotclasses.snapshot.storage.k8s.io"
GROUP_SNAPSHOT_CLASSES = "volumegroupsnapshotclasses.groupsnapshot.storage.k8s.io"
PRIORITY_CLASSES = "priorityclasses.scheduling.k8s.io"
RUNTIME_CLASSES = "runtimeclasses.node.k8s.io"
INGRESS_CLASSES = "ingressclasses.networking.k8s.io"
GATEWAY_CLASSES = "gatewayclasses.gateway.networking.k8s.io"
DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"
ROLES = "clusterroles.rbac.authorization.k8s.io"
BINDINGS = "clusterrolebindings.rbac.authorization.k8s.io"

ACCOUNTS = "serviceaccounts"
"""Not needed themselves: `namespace/name` of those for which bindings are looked up."""

_INGRESS_CLASS = "kubernetes.io/ingress.class"

Need = tuple[str, str]
"""The resource and the name of a needed object; an empty name is no need."""


class _ClaimSpec(msgspec.Struct, rename="camel"):
    volume_name: str = ""
    storage_class_name: str | None = None
    volume_attributes_class_name: str | None = None


class _Claim(msgspec.Struct):
    spec: _ClaimSpec


class _Template(msgspec.Struct, rename="camel"):
    volume_claim_template: _Claim


class _Volume(msgspec.Struct):
    ephemeral: _Template | None = None


class _PodSpec(msgspec.Struct, rename="camel"):
    priority_class_name: str = ""
    runtime_class_name: str | None = None
    volumes: list[_Volume] | None = None


class _Pod(msgspec.Struct):
    spec: _PodSpec = msgspec.field(default_factory=_PodSpec)


class _WorkloadSpec(msgspec.Struct, rename="camel"):
    template: _Pod = msgspec.field(default_factory=_Pod)
    volume_claim_templates: list[_Claim] | None = None


class _Workload(msgspec.Struct):
    spec: _WorkloadSpec


class _CronSpec(msgspec.Struct, rename="camel"):
    job_template: _Workload


class _CronJob(msgspec.Struct):
    spec: _CronSpec


class _ClassNames(msgspec.Struct, rename="camel"):
    ingress_class_name: str | None = None
    gateway_class_name: str | None = None
    volume_snapshot_class_name: str | None = None
    volume_group_snapshot_class_name: str | None = None


class _Meta(msgspec.Struct):
    annotations: dict[str, str] = {}


class _Classed(msgspec.Struct):
    metadata: _Meta
    spec: _ClassNames = msgspec.field(default_factory=_ClassNames)


class _RoleRef(msgspec.Struct):
    kind: str
    name: str


class _Binding(msgspec.Struct, rename="camel"):
    role_ref: _RoleRef


def _of_claim(claim: _Claim) -> Iterator[Need]:
    spec = claim.spec
    yield VOLUMES, spec.volume_name
    yield STORAGE_CLASSES, spec.storage_class_name or ""
    yield ATTRIBUTES_CLASSES, spec.volume_attributes_class_name or ""


def _of_pod(pod: _Pod) -> Iterator[Need]:
    yield PRIORITY_CLASSES, pod.spec.priority_class_name
    yield RUNTIME_CLASSES, pod.spec.runtime_class_name or ""
    for volume in pod.spec.volumes or ():
        if volume.ephemeral:
            yield from _of_claim(volume.ephemeral.volume_claim_template)


def _of_workload(workload: _Workload) -> Iterator[Need]:
    yield from _of_pod(workload.spec.template)
    for claim in workload.spec.volume_claim_templates or ():
        yield from _of_claim(claim)


def _of_cron_job(job: _CronJob) -> Iterator[Need]:
    yield from _of_workload(job.spec.job_template)


def _of_classed(item: _Classed) -> Iterator[Need]:
    spec = item.spec
    yield INGRESS_CLASSES, spec.ingress_class_name or ""
    yield INGRESS_CLASSES, item.metadata.annotations.get(_INGRESS_CLASS, "")
    yield GATEWAY_CLASSES, spec.gateway_class_name or ""
    yield SNAPSHOT_CLASSES, spec.volume_snapshot_class_name or ""
    yield GROUP_SNAPSHOT_CLASSES, spec.volume_group_snapshot_class_name or ""


def _of_binding(binding: _Binding) -> Iterator[Need]:
    yield ROLES, binding.role_ref.name if binding.role_ref.kind == "ClusterRole" else ""


T = TypeVar("T")
_Reader = Callable[[bytes], Iterable[Need]]


def _reader(shape: type[T], needs: Callable[[T], Iterable[Need]], word: bytes) -> _Reader:
    """Reads the needs of one shape of object. Most objects have none: only what holds the word that
    every need goes with is decoded, as looking for it costs a tenth of that."""
    decode = msgspec.json.Decoder(shape).decode

    def read(content: bytes) -> Iterable[Need]:
        return needs(decode(content)) if word in content else ()

    return read


_CLASS = b"ClassName"
_workload = _reader(_Workload, _of_workload, _CLASS)
_classed = _reader(_Classed, _of_classed, b"metadata")
_READERS: Mapping[str, _Reader] = {
    "persistentvolumeclaims": _reader(_Claim, _of_claim, b"spec"),
    "pods": _reader(_Pod, _of_pod, _CLASS),
    "replicationcontrollers": _workload,
    "deployments.apps": _workload,
    "replicasets.apps": _workload,
    "statefulsets.apps": _workload,
    "daemonsets.apps": _workload,
    "jobs.batch": _workload,
    "cronjobs.batch": _reader(_CronJob, _of_cron_job, _CLASS),
    "ingresses.networking.k8s.io": _classed,
    "gateways.gateway.networking.k8s.io": _classed,
    "volumesnapshots.snapshot.storage.k8s.io": _classed,
    "volumegroupsnapshots.groupsnapshot.storage.k8s.io": _classed,
    "rolebindings.rbac.authorization.k8s.io": _reader(_Binding, _of_binding, b'"ClusterRole"'),
}


class Needs:
    """Names of what is needed, by resource; grows only with what is distinct."""

    def __init__(self) -> None:
        self._names: defaultdict[str, set[str]] = defaultdict(set)

    def see(self, kind: Kind, items: Iterable[Stripped]) -> None:
        """Objects of one kind that were captured, changed or not."""
        reader = _READERS.get(kind.resource)
        seen = False
        for item in items:
            seen = True
            if kind.resource == ACCOUNTS:
                self._names[ACCOUNTS].add(f"{item.namespace}/{item.name}")
            elif reader is not None:
                for resource, name in reader(item.content):
                    self._names[resource].add(name)
        if seen:  # what is no custom resource has no definition of this name, and none is found
            self._names[DEFINITIONS].add(kind.resource)

    def merge(self, told: Mapping[str, Iterable[str]]) -> None:
        """What another shard saw."""
        for resource, names in told.items():
            self._names[resource].update(names)

    def told(self) -> dict[str, list[str]]:
        """Sorted; without empty names."""
        return {
            resource: sorted(names - {""})
            for resource, names in sorted(self._names.items())
            if names - {""}
        }
