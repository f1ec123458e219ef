"""Captures what the captured objects need outside their namespaces: the dependency closure.

It runs after the dump, on the names that its shards told (`steps.needs`): claim -> volume and
storage class; custom resource -> its definition; service account -> the cluster role bindings that
name it -> their cluster roles; role binding -> cluster role; aggregated cluster role -> the roles
it is made of; workload -> priority and runtime class; Ingress -> its class; VolumeSnapshot -> its
class. A kind is listed once (cluster roles and their bindings twice); nothing is held but names,
and the labels of roles. What Kubernetes itself makes anew (bootstrap roles, system priority
classes) is left out, and so are bindings to all service accounts of a cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, TypeVar

import msgspec

from lifeboat.errors import Forbidden
from lifeboat.point import layout
from lifeboat.point.manifest import LeftOut
from lifeboat.policy.select import Select
from lifeboat.policy.selection import kind_excluded, why_never
from lifeboat.policy.selectors import LabelSelector, Requirement
from lifeboat.ports.cluster import Cluster, Kind
from lifeboat.steps import needs
from lifeboat.steps.context import Context
from lifeboat.steps.dump import capture
from lifeboat.steps.needs import Needs
from lifeboat.steps.scope import RELATED_PART, Listing, Part, Scope, Shard

_FOLLOWED = frozenset({
    needs.VOLUMES, needs.STORAGE_CLASSES, needs.ATTRIBUTES_CLASSES, needs.SNAPSHOT_CLASSES,
    needs.GROUP_SNAPSHOT_CLASSES, needs.PRIORITY_CLASSES, needs.RUNTIME_CLASSES,
    needs.INGRESS_CLASSES, needs.GATEWAY_CLASSES, needs.DEFINITIONS, needs.ROLES, needs.BINDINGS,
})  # fmt: skip
_BOOTSTRAP_LABEL = "kubernetes.io/bootstrapping"
_SYSTEM_CLASS = "system-"  # reserved for Kubernetes itself (docs, "Pod Priority and Preemption")
_OPERATORS: Mapping[str, Literal["in", "notin", "exists", "absent"]] = {
    "In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent",
}  # fmt: skip

T = TypeVar("T", bound=msgspec.Struct)


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""
    labels: dict[str, str] = {}


class _RoleRef(msgspec.Struct, frozen=True):
    kind: str
    name: str


class _Subject(msgspec.Struct, frozen=True):
    kind: str
    name: str = ""
    namespace: str = ""


class _Binding(msgspec.Struct, frozen=True, rename="camel"):
    metadata: _Meta
    role_ref: _RoleRef
    subjects: list[_Subject] | None = None


class _Expression(msgspec.Struct, frozen=True):
    key: str
    operator: str
    values: list[str] | None = None


class _Selector(msgspec.Struct, frozen=True, rename="camel"):
    match_labels: dict[str, str] | None = None
    match_expressions: list[_Expression] | None = None


class _Aggregation(msgspec.Struct, frozen=True, rename="camel"):
    cluster_role_selectors: list[_Selector] | None = None


class _Role(msgspec.Struct, frozen=True, rename="camel"):
    metadata: _Meta
    aggregation_rule: _Aggregation | None = None


def followed_kinds(select: Select, kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """The served kinds of which captured objects may need some; none where nothing is followed."""
    if not select.follows_needs:
        return ()
    return tuple(
        kind
        for kind in kinds
        if kind.resource in _FOLLOWED and not kind_excluded(select, kind) and not why_never(kind)
    )


def dump_related(context: Context, scope: Scope, parts: Iterable[Part]) -> tuple[Part, ...]:
    """The part of what the others need; none where nothing is followed. A second attempt returns
    what the first one stored. Raises what a retry may cure."""
    if not scope.needed:
        return ()
    key = layout.part(scope.instance, scope.point, RELATED_PART)
    done = context.vault.find_document(key, Part)
    if done is not None:
        return (done,)
    told = Needs()
    for part in parts:
        told.merge(part.needs)
    related = Related(context.cluster, scope)
    shard = Shard(RELATED_PART, "what the others need", related.listings(told))
    part = capture(context, scope, shard)
    left_out = (*part.left_out, *related.left_out)
    part = msgspec.structs.replace(part, left_out=left_out, needs={})
    return (context.vault.settle_document(key, part, Part),)


class Related:
    """From names of what is needed to listings; reads roles and bindings, nothing else."""

    def __init__(self, cluster: Cluster, scope: Scope) -> None:
        self._cluster = cluster
        self._kinds = {kind.resource: kind for kind in scope.needed}
        self._classes = frozenset(scope.snapshot_classes.values())
        self.left_out: list[LeftOut] = []

    def listings(self, told: Needs) -> tuple[Listing, ...]:
        """One for each kind of which something is needed."""
        names = {resource: set(found) for resource, found in told.told().items()}
        accounts = names.pop(needs.ACCOUNTS, set())
        names.setdefault(needs.SNAPSHOT_CLASSES, set()).update(self._classes)
        priorities = names.get(needs.PRIORITY_CLASSES, set())
        names[needs.PRIORITY_CLASSES] = {
            name for name in priorities if not name.startswith(_SYSTEM_CLASS)
        }
        bindings, roles = self._bindings(accounts)
        names[needs.BINDINGS] = bindings
        names[needs.ROLES] = self._own_roles(names.get(needs.ROLES, set()) | roles)
        return tuple(
            Listing(self._kinds[resource], only=tuple(sorted(wanted)))
            for resource, wanted in sorted(names.items())
            if wanted and resource in self._kinds
        )

    def _bindings(self, accounts: set[str]) -> tuple[set[str], set[str]]:
        """Names of the bindings to these accounts, and of the roles that they bind."""
        groups = {f"system:serviceaccounts:{account.partition('/')[0]}" for account in accounts}
        bindings, roles = set(), set()
        for binding in self._all(needs.BINDINGS, _Binding) if accounts else ():
            subjects = binding.subjects or ()
            ours = any(_names_one(subject, accounts, groups) for subject in subjects)
            if ours and _BOOTSTRAP_LABEL not in binding.metadata.labels:
                bindings.add(binding.metadata.name)
                roles.add(binding.role_ref.name)
        return bindings, roles

    def _own_roles(self, wanted: set[str]) -> set[str]:
        """Those of the wanted roles, and of what they aggregate, that Kubernetes does not make."""
        roles = list(self._all(needs.ROLES, _Role)) if wanted else []
        own = [role for role in roles if _BOOTSTRAP_LABEL not in role.metadata.labels]
        found: set[str] = set()
        due = [role for role in own if role.metadata.name in wanted]
        while due:
            role = due.pop()
            found.add(role.metadata.name)
            selectors = _selectors(role)
            due += [
                other
                for other in own
                if other.metadata.name not in found
                and any(selector.matches(other.metadata.labels) for selector in selectors)
            ]
        return found

    def _all(self, resource: str, shape: type[T]) -> Iterator[T]:
        kind = self._kinds.get(resource)
        if kind is None:
            return
        decode = msgspec.json.Decoder(shape).decode
        try:
            for page in self._cluster.list_pages(kind):
                yield from map(decode, page.items)
        except Forbidden as error:
            reason = f"may not be listed: {error.message}"
            self.left_out.append(LeftOut(f"needed {resource}", reason))


def _names_one(subject: _Subject, accounts: set[str], groups: set[str]) -> bool:
    if subject.kind == "ServiceAccount":
        return f"{subject.namespace}/{subject.name}" in accounts
    return subject.kind == "Group" and subject.name in groups


def _selectors(role: _Role) -> Sequence[LabelSelector]:
    """What an aggregated role is made of: roles that match one of these (RBAC, "Aggregated
    ClusterRoles")."""
    rule = role.aggregation_rule
    return [_selector(one) for one in (rule.cluster_role_selectors if rule else None) or ()]


def _selector(selector: _Selector) -> LabelSelector:
    equal = (selector.match_labels or {}).items()
    return LabelSelector(
        (
            *(Requirement(key, "in", (value,)) for key, value in equal),
            *(
                Requirement(one.key, _OPERATORS[one.operator], tuple(one.values or ()))
                for one in selector.match_expressions or ()
            ),
        )
    )
