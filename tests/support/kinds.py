"""Kinds as discovery names them, for fakes and tests that ask no API server."""

from __future__ import annotations

from lifeboat.ports.cluster import Kind

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


def kind(api_version: str, plural: str, name: str, *, namespaced: bool = True) -> Kind:
    """A kind with every verb, served in one version."""
    group, _, version = api_version.rpartition("/")
    return Kind(group, version, plural, name, namespaced, verbs=VERBS, versions=(version,))


NAMESPACE = kind("v1", "namespaces", "Namespace", namespaced=False)
NODE = kind("v1", "nodes", "Node", namespaced=False)
CONFIG_MAP = kind("v1", "configmaps", "ConfigMap")
SECRET = kind("v1", "secrets", "Secret")
SERVICE = kind("v1", "services", "Service")
SERVICE_ACCOUNT = kind("v1", "serviceaccounts", "ServiceAccount")
POD = kind("v1", "pods", "Pod")
CLAIM = kind("v1", "persistentvolumeclaims", "PersistentVolumeClaim")
VOLUME = kind("v1", "persistentvolumes", "PersistentVolume", namespaced=False)
DEPLOYMENT = kind("apps/v1", "deployments", "Deployment")
REPLICA_SET = kind("apps/v1", "replicasets", "ReplicaSet")
STATEFUL_SET = kind("apps/v1", "statefulsets", "StatefulSet")
DAEMON_SET = kind("apps/v1", "daemonsets", "DaemonSet")
JOB = kind("batch/v1", "jobs", "Job")
CRON_JOB = kind("batch/v1", "cronjobs", "CronJob")
INGRESS = kind("networking.k8s.io/v1", "ingresses", "Ingress")
NETWORK_POLICY = kind("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy")
_RBAC = "rbac.authorization.k8s.io/v1"
ROLE = kind(_RBAC, "roles", "Role")
ROLE_BINDING = kind(_RBAC, "rolebindings", "RoleBinding")
CLUSTER_ROLE = kind(_RBAC, "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDING = kind(_RBAC, "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
STORAGE_CLASS = kind("storage.k8s.io/v1", "storageclasses", "StorageClass", namespaced=False)
INGRESS_CLASS = kind("networking.k8s.io/v1", "ingressclasses", "IngressClass", namespaced=False)
PRIORITY_CLASS = kind("scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", namespaced=False)
RUNTIME_CLASS = kind("node.k8s.io/v1", "runtimeclasses", "RuntimeClass", namespaced=False)
CRD = kind(
    "apiextensions.k8s.io/v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    namespaced=False,
)
API_SERVICE = kind("apiregistration.k8s.io/v1", "apiservices", "APIService", namespaced=False)
RESOURCE_QUOTA = kind("v1", "resourcequotas", "ResourceQuota")
ENDPOINT_SLICE = kind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice")
_ADMISSION = "admissionregistration.k8s.io/v1"
VALIDATING_WEBHOOKS = kind(
    _ADMISSION,
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
_ACCESS = "authorization.k8s.io/v1"
RULES_REVIEW = kind(_ACCESS, "selfsubjectrulesreviews", "SelfSubjectRulesReview", namespaced=False)
ACCESS_REVIEW = kind(
    _ACCESS, "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False
)
_SNAPSHOTS = "snapshot.storage.k8s.io/v1"
SNAPSHOT = kind(_SNAPSHOTS, "volumesnapshots", "VolumeSnapshot")
CONTENT = kind(_SNAPSHOTS, "volumesnapshotcontents", "VolumeSnapshotContent", namespaced=False)
SNAPSHOT_CLASS = kind(_SNAPSHOTS, "volumesnapshotclasses", "VolumeSnapshotClass", namespaced=False)

BUILT_IN = (
    NAMESPACE, NODE, CONFIG_MAP, SECRET, SERVICE, SERVICE_ACCOUNT, POD, CLAIM, VOLUME, DEPLOYMENT,
    REPLICA_SET, STATEFUL_SET, DAEMON_SET, JOB, CRON_JOB, INGRESS, NETWORK_POLICY, ROLE,
    ROLE_BINDING, CLUSTER_ROLE, CLUSTER_ROLE_BINDING, STORAGE_CLASS, INGRESS_CLASS, PRIORITY_CLASS,
    RUNTIME_CLASS, CRD, API_SERVICE, RESOURCE_QUOTA, ENDPOINT_SLICE, VALIDATING_WEBHOOKS,
)  # fmt: skip
SNAPSHOT_KINDS = (SNAPSHOT, CONTENT, SNAPSHOT_CLASS)
