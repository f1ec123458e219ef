"""What a policy selects, as a person writes it: namespaces, kinds, labels, filters.

Form only; `lifeboat.policy.selection` and `lifeboat.policy.picking` apply it to what a cluster
holds.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lifeboat.policy.fields import Strict, Switch, refuse
from lifeboat.policy.filters import (
    NamespaceFilter,
    ObjectFilter,
    kinds_once,
    named_kinds_only,
    namespaces_once,
)
from lifeboat.policy.globs import any_matches
from lifeboat.policy.owners import ManagedBy
from lifeboat.policy.patterns import (
    EVERY_KIND,
    Globs,
    KindNames,
    Selector,
    Selectors,
    exclusive_labels,
)

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")
"""Namespaces of the cluster itself; selected only with `systemNamespaces: true`."""


class NamespaceSelect(Strict):
    """Which namespaces; looked at anew in every run, so new namespaces are taken up."""

    include: Globs = Field(
        default=("*",),
        min_length=1,
        description="Names or globs of the namespaces to protect: * any characters, ? one, [abc]"
        " and [a-z] one of a set; **, |, (), !, {}, a comma and [] are refused. One that matches"
        " nothing is a warning in the point, no failure. Default *, because a forgotten namespace"
        " is worse than a spare one.",
        examples=[["shop", "shop-*"]],
    )
    exclude: Globs = Field(
        default=(),
        description="Names or globs to leave out; exclude wins over include. Default none.",
        examples=[["shop-scratch"]],
    )
    labels: Selector = Field(
        default="",
        description="Only namespaces whose labels match this Kubernetes label selector."
        " Default empty: any labels.",
        examples=["team=web,stage in (prod,canary)"],
    )

    @model_validator(mode="after")
    def _selects_something(self) -> NamespaceSelect:
        for index, pattern in enumerate(self.exclude):
            if pattern in self.include or pattern == "*":
                raise refuse(
                    "no name or glob that takes away a whole include; exclude wins over include",
                    found=repr(pattern),
                    at=("exclude", index),
                )
        return self


class KindSelect(Strict):
    """Which kinds of objects."""

    include: KindNames = Field(
        default=("*",),
        min_length=1,
        description="Kinds to protect, written like deployments, Deployment, deploy,"
        " deployments.apps or *.apps; without a group, the kinds of this name in every group."
        " A kind that the cluster does not serve is a warning in the point. Default *: every kind"
        " that the cluster serves, custom ones included.",
        examples=[["*"]],
    )
    exclude: KindNames = Field(
        default=(),
        description="Kinds to leave out; exclude wins over include, over filters and over what"
        " other objects need. Secrets are kept out by naming secrets here. Default none.",
        examples=[["jobs.batch", "*.example.com"]],
    )
    also: KindNames = Field(
        default=(),
        description='Kinds that no point holds otherwise ("What no point holds"), to be read'
        " later: a restore never brings them back. endpoints and endpointslices.discovery.k8s.io"
        " bring those that the control plane writes, too. Default none.",
        examples=[["events", "leases"]],
    )


class Select(Strict):
    """What is protected. lifeboat.dev/exclude=true and velero.io/exclude-from-backup=true on an
    object, as a label or an annotation, beat everything written here."""

    namespaces: NamespaceSelect = Field(
        default_factory=NamespaceSelect,
        description="Which namespaces. Default all but system ones.",
    )
    system_namespaces: Switch = Field(
        default=False,
        description="Whether kube-system, kube-public and kube-node-lease may be selected too."
        " Default false: they belong to the cluster, and restoring them can break it.",
    )
    kinds: KindSelect = Field(
        default_factory=KindSelect, description="Which kinds of objects. Default all."
    )
    labels: Selector = Field(
        default="",
        description="Only objects whose labels match this Kubernetes label selector: all of its"
        " requirements hold. Default empty: all objects of the selected kinds.",
        examples=["app.kubernetes.io/part-of=shop,tier notin (cache,scratch)"],
    )
    any_labels: Selectors = Field(
        default=(),
        description="Only objects whose labels match one of these selectors; not beside labels."
        " Default empty: all objects of the selected kinds.",
    )
    namespace_filters: tuple[NamespaceFilter, ...] = Field(
        default=(),
        description="What is taken of single namespaces. A namespace that a filter matches gives"
        " what the filter lists and nothing else; labels and anyLabels do not count in it. Default"
        " none: every selected namespace is taken alike.",
    )
    cluster_filters: tuple[ObjectFilter, ...] = Field(
        default=(),
        description="Which objects outside namespaces, by kind. Kinds that no filter names keep the"
        " rules of select; what others need is taken only if the filter of its kind lets it."
        " Default none.",
    )
    managed_by: ManagedBy = Field(
        default_factory=ManagedBy,
        description="What happens to objects that Helm, Argo CD or Flux own. Default: they are"
        " captured like all others.",
    )
    cluster_scoped: Literal["auto", "all", "none"] = Field(
        default="auto",
        description="Objects outside namespaces (CRDs, ClusterRoles, volumes, ...). auto: all that"
        " kinds and labels let when every namespace is selected, and always what the selected"
        " objects need (docs/selection.md lists it); all: all that kinds and labels let; none: only"
        " the Namespace objects of the selected namespaces, which the others hold too. Default"
        " auto.",
    )

    @model_validator(mode="after")
    def _one_way_of_labels(self) -> Select:
        exclusive_labels(self.labels, self.any_labels)
        return self

    @model_validator(mode="after")
    def _filters_do_not_contradict(self) -> Select:
        namespaces_once(self.namespace_filters, ("namespaceFilters",))
        kinds_once(self.cluster_filters, ("clusterFilters",))
        named_kinds_only(self.cluster_filters, ("clusterFilters",))
        if self.cluster_filters and self.cluster_scoped == "none":
            raise refuse(
                "no clusterFilters beside clusterScoped: none, or another clusterScoped",
                found="clusterFilters of objects that are not taken at all",
                at=("clusterFilters",),
            )
        return self

    @model_validator(mode="after")
    def _system_namespaces_are_allowed(self) -> Select:
        for index, name in enumerate(self.namespaces.include):
            if name in SYSTEM_NAMESPACES and not self.system_namespaces:
                raise refuse(
                    "systemNamespaces: true beside it, or another namespace: system namespaces are"
                    " otherwise never selected",
                    found=repr(name),
                    at=("namespaces", "include", index),
                )
        return self

    @property
    def every_namespace(self) -> bool:
        """Whether no namespace is left out but those of the system."""
        spaces = self.namespaces
        return spaces.include == ("*",) and not (spaces.exclude or spaces.labels)

    @property
    def whole_cluster_scope(self) -> bool:
        """Whether objects outside namespaces are taken by kind and labels, needed or not."""
        return self.cluster_scoped == "all" or (
            self.cluster_scoped == "auto" and self.every_namespace
        )

    @property
    def follows_needs(self) -> bool:
        """Whether what the selected objects need has to be looked for."""
        narrowed = self.labels or self.any_labels or EVERY_KIND not in self.kinds.include
        return self.cluster_scoped == "auto" and bool(narrowed or not self.every_namespace)

    def takes_whole(self, namespace: str) -> bool:
        """Whether every kind of object of a selected namespace is taken, whatever its labels."""
        narrowed = self.labels or self.any_labels or self.kinds.exclude or self.managed_by.left
        filtered = any(any_matches(one.namespaces, namespace) for one in self.namespace_filters)
        return not narrowed and not filtered and EVERY_KIND in self.kinds.include
