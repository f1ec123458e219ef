"""Applies a policy's `select` to what a cluster holds: namespaces, kinds, objects.

Pure: it is told what exists. The rules of opting out and of what is never captured live here alone;
docs/policy.md is generated from the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from lifeboat.policy import selectors
from lifeboat.policy.globs import any_matches
from lifeboat.policy.select import SYSTEM_NAMESPACES, Select
from lifeboat.ports.cluster import Kind

OPT_OUT_LABELS = ("lifeboat.dev/exclude", "velero.io/exclude-from-backup")
"""`"true"` on an object keeps it out of every point, whatever a policy says."""


@dataclass(frozen=True)
class Never:
    """A kind that no point holds: `pattern` as in `select.kinds`, and why."""

    pattern: str
    reason: str


NEVER_CAPTURED = (
    Never("events", "history of what happened, gone after an hour by itself"),
    Never("endpoints", "written anew by the control plane for every Service with a selector"),
    Never(
        "endpointslices.discovery.k8s.io",
        "written anew by the control plane for every Service with a selector",
    ),
    Never("leases.coordination.k8s.io", "heartbeats and leader elections of running processes"),
    Never("leasecandidates.coordination.k8s.io", "leader elections of running processes"),
    Never("nodes", "machines: they join by themselves, a restored one would be a ghost"),
    Never("csinodes.storage.k8s.io", "written by each node's drivers"),
    Never("volumeattachments.storage.k8s.io", "which node has which disk right now"),
    Never("csistoragecapacities.storage.k8s.io", "measured anew by storage drivers"),
    Never("resourceslices.resource.k8s.io", "devices that drivers report of their nodes"),
    Never("ipaddresses.networking.k8s.io", "addresses handed out anew to Services"),
    Never("certificatesigningrequests.certificates.k8s.io", "requests that live for an hour"),
    Never("storageversions.internal.apiserver.k8s.io", "bookkeeping of the API servers"),
    Never("*.metrics.k8s.io", "measurements of this moment"),
    Never("*.custom.metrics.k8s.io", "measurements of this moment"),
    Never("*.external.metrics.k8s.io", "measurements of this moment"),
    Never("componentstatuses", "a deprecated view of the control plane"),
)

_NOT_LISTED = "the API server cannot list it: a request, not an object that stays"
_NOT_CREATED = "the API server cannot create it: a view, computed from something else"


@dataclass(frozen=True)
class KindSelection:
    """`kinds` to capture, sorted; `unmatched` names of the policy that the cluster does not serve.

    `never` are kinds that the policy names and that no point holds, with the reason.
    """

    kinds: tuple[Kind, ...]
    unmatched: tuple[str, ...]
    never: tuple[tuple[Kind, str], ...] = ()


def select_namespaces(
    select: Select, namespaces: Iterable[tuple[str, Mapping[str, str]]]
) -> tuple[str, ...]:
    """The selected of `(name, labels)` pairs, sorted. Exclude and the opt-out labels win."""
    wanted = _parsed(select.namespaces.labels)
    return tuple(
        sorted(
            name
            for name, labels in namespaces
            if any_matches(select.namespaces.include, name)
            and not any_matches(select.namespaces.exclude, name)
            and (select.system_namespaces or name not in SYSTEM_NAMESPACES)
            and wanted.matches(labels)
            and not opted_out(labels)
        )
    )


def select_kinds(select: Select, kinds: Iterable[Kind]) -> KindSelection:
    """The kinds to look at, of those that discovery found; exclude wins.

    Cluster-scoped kinds are part of it unless `clusterScoped: none`; with `auto` and only some
    namespaces selected, the caller takes of them what the selected objects need.
    """
    served = sorted(set(kinds))
    chosen, never = [], []
    for kind in served:
        named = [name for name in select.kinds.include if kind_named(name, kind)]
        if not named or any(kind_named(name, kind) for name in select.kinds.exclude):
            continue
        reason = why_never(kind)
        if reason and set(named) != {"*"}:
            never.append((kind, reason))
        if reason or (select.cluster_scoped == "none" and not kind.namespaced):
            continue
        chosen.append(kind)
    asked = dict.fromkeys((*select.kinds.include, *select.kinds.exclude))
    unmatched = tuple(name for name in asked if not any(kind_named(name, kind) for kind in served))
    return KindSelection(tuple(chosen), unmatched, tuple(never))


def kind_named(name: str, kind: Kind) -> bool:
    """Whether a name as people write it means this kind.

    `deployments`, `Deployment`, `deploy`, each also with `.apps`; `*.apps` and `*`. Capitals do not
    matter; without a group, every group matches.
    """
    word, dot, group = name.lower().partition(".")
    if dot and group != kind.group.lower():
        return False
    return word in {"*", kind.plural.lower(), kind.kind.lower(), *map(str.lower, kind.short_names)}


def why_never(kind: Kind) -> str:
    """Why no point holds this kind; empty when points may hold it."""
    for never in NEVER_CAPTURED:
        if kind_named(never.pattern, kind) and _same_group(never.pattern, kind):
            return never.reason
    if "list" not in kind.verbs:
        return _NOT_LISTED
    return "" if "create" in kind.verbs else _NOT_CREATED


def _same_group(pattern: str, kind: Kind) -> bool:
    """A pattern of the table without a group means a kind of Kubernetes itself, never somebody's
    custom resource that happens to be called the same."""
    return "." in pattern or kind.group in ("", "events.k8s.io")


def object_selected(select: Select, labels: Mapping[str, str]) -> bool:
    """Whether the policy's label selector takes it. An object that opts out is taken all the same:
    the dump names it as left out, which it could not do of what was never selected (P6)."""
    return _parsed(select.labels).matches(labels)


def opted_out(labels: Mapping[str, str]) -> bool:
    """Whether the object itself says that it stays out, which beats every include."""
    return any(labels.get(name) == "true" for name in OPT_OUT_LABELS)


@lru_cache(maxsize=64)
def _parsed(text: str) -> selectors.LabelSelector:
    return selectors.parse(text)
