"""What a policy selects, as a person writes it: namespaces, kinds, labels.

Form only; `lifeboat.policy.selection` applies it to what a cluster holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from lifeboat.policy import globs, selectors
from lifeboat.policy.fields import Strict, Switch, refuse, unique

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")
"""Namespaces of the cluster itself; selected only with `systemNamespaces: true`."""


def _each(check: Callable[[str], None]) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """Runs `check` on every item and points at the item that it refuses."""

    def checked(items: tuple[str, ...]) -> tuple[str, ...]:
        for index, item in enumerate(items):
            try:
                check(item)
            except ValueError as error:
                raise refuse(str(error), found=repr(item), at=(index,)) from None
        return items

    return checked


_KIND = re.compile(r"(\*|[A-Za-z][A-Za-z0-9]*)(\.[a-z0-9]([a-z0-9.-]*[a-z0-9])?)?")


def _check_kind(text: str) -> None:
    if not _KIND.fullmatch(text):
        raise ValueError(
            "a kind written like deployments, Deployment, deploy, deployments.apps, *.apps or *"
        )


def _check_selector(text: str) -> str:
    try:
        selectors.parse(text)
    except ValueError as error:
        raise refuse(f"a label selector such as app=web,tier in (a,b): {error}") from None
    return text


Globs = Annotated[tuple[str, ...], AfterValidator(_each(globs.check_glob)), AfterValidator(unique)]
KindNames = Annotated[tuple[str, ...], AfterValidator(_each(_check_kind)), AfterValidator(unique)]
Selector = Annotated[str, AfterValidator(_check_selector)]


class NamespaceSelect(Strict):
    """Which namespaces; looked at anew in every run, so new namespaces are taken up."""

    include: Globs = Field(
        default=("*",),
        min_length=1,
        description="Names or globs of the namespaces to protect: * any characters, ? one, [abc]"
        " and [a-z] one of a set. Default *, because a forgotten namespace is"
        " worse than a spare one.",
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
        " Default *: every kind that the cluster serves, custom ones included.",
        examples=[["*"]],
    )
    exclude: KindNames = Field(
        default=(),
        description="Kinds to leave out; exclude wins over include. Default none.",
        examples=[["jobs.batch", "*.example.com"]],
    )


class Select(Strict):
    """What is protected. The labels lifeboat.dev/exclude=true and
    velero.io/exclude-from-backup=true on an object beat everything written here."""

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
        description="Only objects whose labels match this Kubernetes label selector."
        " Default empty: all objects of the selected kinds.",
        examples=["app.kubernetes.io/part-of=shop"],
    )
    cluster_scoped: Literal["auto", "all", "none"] = Field(
        default="auto",
        description="Objects outside namespaces (CRDs, ClusterRoles, volumes, ...). auto: all of"
        " them when every namespace is selected, else those that the selected objects need; all;"
        " none: only the Namespace objects themselves. Default auto.",
    )

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
