"""What a test restore changes in an object outside namespaces that comes along because the policy
asks for it: it may act on the scratch namespaces of this test restore, and on nothing else.

docs/testing-restores.md lists these rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from lifeboat.ports.cluster import Json
from lifeboat.restore.defaults import make_ordinary
from lifeboat.steps.left_tests import TEST_LABEL

_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
_ACCOUNTS = ("system:serviceaccounts:", "system:serviceaccount:")
_NAMESPACED = "Namespaced"
_ANYTHING: Json = {
    "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"],
}  # fmt: skip


@dataclass(frozen=True)
class Fence:
    """Around one test restore, by its id; `mapping` are its namespaces."""

    test: str
    mapping: Mapping[str, str]

    @property
    def selector(self) -> Json:
        return {TEST_LABEL: self.test}


def contain(body: Json, fence: Fence) -> list[str]:
    """Changes a cluster-scoped object; returns a sentence for each change."""
    labels = body["metadata"].get("labels") or {}
    body["metadata"]["labels"] = {**labels, **fence.selector}
    rule = _RULES.get(body["kind"])
    changes = list(rule(body, fence)) if rule else []
    return changes + make_ordinary(body)


def _webhooks(body: Json, fence: Fence) -> Iterator[str]:
    kept = []
    for hook in body.get("webhooks") or []:
        reason = _fenced(hook, fence)
        if reason:
            yield f"webhook {hook['name']} left out: {reason}"
        else:
            kept.append(hook)
    body["webhooks"] = kept
    if kept:
        yield "asked about objects in the scratch namespaces alone"


def _fenced(hook: Json, fence: Fence) -> str:
    """Why a webhook cannot come along; what stays of it asks about nobody else's objects. A
    namespaceSelector alone does not do: objects outside namespaces pass it."""
    service = hook.get("clientConfig", {}).get("service")
    if service is None:
        return "who answers it is outside"
    if service["namespace"] not in fence.mapping.values():  # it follows the mapping (services.py)
        return f"its service is in {service['namespace']}, which is not restored"
    rules = [rule for rule in hook.get("rules") or [] if rule.get("scope") != "Cluster"]
    if not rules:
        return "it is about objects outside namespaces"
    hook["rules"] = [{**rule, "scope": _NAMESPACED} for rule in rules]
    _select(hook, fence)
    return ""


def _policy_binding(body: Json, fence: Fence) -> Iterator[str]:
    """A policy judges nothing without its binding, so that this is enough."""
    spec = body["spec"]
    matched = spec.setdefault("matchResources", {})
    rules = matched.get("resourceRules") or [_ANYTHING]
    inside = [rule for rule in rules if rule.get("scope") != "Cluster"]
    matched["resourceRules"] = [{**rule, "scope": _NAMESPACED} for rule in inside or [_ANYTHING]]
    _select(matched, fence)
    parameters = spec.get("paramRef") or {}
    if "namespace" in parameters:
        space = parameters["namespace"]
        parameters["namespace"] = fence.mapping.get(space, space)
    yield "binds its policy to the scratch namespaces alone"


def _select(holder: Json, fence: Fence) -> None:
    selector = holder.get("namespaceSelector") or {}
    labels = {**(selector.get("matchLabels") or {}), **fence.selector}
    holder["namespaceSelector"] = {**selector, "matchLabels": labels}


def _role(body: Json, _: Fence) -> Iterator[str]:
    """Otherwise roles that are there would grow by it."""
    labels = body["metadata"]["labels"]
    for name in [name for name in labels if name.startswith(_AGGREGATE)]:
        del labels[name]
        yield f"not added to the role {name.removeprefix(_AGGREGATE)}"


def _binding(body: Json, fence: Fence) -> Iterator[str]:
    """Subjects carry their new namespaces already (transform.py)."""
    spaces = set(fence.mapping.values())
    kept = []
    for subject in body.get("subjects") or []:
        if _space_of(subject) in spaces:
            kept.append(subject)
        else:
            yield f"not bound to {subject['kind']} {subject['name']}, who is not of this restore"
    body["subjects"] = kept


def _space_of(subject: Json) -> str:
    """Of an account, or of the group of all accounts of a namespace; empty for everybody else."""
    if subject["kind"] == "ServiceAccount":
        return str(subject.get("namespace", ""))
    for prefix in _ACCOUNTS:
        if subject["name"].startswith(prefix):
            return str(subject["name"].removeprefix(prefix).partition(":")[0])
    return ""


_Rule = Callable[[Json, Fence], Iterator[str]]
_RULES: dict[str, _Rule] = {
    "MutatingWebhookConfiguration": _webhooks,
    "ValidatingWebhookConfiguration": _webhooks,
    "MutatingAdmissionPolicyBinding": _policy_binding,
    "ValidatingAdmissionPolicyBinding": _policy_binding,
    "ClusterRole": _role,
    "ClusterRoleBinding": _binding,
}
