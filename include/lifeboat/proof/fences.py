"""What stands around a scratch namespace before anything runs in it: a network policy that denies
everything, one that lets through what the policy allows, a quota, and limits.
"""

from __future__ import annotations

from collections.abc import Iterator

from lifeboat.policy.proof import DNS, SCRATCH, Opening, TestRestore
from lifeboat.ports.cluster import Json, Kind
from lifeboat.steps.left_tests import TEST_LABEL

_QUOTA = Kind("", "v1", "resourcequotas", "ResourceQuota", namespaced=True)
_LIMITS = Kind("", "v1", "limitranges", "LimitRange", namespaced=True)
_POLICY = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", namespaced=True)
_NAMESPACE_NAME = "kubernetes.io/metadata.name"
_NODE_LOCAL_DNS = "169.254.20.10/32"
"""Where NodeLocal DNSCache listens on every node (kubernetes.io, "Using NodeLocal DNSCache")."""
_NO_DOORS = {"services.loadbalancers": "0", "services.nodeports": "0"}


def fences(wanted: TestRestore, test: str) -> Iterator[tuple[Kind, Json]]:
    """Kind and body of each, without a namespace."""
    deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    yield _POLICY, _object(_POLICY, "lifeboat-deny-all", deny)
    egress, ingress = _rules(wanted.allow, test)
    if egress or ingress:
        types = ["Egress"] * bool(egress) + ["Ingress"] * bool(ingress)
        allow = {"podSelector": {}, "policyTypes": types, "egress": egress, "ingress": ingress}
        yield _POLICY, _object(_POLICY, "lifeboat-allowed", allow)
    yield _QUOTA, _object(_QUOTA, "lifeboat-scratch", {"hard": {**wanted.quota, **_NO_DOORS}})
    if wanted.limits:
        limit = {
            "type": "Container",
            "default": dict(wanted.limits),
            "defaultRequest": dict(wanted.limits),
        }
        yield _LIMITS, _object(_LIMITS, "lifeboat-scratch", {"limits": [limit]})


def _rules(allow: tuple[Opening, ...], test: str) -> tuple[list[Json], list[Json]]:
    """Egress and ingress rules of one network policy."""
    egress: list[Json] = []
    ingress: list[Json] = []
    for opening in allow:
        ports = [{"protocol": "TCP", "port": port} for port in opening.ports]
        limited: Json = {"ports": ports} if ports else {}
        if opening.to == DNS:
            asked = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
            places = [_in_namespaces(_NAMESPACE_NAME, "kube-system"), _block(_NODE_LOCAL_DNS)]
            egress.append({"to": places, "ports": asked})
        elif opening.to == SCRATCH:
            ours = _in_namespaces(TEST_LABEL, test)
            egress.append({"to": [ours]})
            ingress.append({"from": [ours]})
        elif opening.egress:
            egress.append({"to": [_block(opening.egress)], **limited})
        else:
            ingress.append({"from": [_in_namespaces(_NAMESPACE_NAME, opening.ingress)], **limited})
    return egress, ingress


def _in_namespaces(label: str, value: str) -> Json:
    return {"namespaceSelector": {"matchLabels": {label: value}}}


def _block(cidr: str) -> Json:
    return {"ipBlock": {"cidr": cidr}}


def _object(kind: Kind, name: str, spec: Json) -> Json:
    metadata = {"name": name}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec}
