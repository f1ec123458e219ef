"""Reads what the warnings are about from the target cluster, once a plan, and asks every theme."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import msgspec

from lifeboat.errors import Forbidden, LifeboatError, NotFound
from lifeboat.ports.cluster import Cluster, Json, Kind
from lifeboat.restore.warnings.admission import admission_warnings
from lifeboat.restore.warnings.places import class_warnings, ending_warnings, zone_warnings
from lifeboat.restore.warnings.quota import quota_warnings
from lifeboat.restore.warnings.rights import Rules, rights_warnings
from lifeboat.restore.warnings.served import served_warnings
from lifeboat.restore.warnings.tally import Tally
from lifeboat.restore.warnings.zones import zones_of

_ADMISSION = "admissionregistration.k8s.io"
_ACCESS = "authorization.k8s.io"
_NODE = Kind("", "v1", "nodes", "Node", namespaced=False)
_NAMESPACE = Kind("", "v1", "namespaces", "Namespace", namespaced=False)
_QUOTA = Kind("", "v1", "resourcequotas", "ResourceQuota", namespaced=True)
_SLICE = Kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", namespaced=True)
_CLASS = Kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False)
_HOOKS = (
    Kind(
        _ADMISSION,
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        namespaced=False,
    ),
    Kind(
        _ADMISSION,
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        namespaced=False,
    ),
)
_RULES = Kind(_ACCESS, "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False)
_ALLOWED = Kind(_ACCESS, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False)


def look(cluster: Cluster, tally: Tally) -> tuple[str, ...]:
    """Every warning, by theme; what may not be read is one itself. Raises what is retryable."""
    told = list(served_warnings(tally.versions))
    reader = _Reader(cluster, told)
    targets = tally.namespaces | tally.made_namespaces
    if not tally.needs:
        return tuple(told)
    told += rights_warnings(tally.needs, reader.rules, reader.may)
    told += ending_warnings(reader.all(_NAMESPACE), targets)
    for namespace, added in sorted(tally.usage.items()):
        told += quota_warnings(namespace, reader.all(_QUOTA, namespace), added)
    if tally.classes:
        there = {one["metadata"]["name"] for one in reader.all(_CLASS)} | tally.made_classes
        told += class_warnings(tally.classes, there)
    if tally.zones:
        told += zone_warnings(tally.zones, reader.zones())
    hooks = [one for kind in _HOOKS for one in reader.all(kind)]
    told += admission_warnings(hooks, tally.needs, reader.answers, tally.services)
    if reader.unseen:
        names = ", ".join(sorted(reader.unseen))
        told.append(f"not checked, since this credential may not look at {names}")
    return tuple(dict.fromkeys(told))


class _Reader:
    def __init__(self, cluster: Cluster, told: list[str]) -> None:
        self._cluster, self._told = cluster, told
        self.unseen: set[str] = set()
        self.answers = lru_cache(maxsize=None)(self._answers)

    def all(self, kind: Kind, namespace: str | None = None) -> list[Json]:
        try:
            pages = self._cluster.list_pages(kind, namespace=namespace)
            return [msgspec.json.decode(raw) for page in pages for raw in page.items]
        except NotFound:  # not served, or the namespace is not there yet
            return []
        except LifeboatError as error:
            self._blind(kind.resource, error)
            return []

    def zones(self) -> Iterator[str]:
        for node in self.all(_NODE):
            yield from zones_of(node)

    def rules(self, namespace: str) -> Rules:
        review = _review(_RULES, {"namespace": namespace})
        try:
            status = self._cluster.create(_RULES, None, review)["status"]
        except LifeboatError as error:
            self._blind(f"the rights in {namespace}", error)
            return None
        if status.get("incomplete"):
            return None  # another authorizer has a say, and can only be asked request by request
        rules: list[Json] = status.get("resourceRules") or []
        return rules

    def may(self, kind: Kind, namespace: str, verb: str) -> bool:
        asked = {
            "verb": verb, "group": kind.group, "resource": kind.plural, "namespace": namespace,
        }  # fmt: skip
        try:
            made = self._cluster.create(
                _ALLOWED, None, _review(_ALLOWED, {"resourceAttributes": asked})
            )
        except LifeboatError as error:
            self._blind("the rights", error)
            return True
        return bool(made["status"].get("allowed"))

    def _answers(self, namespace: str, name: str) -> bool:
        """Whether a service has a ready endpoint, or nobody lets us know."""
        slices = self.all(_SLICE, namespace)
        if _SLICE.resource in self.unseen:
            return True
        for one in slices:
            labels = one["metadata"].get("labels") or {}
            if labels.get("kubernetes.io/service-name") != name:
                continue
            for endpoint in one.get("endpoints") or []:
                if (endpoint.get("conditions") or {}).get("ready", True):
                    return True
        return False

    def _blind(self, what: str, error: LifeboatError) -> None:
        if error.retryable:
            raise error
        if isinstance(error, Forbidden):
            self.unseen.add(what)
            return
        self._told.append(f"{what} could not be looked at: {error.message.splitlines()[0]}")


def _review(kind: Kind, spec: Json) -> Json:
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}, "spec": spec}
