"""What an API server serves: aggregated discovery, or group by group where that is not offered.

A group that cannot be discovered (its APIService is down) is told with the reason and hides nothing
else.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lifeboat.adapters.http_json import Http
from lifeboat.errors import ClusterUnreachable, LifeboatError, Unauthorized
from lifeboat.ports.cluster import Discovery, Kind

_AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"
)


class _ResponseKind(msgspec.Struct):
    kind: str = ""


class _Resource(msgspec.Struct, rename="camel"):
    resource: str
    response_kind: _ResponseKind
    scope: str
    verbs: list[str]
    short_names: list[str] = []


class _Version(msgspec.Struct):
    version: str
    resources: list[_Resource] = []
    freshness: str = "Current"


class _Meta(msgspec.Struct):
    name: str = ""


class _Group(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    versions: list[_Version] = []


class _GroupList(msgspec.Struct):
    kind: str
    items: list[_Group] = []


class _OldResource(msgspec.Struct, rename="camel"):
    name: str
    kind: str
    namespaced: bool
    verbs: list[str]
    short_names: list[str] = []


class _OldResources(msgspec.Struct):
    resources: list[_OldResource]


class _OldGroupVersion(msgspec.Struct):
    version: str


class _OldGroup(msgspec.Struct):
    name: str
    versions: list[_OldGroupVersion]


class _OldGroups(msgspec.Struct):
    groups: list[_OldGroup]


class _ServerVersion(msgspec.Struct, rename="camel"):
    git_version: str


def discover(http: Http) -> Discovery:
    """Raises ClusterUnreachable or Unauthorized when nothing at all can be discovered."""
    version = msgspec.json.decode(http.request("GET", "/version"), type=_ServerVersion)
    groups: list[_Group] = []
    failures: dict[str, str] = {}
    for path in ("/api", "/apis"):
        body = http.request("GET", path, accept=_AGGREGATED)
        if msgspec.json.decode(body, type=_GroupList).kind == "APIGroupDiscoveryList":
            groups += msgspec.json.decode(body, type=_GroupList).items
        else:
            groups += _legacy(http, path, failures)
    kinds = [kind for group in groups for kind in _kinds(group, failures)]
    return Discovery(tuple(sorted(kinds)), failures, version.git_version)


def _kinds(group: _Group, failures: dict[str, str]) -> Iterable[Kind]:
    """Each resource once, at the first (preferred) version that serves it."""
    name = group.metadata.name
    found: dict[str, Kind] = {}
    for version in group.versions:
        if version.freshness != "Current":
            failures[f"{name}/{version.version}"] = "its API service is not available"
            continue
        for resource in version.resources:
            known = found.get(resource.resource)
            found[resource.resource] = Kind(
                group=name,
                version=known.version if known else version.version,
                plural=resource.resource,
                kind=resource.response_kind.kind,
                namespaced=resource.scope == "Namespaced",
                verbs=known.verbs if known else tuple(resource.verbs),
                short_names=tuple(resource.short_names),
                versions=(*known.versions, version.version) if known else (version.version,),
            )
    return found.values()


def _legacy(http: Http, path: str, failures: dict[str, str]) -> list[_Group]:
    if path == "/api":
        return [_Group(versions=_versions(http, "", "/api", ["v1"], failures))]
    groups = msgspec.json.decode(http.request("GET", path), type=_OldGroups).groups
    return [
        _Group(
            _Meta(group.name),
            _versions(
                http,
                group.name,
                f"/apis/{group.name}",
                [v.version for v in group.versions],
                failures,
            ),
        )
        for group in groups
    ]


def _versions(
    http: Http, group: str, path: str, versions: list[str], failures: dict[str, str]
) -> list[_Version]:
    found = []
    for version in versions:
        try:
            body = http.request("GET", f"{path}/{version}")
        except Unauthorized:
            raise
        except LifeboatError as error:
            if not group and isinstance(error, ClusterUnreachable):
                raise
            failures[f"{group}/{version}".lstrip("/")] = error.message
            continue
        resources = msgspec.json.decode(body, type=_OldResources).resources
        found.append(_Version(version, [_modern(r) for r in resources if "/" not in r.name]))
    return found


def _modern(old: _OldResource) -> _Resource:
    scope = "Namespaced" if old.namespaced else "Cluster"
    return _Resource(old.name, _ResponseKind(old.kind), scope, old.verbs, old.short_names)
