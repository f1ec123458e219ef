"""In which wave an object is restored. Waves run one after the other, a wave's objects in parallel.

The order follows what refers to what: definitions before their resources, namespaces before what
lies in them, configuration and claims before workloads, gatekeepers (webhooks, quotas) last, so
that they judge nothing that is only half there. Unlisted kinds, custom resources among them, come
after the workloads, as Velero does (docs "Restore order").
"""

from __future__ import annotations

(
    DEFINITIONS, NAMESPACES, CLUSTER, VOLUMES, CONFIG, NETWORK, WORKLOADS, OTHERS, GATES, REMOVALS,
) = range(10)  # fmt: skip

TITLES = {
    DEFINITIONS: "custom resource definitions",
    NAMESPACES: "namespaces",
    CLUSTER: "cluster-wide settings",
    VOLUMES: "claims and their volumes",
    CONFIG: "configuration and access",
    NETWORK: "services and role bindings",
    WORKLOADS: "workloads",
    OTHERS: "everything else",
    GATES: "quotas, webhooks and API services",
    REMOVALS: "objects that the point does not hold",
}

_WAVES = {
    DEFINITIONS: ("CustomResourceDefinition.apiextensions.k8s.io",),
    NAMESPACES: ("Namespace",),
    CLUSTER: (
        "CSIDriver.storage.k8s.io",
        "PersistentVolume",  # what nobody provisions has to be there before its claim asks for one
        "StorageClass.storage.k8s.io",
        "VolumeAttributesClass.storage.k8s.io",  # a claim that names one waits for it
        "VolumeSnapshotClass.snapshot.storage.k8s.io",
        "PriorityClass.scheduling.k8s.io",
        "IngressClass.networking.k8s.io",
        "RuntimeClass.node.k8s.io",
        "ClusterRole.rbac.authorization.k8s.io",
        # They judge nothing before their bindings come, with the gates; the API server looks for
        # the policy of a binding in a cache that has to have seen it.
        "MutatingAdmissionPolicy.admissionregistration.k8s.io",
        "ValidatingAdmissionPolicy.admissionregistration.k8s.io",
    ),
    VOLUMES: ("PersistentVolumeClaim",),
    CONFIG: (
        "ServiceAccount",
        "Secret",
        "ConfigMap",
        "LimitRange",
        "Role.rbac.authorization.k8s.io",
        "NetworkPolicy.networking.k8s.io",
        "PodTemplate",
    ),
    NETWORK: (
        "Service",
        "Endpoints",
        "EndpointSlice.discovery.k8s.io",
        # Whoever has not all rights may bind a role only when it is there to be looked at.
        "RoleBinding.rbac.authorization.k8s.io",
        "ClusterRoleBinding.rbac.authorization.k8s.io",
    ),
    WORKLOADS: (
        "Pod",
        "ReplicationController",
        "ReplicaSet.apps",
        "Deployment.apps",
        "StatefulSet.apps",
        "DaemonSet.apps",
        "Job.batch",
        "CronJob.batch",
    ),
    GATES: (
        "ResourceQuota",
        "MutatingWebhookConfiguration.admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding.admissionregistration.k8s.io",
        "MutatingAdmissionPolicyBinding.admissionregistration.k8s.io",
        "APIService.apiregistration.k8s.io",
    ),
}

_WAVE_OF = {kind: wave for wave, kinds in _WAVES.items() for kind in kinds}


def wave_of(group_kind: str) -> int:
    """The wave of a kind written as `Deployment.apps`."""
    return _WAVE_OF.get(group_kind, OTHERS)
