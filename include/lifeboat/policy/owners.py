"""Which tool brings an object back by itself: by the marks that Helm, Argo CD and Flux leave.

Sources: Helm, "Labels and Annotations"; Argo CD, "Resource Tracking"; Flux, the labels that its
kustomize-controller and helm-controller set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from pydantic import Field

from lifeboat.policy.fields import Strict
from lifeboat.policy.globs import any_matches

Tool = Literal["argocd", "flux", "helm"]
TOOLS: tuple[Tool, ...] = ("argocd", "flux", "helm")

MARKS = (b"argocd.argoproj.io/", b"toolkit.fluxcd.io/", b"meta.helm.sh/")
"""One of these is in the bytes of every object that has an owner here."""

_ARGO = "argocd.argoproj.io/tracking-id"
_ARGO_LABEL = "argocd.argoproj.io/instance"
_HELM, _HELM_SPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
_HELM_LABEL = ("app.kubernetes.io/managed-by", "Helm")
_FLUX = ("kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io")

STAYS = (
    "Secret",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "Namespace",
    "*.snapshot.storage.k8s.io",
    "CustomResourceDefinition.apiextensions.k8s.io",
    "*.argoproj.io",
    "*.toolkit.fluxcd.io",
)
"""Kinds that no tool brings back as they were, or that it needs to bring back the rest: charts make
passwords up, Helm keeps its releases in Secrets, a claim is its data."""


class Owner(NamedTuple):
    """The tool, and its application, Kustomization or release: `<namespace>/<name>`, or `<name>`
    where no namespace is told."""

    tool: Tool
    name: str

    def __str__(self) -> str:
        return f"{_NAMES[self.tool]} {self.name}"


_NAMES = {"argocd": "Argo CD application", "flux": "Flux", "helm": "Helm release"}


class ManagedBy(Strict):
    """What happens to objects that a tool could bring back from Git or a chart. keep: they are
    captured like all others; leave: they are left out, and the point says how many and whose."""

    argocd: Literal["keep", "leave"] = Field(
        default="keep", description="Objects of Argo CD applications. Default keep."
    )
    flux: Literal["keep", "leave"] = Field(
        default="keep",
        description="Objects of Flux's Kustomizations and HelmReleases. Default keep.",
    )
    helm: Literal["keep", "leave"] = Field(
        default="keep",
        description="Objects of Helm releases that neither Argo CD nor Flux brings. Default keep:"
        " the chart may lie in a repository that is gone.",
    )

    @property
    def left(self) -> frozenset[str]:
        """The tools whose objects are left out."""
        told = {"argocd": self.argocd, "flux": self.flux, "helm": self.helm}
        return frozenset(tool for tool, what in told.items() if what == "leave")


def owner_of(labels: Mapping[str, str], annotations: Mapping[str, str]) -> Owner | None:
    """Who owns an object; with marks of several tools, the one that brings the others: Flux, then
    Argo CD, then Helm. Argo CD that tracks by `app.kubernetes.io/instance` is not told from anybody
    else who sets this common label."""
    for group in _FLUX:
        if labels.get(f"{group}/name"):
            return Owner("flux", _path(labels.get(f"{group}/namespace"), labels[f"{group}/name"]))
    tracked = annotations.get(_ARGO, "").partition(":")[0]
    if tracked:
        return Owner("argocd", tracked.replace("_", "/", 1))
    if labels.get(_ARGO_LABEL):
        return Owner("argocd", labels[_ARGO_LABEL])
    key, value = _HELM_LABEL
    if labels.get(key) == value and annotations.get(_HELM):
        return Owner("helm", _path(annotations.get(_HELM_SPACE), annotations[_HELM]))
    return None


def comes_back(group_kind: str) -> bool:
    """Whether an owner brings objects of this kind (`Deployment.apps`) back as they were."""
    return not any_matches(STAYS, group_kind)


def _path(namespace: str | None, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name
