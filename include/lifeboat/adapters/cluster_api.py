"""The Cluster port over a real API server: a thin client that leaves objects as bytes.

Pages are split with msgspec.Raw and never decoded whole: a list of 20,000 Deployments costs 2 s of
CPU this way and 40 s through the official client's models.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from lifeboat.adapters.discovery import discover
from lifeboat.adapters.http_json import Http
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.errors import ClusterUnreachable, Expired, NotFound
from lifeboat.ports.cluster import Discovery, Json, Kind, Page, PatchType, Propagation
from lifeboat.ports.fields import Fields, FieldsPage

FIELD_MANAGER = "lifeboat"
# An answer that nobody reads need not hold the object: a third less work for an API server.
_METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
# A large page costs an API server a third less than a small one (it resumes a list in etcd, not in
# its cache), but how many objects make one is known only after the first.
_FIRST_PAGE = 500
_PAGE_BYTES = 6 * 1024 * 1024
_SMALLEST_PAGE, _LARGEST_PAGE = 25, 5000

_PATCH_TYPES: dict[PatchType, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")
    remaining_item_count: int | None = None


_POD = Kind("", "v1", "pods", "Pod", namespaced=True)
_T = TypeVar("_T")


class _List(msgspec.Struct, Generic[_T]):
    metadata: _ListMeta
    items: list[_T] | None = None


_list = msgspec.json.Decoder(_List[msgspec.Raw])
_list_of_fields = msgspec.json.Decoder(_List[Fields])
_object = msgspec.json.Decoder(Json)
_encode = msgspec.json.Encoder().encode


class ClusterApi:
    """See lifeboat.ports.cluster.Cluster for what every method promises."""

    def __init__(self, endpoint: Endpoint, *, patience: float = 60.0) -> None:
        self._endpoint = endpoint
        self._http = Http(endpoint, patience)

    def close(self) -> None:
        """Close idle connections."""
        self._http.close()

    def describe(self) -> str:
        return self._endpoint.describe

    def discover(self) -> Discovery:
        return discover(self._http)

    def list_pages(
        self,
        kind: Kind,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        limit: int = 0,
    ) -> Iterator[Page]:
        for page, _ in self._list(_list, kind, namespace, label_selector, limit):
            items = tuple(bytes(item) for item in page.items or ())
            yield Page(items, page.metadata.resource_version, page.metadata.remaining_item_count)

    def list_fields(self, kind: Kind, *, namespace: str | None = None) -> Iterator[FieldsPage]:
        for page, size in self._list(_list_of_fields, kind, namespace):
            yield FieldsPage(page.items or (), size, page.metadata.resource_version)

    def _list(
        self,
        decoder: msgspec.json.Decoder[_List[_T]],
        kind: Kind,
        namespace: str | None,
        label_selector: str = "",
        limit: int = 0,
    ) -> Iterator[tuple[_List[_T], int]]:
        """Pages as `decoder` reads them, and their bytes."""
        path = _path(kind, namespace)
        query: dict[str, Any] = {"limit": limit or _FIRST_PAGE}
        if label_selector:
            query["labelSelector"] = label_selector
        first = ""
        while True:
            body = self._http.request("GET", f"{path}?{urlencode(query)}")
            page = _decoded(decoder, body)
            first = first or page.metadata.resource_version
            if page.metadata.resource_version != first:
                raise Expired(f"the list of {kind.resource} went on at another resourceVersion")
            yield page, len(body)
            if not page.metadata.continue_:
                return
            query["continue"] = page.metadata.continue_
            if page.items and not limit:
                fitting = _PAGE_BYTES * len(page.items) // len(body)
                query["limit"] = min(max(fitting, _SMALLEST_PAGE), _LARGEST_PAGE)

    def get(self, kind: Kind, namespace: str | None, name: str) -> Json:
        return _decoded(_object, self._http.request("GET", _path(kind, namespace, name)))

    def deprecation(self, kind: Kind) -> str:
        return "; ".join(self._http.warnings(_path(kind, None) + _query(limit="1")))

    def create(
        self, kind: Kind, namespace: str | None, body: Json, *, dry_run: bool = False
    ) -> Json:
        path = _path(kind, namespace) + _query(fieldManager=FIELD_MANAGER, dry_run=dry_run)
        return _decoded(_object, self._http.request("POST", path, body=_encode(body)))

    def make(self, kind: Kind, namespace: str | None, body: Json) -> None:
        self._http.request(
            "POST", _path(kind, namespace) + _MAKING, body=_encode(body), accept=_METADATA_ONLY
        )

    def replace(
        self, kind: Kind, namespace: str | None, name: str, body: Json, *, dry_run: bool = False
    ) -> Json:
        path = _path(kind, namespace, name) + _query(fieldManager=FIELD_MANAGER, dry_run=dry_run)
        return _decoded(_object, self._http.request("PUT", path, body=_encode(body)))

    def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: Json | list[Json],
        *,
        patch_type: PatchType = "merge",
        subresource: str = "",
        dry_run: bool = False,
    ) -> Json:
        query = {"fieldManager": FIELD_MANAGER}
        if patch_type == "apply":
            query["force"] = "true"
        path = _path(kind, namespace, name, subresource) + _query(dry_run=dry_run, **query)
        answer = self._http.request(
            "PATCH", path, body=_encode(body), content_type=_PATCH_TYPES[patch_type]
        )
        return _decoded(_object, answer)

    def log(self, namespace: str, pod: str, *, lines: int, container: str = "") -> str:
        lines_of = _query(tailLines=str(lines), container=container)
        path = _path(_POD, namespace, pod, "log") + lines_of
        return self._http.request("GET", path).decode(errors="replace")

    def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        propagation: Propagation = "Background",
        uid: str = "",
        version: str = "",
    ) -> None:
        wanted = {"uid": uid, "resourceVersion": version}
        options = {
            "propagationPolicy": propagation,
            "preconditions": {name: value for name, value in wanted.items() if value},
        }
        try:
            self._http.request("DELETE", _path(kind, namespace, name), body=_encode(options))
        except NotFound:
            return


def _decoded(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    try:
        return decoder.decode(body)
    except msgspec.DecodeError as error:
        raise ClusterUnreachable(
            f"the answer is not the JSON of an API server: {error}",
            hint="something between here and the cluster (a proxy, a login page) may have answered",
        ) from None


def _path(kind: Kind, namespace: str | None, name: str = "", subresource: str = "") -> str:
    """Names are encoded: RBAC allows colons and dots (`system:controller:x`), never a slash."""
    root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    parts = [root]
    if kind.namespaced and namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(kind.plural)
    parts += [quote(part, safe="") for part in (name, subresource) if part]
    return "/".join(parts)


def _query(*, dry_run: bool = False, **fields: str) -> str:
    fields = {name: value for name, value in fields.items() if value}
    if dry_run:
        fields["dryRun"] = "All"
    return f"?{urlencode(fields)}" if fields else ""


_MAKING = _query(fieldManager=FIELD_MANAGER, fieldValidation="Ignore")
