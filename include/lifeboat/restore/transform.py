"""From a record to the object that is created: what a restore changes on the way, and says so.

Each rule names its reason; docs/restore.md lists them all. `clean` works on plain JSON and knows no
cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from lifeboat.policy.restore_hooks import RestoreHooks
from lifeboat.ports import marks
from lifeboat.ports.cluster import Json
from lifeboat.report.kept import TOKEN_VOLUME, is_kept_finalizer
from lifeboat.restore.contained import Fence, contain
from lifeboat.restore.harmless import make_harmless
from lifeboat.restore.hold import Hold
from lifeboat.restore.renaming import named
from lifeboat.restore.services import Answering, follow
from lifeboat.restore.transforms.transforms import Transforms

# Set by the API server, meaningless or refused on create (API conventions, "Metadata").
_SERVER_SET = (
    "uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",  # restore/owners.py brings them back
)  # fmt: skip
# What a claim was bound to; a restored one binds anew (kubernetes.io, "Well-known annotations").
_BINDING_ANNOTATIONS = (
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
    "volume.beta.kubernetes.io/storage-provisioner",
)
_JOB_LABELS = (
    "controller-uid",
    "batch.kubernetes.io/controller-uid",
    "job-name",
    "batch.kubernetes.io/job-name",
)
_NO_HOOKS = RestoreHooks(annotations=False)
_ACCOUNT_NAMES = {"Group": ("system:serviceaccounts:",), "User": ("system:serviceaccount:",)}


@dataclass(frozen=True)
class Target:
    """Where and how an object is put: `mapping` renames namespaces, `scratch` makes it harmless,
    `claims_as` is a template for new names of claims, `hooks` add containers, and `transforms` are
    what the user wants changed. `status_of` names kinds that keep their status;
    `defaults` are classes that the target has as the default of their kind. `answering`, `mark` and
    `hold` as in RestoreRequest."""

    restore: str
    point: str
    mapping: Mapping[str, str]
    scratch: bool = False
    scale: int | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    hooks: RestoreHooks = _NO_HOOKS
    transforms: Transforms = field(default_factory=Transforms)
    claims_as: str = ""
    status_of: tuple[str, ...] = ()
    defaults: Mapping[str, str] = field(default_factory=dict)
    answering: Answering = field(default_factory=dict)
    mark: str = ""
    hold: Hold = ""

    def namespace(self, source: str) -> str:
        return self.mapping.get(source, source)


@dataclass
class Cleaned:
    """The object to create, and a sentence for each thing that was changed beyond the routine.
    `converted`: at another version than the captured one."""

    body: Json
    changes: list[str] = field(default_factory=list)
    converted: bool = False


def clean(body: Json, target: Target) -> Cleaned:
    """The object as it is to be created. `body` is used up."""
    cleaned = Cleaned(body)
    metadata = body["metadata"]
    for name in _SERVER_SET:
        metadata.pop(name, None)
    body.pop("status", None)
    if "namespace" in metadata:
        metadata["namespace"] = target.namespace(metadata["namespace"])
    annotations = metadata.setdefault("annotations", {})
    annotations[marks.RESTORE] = target.restore
    annotations[marks.RESTORED_FROM] = target.point
    annotations.pop(marks.STANDBY, None)  # of a point that was captured in a standby
    if target.mark:
        annotations[marks.STANDBY] = target.mark
    rule = _RULES.get(body["kind"])
    if rule is not None:
        rule(cleaned, target)
    metadata.pop("managedFields", None)  # a rule may ask who wrote a field
    if target.scratch:
        cleaned.changes += make_harmless(body, target.scale, target.node_selector)
        if "namespace" not in metadata and body["kind"] != "Namespace":
            cleaned.changes += contain(body, Fence(target.restore, target.mapping))
    return cleaned


def _namespace(cleaned: Cleaned, target: Target) -> None:
    metadata = cleaned.body["metadata"]
    metadata["name"] = target.namespace(metadata["name"])
    metadata.get("labels", {}).pop("kubernetes.io/metadata.name", None)
    cleaned.body.pop("spec", None)  # holds only the server's own finalizer


def _service(cleaned: Cleaned, target: Target) -> None:
    spec = cleaned.body["spec"]
    if spec.get("clusterIP") != "None":
        spec.pop("clusterIP", None)
        spec.pop("clusterIPs", None)
    spec.pop("healthCheckNodePort", None)
    chosen = _chosen_node_ports(cleaned.body) if not target.mapping else set()
    for port in spec.get("ports", []):
        node_port = port.get("nodePort")
        if node_port and node_port not in chosen:
            port.pop("nodePort")
            cleaned.changes.append(f"node port {node_port} dropped: a free one is assigned")
    if target.scratch and spec.get("type") in ("LoadBalancer", "NodePort"):
        cleaned.changes.append(f"type {spec['type']} made ClusterIP: nothing outside may reach it")
        spec["type"] = "ClusterIP"
        for name in ("externalTrafficPolicy", "allocateLoadBalancerNodePorts", "loadBalancerClass"):
            spec.pop(name, None)


def _chosen_node_ports(body: Json) -> set[int]:
    """Node ports that a person chose: they stand in the last applied configuration, or somebody is
    on record for having written them. What the API server assigns nobody has written."""
    metadata = body["metadata"]
    applied = metadata["annotations"].get("kubectl.kubernetes.io/last-applied-configuration", "")
    applied = applied.replace(" ", "")
    written = {
        (key.get("port"), key.get("protocol"))
        for manager in metadata.get("managedFields", ())
        for name, fields in _ports_of(manager.get("fieldsV1") or {}).items()
        if name.startswith("k:") and "f:nodePort" in fields
        for key in (msgspec.json.decode(name.removeprefix("k:"), type=dict),)
    }
    ports = [port for port in body["spec"].get("ports", []) if port.get("nodePort")]
    return {
        port["nodePort"]
        for port in ports
        if f'"nodePort":{port["nodePort"]}' in applied
        or (port["port"], port.get("protocol", "TCP")) in written
    }


def _ports_of(fields: Json) -> Json:
    """The ports that a field manager wrote (KEP-555, "Structured merge and diff")."""
    ports: Json = fields.get("f:spec", {}).get("f:ports", {})
    return ports


def _claim(cleaned: Cleaned, target: Target) -> None:
    spec, metadata = cleaned.body["spec"], cleaned.body["metadata"]
    metadata["name"] = named(target.claims_as, metadata["name"])
    spec.pop("volumeName", None)
    spec.pop("dataSource", None)
    spec.pop("dataSourceRef", None)
    _drop_own_finalizers(metadata)
    for name in _BINDING_ANNOTATIONS:
        metadata["annotations"].pop(name, None)


def _drop_own_finalizers(metadata: Json) -> None:
    """Those of Kubernetes and its storage sidecars: who protects the new object sets them anew."""
    kept = [name for name in metadata.get("finalizers") or () if not is_kept_finalizer(name)]
    metadata.pop("finalizers", None)
    if kept:
        metadata["finalizers"] = kept


def _pod(cleaned: Cleaned, _: Target) -> None:
    """Its priority is counted anew from its class; admission refuses the number of another one."""
    spec = cleaned.body["spec"]
    for name in ("nodeName", "priority", "preemptionPolicy"):
        spec.pop(name, None)
    volumes = spec.get("volumes", [])
    spec["volumes"] = [v for v in volumes if not v["name"].startswith(TOKEN_VOLUME)]
    for container in (*spec.get("containers", []), *spec.get("initContainers", [])):
        mounts = container.get("volumeMounts", [])
        container["volumeMounts"] = [m for m in mounts if not m["name"].startswith(TOKEN_VOLUME)]


def _deployment(cleaned: Cleaned, _: Target) -> None:
    """Its controller counts revisions from those ReplicaSets that are there."""
    cleaned.body["metadata"]["annotations"].pop("deployment.kubernetes.io/revision", None)


def _job(cleaned: Cleaned, _: Target) -> None:
    spec = cleaned.body["spec"]
    if not spec.get("manualSelector"):
        spec.pop("selector", None)
    template = spec.get("template", {}).get("metadata", {}).get("labels", {})
    for labels in (template, cleaned.body["metadata"].get("labels", {})):
        for name in _JOB_LABELS:
            labels.pop(name, None)


def _cron_job(cleaned: Cleaned, target: Target) -> None:
    if target.scratch and not cleaned.body["spec"].get("suspend"):
        cleaned.body["spec"]["suspend"] = True
        cleaned.changes.append("suspended: a test restore must not start jobs")


def _service_account(cleaned: Cleaned, _: Target) -> None:
    cleaned.body.pop("secrets", None)  # token Secrets are made anew for the new account


def _binding(cleaned: Cleaned, target: Target) -> None:
    """An account's other names carry its namespace, too (k8s.io/apiserver, serviceaccount/util)."""
    for subject in cleaned.body.get("subjects") or []:
        if "namespace" in subject:
            subject["namespace"] = target.namespace(subject["namespace"])
        for prefix in _ACCOUNT_NAMES.get(subject["kind"], ()):
            if subject["name"].startswith(prefix):
                space, colon, rest = subject["name"].removeprefix(prefix).partition(":")
                subject["name"] = f"{prefix}{target.namespace(space)}{colon}{rest}"


def _asks(cleaned: Cleaned, target: Target) -> None:
    cleaned.changes += follow(cleaned.body, target.mapping, target.answering)


def _volume(cleaned: Cleaned, target: Target) -> None:
    """It waits for the claim that it was bound to, by name: the claim's uid is a new one."""
    _drop_own_finalizers(cleaned.body["metadata"])
    for name in _BINDING_ANNOTATIONS:
        cleaned.body["metadata"]["annotations"].pop(name, None)
    bound = cleaned.body["spec"].get("claimRef")
    if bound:
        cleaned.body["spec"]["claimRef"] = {
            "kind": "PersistentVolumeClaim",
            "apiVersion": "v1",
            "namespace": target.namespace(bound["namespace"]),
            "name": bound["name"],
        }


def _cluster_role(cleaned: Cleaned, _: Target) -> None:
    """A collected role is filled by its controller."""
    if cleaned.body.get("aggregationRule"):
        cleaned.body.pop("rules", None)


_Rule = Callable[[Cleaned, Target], None]
_RULES: dict[str, _Rule] = {
    "Namespace": _namespace,
    "Service": _service,
    "PersistentVolumeClaim": _claim,
    "Pod": _pod,
    "Deployment": _deployment,
    "Job": _job,
    "CronJob": _cron_job,
    "ServiceAccount": _service_account,
    "PersistentVolume": _volume,
    "ClusterRole": _cluster_role,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "ValidatingWebhookConfiguration": _asks,
    "MutatingWebhookConfiguration": _asks,
    "CustomResourceDefinition": _asks,
    "APIService": _asks,
}
