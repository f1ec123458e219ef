"""Which objects of a point are not restored by hand, and why. The plan tells every one (P6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from lifeboat.policy.derived import ENDPOINTS, POD_CHANGED_AT, is_derived
from lifeboat.policy.selection import why_useless
from lifeboat.ports.cluster import Kind


class Owner(msgspec.Struct, frozen=True):
    """An entry of metadata.ownerReferences."""

    kind: str
    name: str
    controller: bool = False


class Meta(msgspec.Struct, frozen=True, rename="camel"):
    """The metadata that a restore looks at."""

    name: str
    namespace: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[Owner] = []


class Seen(msgspec.Struct, frozen=True):
    """An object as far as planning reads it."""

    metadata: Meta
    type: str = ""
    status: dict[str, Any] = {}
    spec: Any = None


_MADE_BY_KUBERNETES = {
    "Node": "nodes belong to the target cluster",
    "VolumeSnapshot.snapshot.storage.k8s.io": "snapshots stay with the volumes they were made of",
    "VolumeSnapshotContent.snapshot.storage.k8s.io": "snapshots stay with their volumes",
    "VolumeGroupSnapshot.groupsnapshot.storage.k8s.io": "snapshots stay with their volumes",
    "VolumeGroupSnapshotContent.groupsnapshot.storage.k8s.io": "snapshots stay with their volumes",
    "CSINode.storage.k8s.io": "the target's drivers make their own",
    "CSIStorageCapacity.storage.k8s.io": "the target's drivers make their own",
    "VolumeAttachment.storage.k8s.io": "attachments are made anew",
    "CertificateSigningRequest.certificates.k8s.io": "requests are signed once",
    "IPAddress.networking.k8s.io": "assigned by the target's API server",
    "ServiceCIDR.networking.k8s.io": "belongs to the target cluster",
}
_STATE = ("Secret", "ConfigMap", "PersistentVolumeClaim")
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_WITH_CLAIM = "volumes are made anew with their claims"
_NOT_IN_SCRATCH = {
    "PersistentVolume": _WITH_CLAIM,
    "NetworkPolicy.networking.k8s.io": "a test restore keeps its own deny-all policy",
    "Ingress.networking.k8s.io": "a test restore must not take the application's address",
    "ResourceQuota": "a test restore has its own quota",
    "APIService.apiregistration.k8s.io": "a test restore must not answer for the whole cluster",
    "CSIDriver.storage.k8s.io": "a test restore must not change how nodes mount volumes",
    "FlowSchema.flowcontrol.apiserver.k8s.io": "a test restore must not slow others down",
    "PriorityLevelConfiguration.flowcontrol.apiserver.k8s.io": "a test restore must not slow"
    " others down",
}
_OWN_FENCE = "a test restore has its own network policies, and what others allow adds up with them"
_ACTS_OUTSIDE = {
    "cilium.io": _OWN_FENCE,
    "crd.projectcalico.org": _OWN_FENCE,
    "projectcalico.org": _OWN_FENCE,
    "policy.networking.k8s.io": _OWN_FENCE,
    "crd.antrea.io": _OWN_FENCE,
    "k8s.ovn.org": _OWN_FENCE,
    "kubeovn.io": _OWN_FENCE,
    "networking.k8s.aws": _OWN_FENCE,
    "EgressNetworkPolicy.network.openshift.io": _OWN_FENCE,
    "FQDNNetworkPolicy.networking.gke.io": _OWN_FENCE,
    "gateway.networking.k8s.io": "a test restore must not take the application's address",
    "Gateway.networking.istio.io": "a test restore must not take the application's address",
    "VirtualService.networking.istio.io": "a test restore must not take the application's address",
    "route.openshift.io": "a test restore must not take the application's address",
    "traefik.io": "a test restore must not take the application's address",
    "projectcontour.io": "a test restore must not take the application's address",
    "externaldns.k8s.io": "a test restore must not take the application's name",
    "cert-manager.io": "a test restore must not ask for the application's certificates",
    "acme.cert-manager.io": "a test restore must not ask for the application's certificates",
    "Application.argoproj.io": "a test restore must not deploy elsewhere",
    "ApplicationSet.argoproj.io": "a test restore must not deploy elsewhere",
    "kustomize.toolkit.fluxcd.io": "a test restore must not deploy elsewhere",
    "helm.toolkit.fluxcd.io": "a test restore must not deploy elsewhere",
}
"""By group or kind: controllers outside the scratch namespace act on these for the whole world, or
they open what its fence closes: of all rules that select a pod one that allows is enough (Cilium,
Calico, Antrea, OVN-Kubernetes, Kube-OVN, the clouds' own, and policies of administrators). Not what
runs pods (Argo's Rollout): without it the proof would be of something else."""


def why_left(kind: Kind, seen: Seen, is_in_point: Callable[[Owner], bool], *, scratch: bool) -> str:
    """Empty when the object is to be restored, else the reason why not.

    `is_in_point` tells whether the point holds an owner, in the object's own namespace.
    """
    name = kind.group_kind
    if scratch and name in _NOT_IN_SCRATCH:
        return _NOT_IN_SCRATCH[name]
    if scratch and (kind.group in _ACTS_OUTSIDE or name in _ACTS_OUTSIDE):
        return _ACTS_OUTSIDE.get(kind.group) or _ACTS_OUTSIDE[name]
    reason = _MADE_BY_KUBERNETES.get(name) or why_useless(kind)
    if reason:
        return reason
    for owner in seen.metadata.owner_references:
        if owner.controller and is_in_point(owner) and not _holds_state(name, owner):
            return f"made anew by its controller, {owner.kind} {owner.name}"
    if is_derived(kind, seen.metadata.labels):
        return "made anew from its service"
    return _made_anew(name, seen) or _finished(name, seen)


def why_volume_left(
    seen: Seen, is_restored: Callable[[str, str], bool], has_data: Callable[[str, str], bool]
) -> str:
    """Empty when a PersistentVolume is to be restored: somebody made it by hand, and it is nobody's
    or its claim's. `is_restored` tells of a claim, by namespace and name, whether it comes back as
    it was called, `has_data` whether the point has what to fill a new volume with."""
    if not is_made_by_hand(msgspec.to_builtins(seen.metadata)):
        return _WITH_CLAIM
    claim = (seen.spec or {}).get("claimRef")
    if not claim:
        return ""
    if has_data(claim["namespace"], claim["name"]):
        return _WITH_CLAIM
    if not is_restored(claim["namespace"], claim["name"]):
        return "it belongs to a claim that is not restored under its name"
    return ""


def is_made_by_hand(metadata: dict[str, Any]) -> bool:
    """Whether a person made a PersistentVolume, and no provisioner."""
    return _PROVISIONED_BY not in (metadata.get("annotations") or {})


def _holds_state(name: str, owner: Owner) -> bool:
    """Whether a controller would make it again with other contents: a drawn password, an empty
    volume. An ephemeral volume goes with its pod."""
    return name in _STATE and owner.kind != "Pod"


def _made_anew(name: str, seen: Seen) -> str:
    metadata = seen.metadata
    if name == "ControllerRevision.apps" and any(o.controller for o in metadata.owner_references):
        return "made anew by the workload's controller"
    if name == "ConfigMap" and metadata.name == "kube-root-ca.crt":
        return "made anew in every namespace"
    if name == "ServiceAccount" and metadata.name == "default" and not metadata.labels:
        return "made anew in every namespace"
    if name == "Secret" and seen.type == "kubernetes.io/service-account-token":
        return "tokens are made anew for the restored service account"
    if name == ENDPOINTS and POD_CHANGED_AT in metadata.annotations:
        return "made anew from the service's pods"
    return "made by the API server itself" if _made_by_api_server(name, metadata) else ""


def _made_by_api_server(name: str, metadata: Meta) -> bool:
    if name == "PriorityClass.scheduling.k8s.io" and metadata.name.startswith("system-"):
        return True
    return (
        "kubernetes.io/bootstrapping" in metadata.labels
        or "apf.kubernetes.io/autoupdate-spec" in metadata.annotations
        or "kube-aggregator.kubernetes.io/automanaged" in metadata.labels
    )


def _finished(name: str, seen: Seen) -> str:
    if name == "Pod" and seen.status.get("phase") in ("Succeeded", "Failed"):
        return "the pod had ended"
    if name == "Job.batch":
        conditions = seen.status.get("conditions") or []
        ended = ("Complete", "Failed")
        if any(c.get("type") in ended and c.get("status") == "True" for c in conditions):
            return "the job had ended; restoring it would run it again"
    return ""
