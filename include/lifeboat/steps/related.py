"""Cluster-scoped objects that the selected namespaces need: the dependency closure.

Namespace -> its own object; claim -> volume and storage class; custom resource -> its definition;
service account -> the cluster role bindings that name it -> their cluster roles; role binding ->
the cluster role it names. What Kubernetes itself makes anew (bootstrap roles) is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from lifeboat.errors import Forbidden
from lifeboat.point.manifest import LeftOut
from lifeboat.ports.cluster import Cluster, Kind
from lifeboat.ports.marks import MANAGED
from lifeboat.steps.claims import ClaimObject
from lifeboat.steps.scope import Listing

_BOOTSTRAP_LABEL = "kubernetes.io/bootstrapping"
_DEFINITIONS = "customresourcedefinitions.apiextensions.k8s.io"

T = TypeVar("T", bound=msgspec.Struct)


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] = {}


class _RoleRef(msgspec.Struct, frozen=True):
    kind: str
    name: str


class _Subject(msgspec.Struct, frozen=True):
    kind: str
    namespace: str = ""


class _Binding(msgspec.Struct, frozen=True, rename="camel"):
    metadata: _Meta
    role_ref: _RoleRef
    subjects: list[_Subject] | None = None


class _Any(msgspec.Struct, frozen=True):
    metadata: _Meta


class Related:
    """Collects listings of related cluster-scoped objects, by name."""

    def __init__(
        self, cluster: Cluster, kinds: Iterable[Kind], namespaces: tuple[str, ...]
    ) -> None:
        self._cluster = cluster
        self._kinds = {kind.resource: kind for kind in kinds}
        self._namespaces = frozenset(namespaces)
        self.left_out: list[LeftOut] = []

    def listings(self, claims: Iterable[ClaimObject], selected: Iterable[Kind]) -> list[Listing]:
        """One listing for each cluster-scoped kind of which something is related."""
        claims = tuple(claims)
        names = {
            "namespaces": set(self._namespaces),
            "persistentvolumes": {c.spec.volume_name for c in claims if c.spec.volume_name},
            "storageclasses.storage.k8s.io": {
                c.spec.storage_class_name for c in claims if c.spec.storage_class_name
            },
            _DEFINITIONS: self._definitions(selected),
            "priorityclasses.scheduling.k8s.io": self._own_priority_classes(),
            **self._roles(),
        }
        return [
            Listing(self._kinds[resource], only=tuple(sorted(wanted)))
            for resource, wanted in sorted(names.items())
            if wanted and resource in self._kinds
        ]

    def _definitions(self, selected: Iterable[Kind]) -> set[str]:
        defined = {item.metadata.name for item in self._all(_DEFINITIONS, _Any)}
        return {
            kind.resource
            for kind in selected
            if kind.resource in defined and kind.namespaced and self._in_use(kind)
        }

    def _in_use(self, kind: Kind) -> bool:
        for page in self._cluster.list_pages(kind):
            for raw in page.items:
                meta = msgspec.json.decode(raw, type=_Any).metadata
                if meta.namespace in self._namespaces and MANAGED not in meta.labels:
                    return True
        return False

    def _own_priority_classes(self) -> set[str]:
        return {
            item.metadata.name
            for item in self._all("priorityclasses.scheduling.k8s.io", _Any)
            if not item.metadata.name.startswith("system-")
        }

    def _roles(self) -> dict[str, set[str]]:
        bindings, roles = set(), set()
        for binding in self._all("clusterrolebindings.rbac.authorization.k8s.io", _Binding):
            if self._names_us(binding) and _BOOTSTRAP_LABEL not in binding.metadata.labels:
                bindings.add(binding.metadata.name)
                roles.add(binding.role_ref.name)
        for binding in self._all("rolebindings.rbac.authorization.k8s.io", _Binding):
            ours = binding.metadata.namespace in self._namespaces
            if ours and binding.role_ref.kind == "ClusterRole":
                roles.add(binding.role_ref.name)
        own = {
            role.metadata.name
            for role in self._all("clusterroles.rbac.authorization.k8s.io", _Any)
            if role.metadata.name in roles and _BOOTSTRAP_LABEL not in role.metadata.labels
        }
        return {
            "clusterrolebindings.rbac.authorization.k8s.io": bindings,
            "clusterroles.rbac.authorization.k8s.io": own,
        }

    def _names_us(self, binding: _Binding) -> bool:
        return any(
            subject.kind == "ServiceAccount" and subject.namespace in self._namespaces
            for subject in binding.subjects or []
        )

    def _all(self, resource: str, shape: type[T]) -> list[T]:
        kind = self._kinds.get(resource)
        if kind is None:
            return []
        decode = msgspec.json.Decoder(shape).decode
        try:
            return [decode(raw) for page in self._cluster.list_pages(kind) for raw in page.items]
        except Forbidden as error:
            self.left_out.append(LeftOut(f"related {resource}", error.message))
            return []
