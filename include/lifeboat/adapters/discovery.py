"""What an API server serves: aggregated discovery, or group by group where that is not offered.

A group that cannot be discovered (its APIService is down) is told with the reason and hides nothing
else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from lifeboat.adapters.http_json import Http
from lifeboat.errors import ClusterUnreachable, LifeboatError, Unauthorized
from lifeboat.ports.cluster import Discovery, Kind

_T = TypeVar("_T")
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


class _Condition(msgspec.Struct):
    type: str
    status: str
    message: str = ""


class _ServiceStatus(msgspec.Struct):
    conditions: list[_Condition] = []


class _ApiService(msgspec.Struct):
    status: _ServiceStatus = msgspec.field(default_factory=_ServiceStatus)


class _ServerVersion(msgspec.Struct, rename="camel"):
    git_version: str


def discover(http: Http) -> Discovery:
    """Raises ClusterUnreachable or Unauthorized when nothing at all can be discovered."""
    version = _decode(http.request("GET", "/version"), _ServerVersion)
    groups: list[_Group] = []
    failures: dict[str, str] = {}
    for path in ("/api", "/apis"):
        body = http.request("GET", path, accept=_AGGREGATED)
        answer = _decode(body, _GroupList)
        aggregated = answer.kind == "APIGroupDiscoveryList"
        groups += answer.items if aggregated else _legacy(http, path, failures)
    kinds = [kind for group in groups for kind in _kinds(http, group, failures)]
    return Discovery(tuple(sorted(kinds)), failures, version.git_version)


def _kinds(http: Http, group: _Group, failures: dict[str, str]) -> Iterable[Kind]:
    """Each resource once, at the first (preferred) version that serves it."""
    name = group.metadata.name
    found: dict[str, Kind] = {}
    for version in group.versions:
        if version.freshness != "Current":
            failures[f"{name}/{version.version}"] = _why_stale(http, name, version.version)
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


def _why_stale(http: Http, group: str, version: str) -> str:
    """What the APIService says of itself; reading it may be forbidden or it may just have gone."""
    plain = "its API service is not available"
    path = f"/apis/apiregistration.k8s.io/v1/apiservices/{version}.{group}"
    try:
        conditions = _decode(http.request("GET", path), _ApiService).status.conditions
    except LifeboatError:
        return plain
    said = [c.message for c in conditions if c.type == "Available" and c.status != "True"]
    return f"{plain}: {said[0]}" if said else plain


def _decode(body: bytes, shape: type[_T]) -> _T:
    try:
        return msgspec.json.decode(body, type=shape)
    except msgspec.DecodeError as error:
        raise ClusterUnreachable(f"discovery did not answer like an API server: {error}") from None


def _legacy(http: Http, path: str, failures: dict[str, str]) -> list[_Group]:
    if path == "/api":
        return [_Group(versions=_versions(http, "", "/api", ["v1"], failures))]
    groups = _decode(http.request("GET", path), _OldGroups).groups
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
            resources = _decode(http.request("GET", f"{path}/{version}"), _OldResources).resources
        except Unauthorized:
            raise
        except LifeboatError as error:
            if not group and isinstance(error, ClusterUnreachable):
                raise
            failures[f"{group}/{version}".lstrip("/")] = error.message
            continue
        found.append(_Version(version, [_modern(r) for r in resources if "/" not in r.name]))
    return found


def _modern(old: _OldResource) -> _Resource:
    scope = "Namespaced" if old.namespaced else "Cluster"
    return _Resource(old.name, _ResponseKind(old.kind), scope, old.verbs, old.short_names)
