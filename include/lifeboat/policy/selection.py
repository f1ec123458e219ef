"""Applies a policy's `select` to what a cluster holds: namespaces and kinds (objects: `picking`).

Pure: it is told what exists. The rules of opting out and of what is never captured live here alone;
docs/policy.md is generated from the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter

from lifeboat.policy import selectors
from lifeboat.policy.globs import any_matches
from lifeboat.policy.select import SYSTEM_NAMESPACES, Select
from lifeboat.ports.cluster import Kind

OPT_OUTS = ("lifeboat.dev/exclude", "velero.io/exclude-from-backup")
"""Labels and annotations: `"true"` on an object keeps it out of every point, whatever a policy
says. Velero knows its own as a label, AKS Backup as an annotation."""


@dataclass(frozen=True)
class Never:
    """A kind that no point holds: `pattern` as in `select.kinds`, and why."""

    pattern: str
    reason: str


NEVER_CAPTURED = (
    Never("events", "history of what happened, gone after an hour by itself"),
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

_EVENTS = "events.events.k8s.io"
"""The events of the core group are the same objects: whoever asks for both gets them once."""

_NOT_LISTED = "the API server cannot list it: a request, not an object that stays"
_NOT_CREATED = "the API server cannot create it: a view, computed from something else"


@dataclass(frozen=True)
class Space:
    """A namespace that exists."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NamespaceSelection:
    """`names` are selected, sorted. `left_out` says of every other one why, by name; `opted_out` of
    those that would be selected. `unmatched` are names and globs that no namespace fits."""

    names: tuple[str, ...]
    left_out: Mapping[str, str]
    opted_out: Mapping[str, str]
    unmatched: tuple[str, ...]


@dataclass(frozen=True)
class KindSelection:
    """`kinds` to capture, sorted; `unmatched` names of the policy that the cluster does not serve.

    `never` are kinds that the policy names and that no point holds, with the reason.
    """

    kinds: tuple[Kind, ...]
    unmatched: tuple[str, ...]
    never: tuple[tuple[Kind, str], ...] = ()


def select_namespaces(select: Select, spaces: Iterable[Space]) -> NamespaceSelection:
    """Which namespaces are selected. Exclude wins over include, opting out over both."""
    there = sorted(spaces, key=attrgetter("name"))
    wanted = selectors.parse(select.namespaces.labels)
    names, left_out, opted = [], {}, {}
    for space in there:
        reason = _why_not_selected(select, wanted, space)
        mark = opted_out(space.labels, space.annotations)
        if reason:
            left_out[space.name] = reason
        elif mark:
            opted[space.name] = mark
        else:
            names.append(space.name)
    unmatched = [
        pattern
        for pattern in select.namespaces.include
        if not any(any_matches([pattern], space.name) for space in there)
    ]
    for number, one in enumerate(select.namespace_filters):
        for pattern in one.namespaces:
            if not any(any_matches([pattern], name) for name in names):
                unmatched.append(f"{pattern} (of namespaceFilters[{number}])")
    return NamespaceSelection(tuple(names), left_out, opted, tuple(unmatched))


def _why_not_selected(select: Select, wanted: selectors.LabelSelector, space: Space) -> str:
    if space.name in SYSTEM_NAMESPACES and not select.system_namespaces:
        return "a system namespace (systemNamespaces: false)"
    if not any_matches(select.namespaces.include, space.name):
        return "not included"
    if any_matches(select.namespaces.exclude, space.name):
        return "excluded"
    if not wanted.matches(space.labels):
        return f"its labels do not match {select.namespaces.labels}"
    return ""


def select_kinds(select: Select, kinds: Iterable[Kind]) -> KindSelection:
    """The kinds to look at, of those that discovery found; exclude wins.

    Cluster-scoped kinds are part of it unless `clusterScoped: none`; with `auto` and only some
    namespaces selected, the caller takes of them what the selected objects need.
    """
    served = sorted(set(kinds))
    chosen, never = [], []
    newer_events = any(kind.resource == _EVENTS for kind in served)
    for kind in served:
        named = _included_as(select, kind)
        if not named:
            continue
        reason = why_never(kind, select.kinds.also)
        if reason and named != {"*"}:
            never.append((kind, reason))
        if reason or (select.cluster_scoped == "none" and not kind.namespaced):
            continue
        if newer_events and kind.resource == "events":
            continue
        chosen.append(kind)
    unmatched = tuple(
        name for name in _asked_kinds(select) if not any(kind_named(name, kind) for kind in served)
    )
    return KindSelection(tuple(chosen), unmatched, tuple(never))


def kind_taken(select: Select, kind: Kind) -> bool:
    """Whether objects of the kind may be taken at all: included, not excluded, not never."""
    return bool(_included_as(select, kind)) and not why_never(kind, select.kinds.also)


def kind_excluded(select: Select, kind: Kind) -> bool:
    """Whether the policy leaves the kind out by name, also where others need it."""
    return any(kind_named(name, kind) for name in select.kinds.exclude)


def _included_as(select: Select, kind: Kind) -> set[str]:
    """The names by which the policy includes a kind; none when it excludes it."""
    if kind_excluded(select, kind):
        return set()
    asked = (*select.kinds.include, *select.kinds.also)
    return {name for name in asked if kind_named(name, kind)}


def _asked_kinds(select: Select) -> Iterable[str]:
    """Every name of a kind that the policy writes, once."""
    filters = (*select.cluster_filters, *(o for f in select.namespace_filters for o in f.objects))
    filtered = (name for one in filters for name in one.kinds)
    return dict.fromkeys(
        (*select.kinds.include, *select.kinds.also, *select.kinds.exclude, *filtered)
    )


def kind_named(name: str, kind: Kind) -> bool:
    """Whether a name as people write it means this kind.

    `deployments`, `Deployment`, `deploy`, each also with `.apps`; `*.apps` and `*`. Capitals do not
    matter; without a group, every group matches.
    """
    word, dot, group = name.lower().partition(".")
    if dot and group != kind.group.lower():
        return False
    return word in {"*", kind.plural.lower(), kind.kind.lower(), *map(str.lower, kind.short_names)}


def why_never(kind: Kind, also: Iterable[str] = ()) -> str:
    """Why no point holds this kind; empty when points may hold it. `also` are the names of
    `select.kinds.also`."""
    reason = why_useless(kind)
    if reason and not any(kind_named(name, kind) for name in also):
        return reason
    if "list" not in kind.verbs:
        return _NOT_LISTED
    return "" if reason or "create" in kind.verbs else _NOT_CREATED


def why_useless(kind: Kind) -> str:
    """Why nobody would want it back, by the table; empty for every other kind."""
    for never in NEVER_CAPTURED:
        if kind_named(never.pattern, kind) and _same_group(never.pattern, kind):
            return never.reason
    return ""


def _same_group(pattern: str, kind: Kind) -> bool:
    """A pattern of the table without a group means a kind of Kubernetes itself, never somebody's
    custom resource that happens to be called the same."""
    return "." in pattern or kind.group in ("", "events.k8s.io")


def opted_out(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """The mark by which an object says that it stays out, which beats every include; else empty."""
    for what, marks in (("label", labels), ("annotation", annotations)):
        for name in OPT_OUTS:
            if marks.get(name) == "true":
                return f"carries the {what} {name}"
    return ""
