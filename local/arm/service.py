"""The stand-in itself: from a request to an answer. It knows no HTTP server (server.py does)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from local.arm import disks, snapshots
from local.arm.access import Access, Principal
from local.arm.aks import AksCluster, cluster_body, credentials, pools_body
from local.arm.clock import Time, VirtualTime
from local.arm.errors import ArmError, bad_request
from local.arm.estate import Estate
from local.arm.faults import Fault, Faults
from local.arm.fleet import graph_page, member_body
from local.arm.groups import delete_group, group_body, put_group
from local.arm.ids import ResourceId, parse_id
from local.arm.limits import Settings
from local.arm.model import Content, Disk, Json, Resource, Snapshot
from local.arm.operations import Operation, Operations

_GROUPS = re.compile(r"/subscriptions/(?P<sub>[^/]+)/resourcegroups(/(?P<group>[^/]+))?", re.I)
_LIST = re.compile(
    r"/subscriptions/(?P<sub>[^/]+)(/resourceGroups/(?P<group>[^/]+))?"
    r"/providers/Microsoft\.Compute/(?P<kind>disks|snapshots)",
    re.I,
)
_ONE = re.compile(_LIST.pattern + r"/(?P<name>[^/]+)", re.I)
_OPERATION = re.compile(r".*/locations/[^/]+/DiskOperations/(?P<name>[^/]+)", re.I)
_CLUSTER = re.compile(
    r"/subscriptions/(?P<sub>[^/]+)/resourceGroups/(?P<group>[^/]+)/providers"
    r"/Microsoft\.ContainerService/managedClusters/(?P<name>[^/]+)(?P<pools>/agentPools)?",
    re.I,
)
_WAY_IN = re.compile(_CLUSTER.pattern + r"/listClusterUserCredential", re.I)
_GRAPH = re.compile(r"/providers/Microsoft\.ResourceGraph/resources", re.I)
_MEMBERS = re.compile(
    r"(?P<fleet>/subscriptions/(?P<sub>[^/]+)/resourceGroups/(?P<group>[^/]+)/providers"
    r"/Microsoft\.ContainerService/fleets/[^/]+)/members",
    re.I,
)
_VERBS = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
_API = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")

TOKEN = "a-token-of-the-stand-in"
R = TypeVar("R", bound=Resource)


@dataclass(frozen=True)
class Request:
    """One call. `base` is the address of the stand-in, for the links in its answers."""

    method: str
    path: str
    query: dict[str, str]
    authorization: str
    body: Json
    base: str


@dataclass(frozen=True)
class Response:
    """`lost`: the connection breaks instead."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    lost: bool = False


class Arm:
    """An Azure with nothing in it. `token` is that of an owner; `access.tokens` takes others."""

    def __init__(self, time: Time | None = None, settings: Settings | None = None) -> None:
        self.estate = Estate(time or VirtualTime(), settings or Settings())
        self.access = Access({TOKEN: Principal()})
        self.operations = Operations()
        self.faults = Faults()
        self.clusters: dict[str, AksCluster] = {}
        self.known: list[Json] = []
        self.fleets: dict[str, dict[str, Json]] = {}
        self.requests: list[str] = []
        self._lock = threading.RLock()

    def add_group(self, subscription: str, name: str, location: str, managed_by: str = "") -> None:
        """A resource group, and its subscription."""
        self.estate.subscriptions.add(subscription.lower())
        body = {"location": location, "managedBy": managed_by}
        put_group(self.estate, subscription, name, body)

    def disk(self, resource_id: str) -> Disk:
        """One disk, for a test to look at and to write to. Raises ArmError 404."""
        self.estate.settle()
        return self.estate.disk(parse_id(resource_id))

    def snapshot(self, resource_id: str) -> Snapshot:
        """One snapshot. Raises ArmError 404."""
        self.estate.settle()
        return self.estate.snapshot(parse_id(resource_id))

    def add_disk(
        self, resource_id: str, location: str, sku: str, size_gb: int, **more: Any
    ) -> Disk:
        """An empty disk. `more`: `zones`, `content`, `tags`, and `properties` as ARM names them."""
        content: Content = more.pop("content", {})
        creation = {"createOption": "Empty"}
        properties = {"creationData": creation, "diskSizeGB": size_gb, **more.pop("properties", {})}
        body = {"location": location, "sku": {"name": sku}, "properties": properties, **more}
        disk, _ = disks.put_disk(self.estate, parse_id(resource_id), body)
        disk.busy_until = self.estate.now
        disk.content = dict(content)
        return disk

    def order(self, kind: Any, method: str, path: str = "", **fault: Any) -> None:
        """A fault; see faults.Fault."""
        self.faults.order(Fault(kind, method, path, **fault))

    def handle(self, request: Request) -> Response:
        """Answers one call; never raises ArmError."""
        with self._lock:
            self.requests.append(f"{request.method} {request.path}")
            try:
                response = self._handle(request)
            except ArmError as error:
                response = _refusal(error)
            if self.faults.struck("lose", request.method, request.path):
                return Response(0, lost=True)
            return response

    def _handle(self, request: Request) -> Response:
        principal = self.access.authenticate(request.authorization)
        refused = self.faults.struck("refuse", request.method, request.path)
        if refused is not None:
            raise refused
        api = request.query.get("api-version", "")
        if not _API.fullmatch(api):
            raise bad_request(
                "MissingApiVersionParameter" if not api else "InvalidApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        self.estate.settle()
        handlers: tuple[tuple[re.Pattern[str], Callable[..., Response]], ...] = (
            (_OPERATION, self._operation),
            (_ONE, self._one),
            (_LIST, self._list),
            (_GROUPS, self._groups),
            (_WAY_IN, self._way_in),
            (_CLUSTER, self._cluster),
            (_GRAPH, self._graph),
            (_MEMBERS, self._members),
        )
        for pattern, handler in handlers:
            found = pattern.fullmatch(request.path)
            if found is not None:
                return handler(request, principal, found)
        raise ArmError(404, "InvalidResourceType", "The stand-in does not know this resource type.")

    def _one(self, request: Request, principal: Principal, found: re.Match[str]) -> Response:
        kind = found["kind"].lower()
        resource = ResourceId(found["sub"], found["group"] or "", kind, found["name"])
        if request.method not in _VERBS:
            raise ArmError(405, "MethodNotAllowed", f"{request.method} is not emulated.")
        action = f"Microsoft.Compute/{kind}/{_VERBS[request.method]}"
        self.access.require(principal, action, str(resource))
        estate = self.estate
        estate.group(resource.subscription, resource.group)
        if request.method == "DELETE":
            return self._delete(request, resource)
        if request.method == "PUT":
            self._may_read_source(request, principal)
            return self._put(request, resource)
        one = estate.disk(resource) if kind == "disks" else estate.snapshot(resource)
        if request.method == "PATCH":
            patched = (
                disks.patch_disk(estate, one, request.body)
                if isinstance(one, Disk)
                else snapshots.patch_snapshot(estate, one, request.body)
            )
            return self._started(request, patched)
        return Response(200, one.body(estate.now))

    def _put(self, request: Request, resource: ResourceId) -> Response:
        one: Disk | Snapshot
        if resource.kind == "disks":
            one, new = disks.put_disk(self.estate, resource, request.body)
        else:
            api = request.query["api-version"]
            one, new = snapshots.put_snapshot(self.estate, resource, request.body, api)
        if not new:
            return Response(200, one.body(self.estate.now))
        failed = self.faults.struck("fail", request.method, request.path)
        if failed is not None:
            one.failed = failed.code
        return self._started(request, one, failed)

    def _delete(self, request: Request, resource: ResourceId) -> Response:
        kept: dict[str, Any] = (
            self.estate.disks if resource.kind == "disks" else self.estate.snapshots
        )
        one = kept.get(resource.key)
        if one is None:
            return Response(204)
        if isinstance(one, Disk):
            disks.delete_disk(self.estate, one)
        else:
            snapshots.delete_snapshot(self.estate, one)
        return self._started(request, one, body=False)

    def _started(
        self,
        request: Request,
        one: Disk | Snapshot,
        failed: ArmError | None = None,
        *,
        body: bool = True,
    ) -> Response:
        operation = self.operations.add(
            Operation(
                location=one.location,
                subscription=one.id.subscription,
                begin=self.estate.now,
                end=self.estate.operation_end(),
                resource=one.id.key if body else "",
                error=failed.body()["error"] if failed else None,
            )
        )
        api = request.query["api-version"]
        address = f"{request.base}{operation.path}?api-version={api}"
        headers = {
            "Azure-AsyncOperation": address,
            "Location": f"{address}&monitor=true",
            "Retry-After": str(self.estate.settings.delays.retry_after),
        }
        return Response(202, one.body(self.estate.now) if body else None, headers)

    def _operation(self, request: Request, principal: Principal, found: re.Match[str]) -> Response:
        self.access.require(
            principal, "Microsoft.Compute/locations/DiskOperations/read", request.path
        )
        operation, now = self.operations.get(found["name"]), self.estate.now
        wait = {"Retry-After": str(self.estate.settings.delays.retry_after)}
        if request.query.get("monitor") != "true":
            return Response(200, operation.body(now), wait)
        if now < operation.end:
            address = f"{request.base}{operation.path}?api-version={request.query['api-version']}"
            return Response(202, None, {**wait, "Location": f"{address}&monitor=true"})
        kept = self.estate.disks | self.estate.snapshots
        one = kept.get(operation.resource)
        return Response(200, one.body(now)) if one else Response(204)

    def _graph(self, request: Request, principal: Principal, found: re.Match[str]) -> Response:
        """`known`: the rows of Resource Graph."""
        self.access.require(principal, "Microsoft.ResourceGraph/resources/read", found.string)
        if request.method != "POST":
            raise ArmError(405, "MethodNotAllowed", f"{request.method} is not emulated.")
        return Response(200, graph_page(self.known, request.body, self.estate.settings.page))

    def _members(self, request: Request, principal: Principal, found: re.Match[str]) -> Response:
        """`fleets`: members by the id of their fleet, in small letters, and by name."""
        action = "Microsoft.ContainerService/fleets/members/read"
        self.access.require(principal, action, request.path)
        self.estate.group(found["sub"], found["group"])
        members = self.fleets.get(found["fleet"].lower())
        if members is None:
            raise ArmError(404, "ResourceNotFound", "The fleet was not found.")
        return self._paged(
            request,
            [member_body(found["fleet"], name, told) for name, told in sorted(members.items())],
        )

    def _list(self, request: Request, principal: Principal, found: re.Match[str]) -> Response:
        kind, group = found["kind"].lower(), found["group"]
        self.access.require(principal, f"Microsoft.Compute/{kind}/read", request.path)
        if group:
            self.estate.group(found["sub"], group)
        kept: dict[str, Any] = self.estate.disks if kind == "disks" else self.estate.snapshots
        chosen = [
            one
            for key, one in sorted(kept.items())
            if one.id.subscription.lower() == found["sub"].lower()
            and (not group or one.id.group.lower() == group.lower())
        ]
        return self._paged(request, [one.body(self.estate.now) for one in chosen])

    def _paged(self, request: Request, bodies: list[Json]) -> Response:
        start, size = int(request.query.get("$skiptoken", "0")), self.estate.settings.page
        page: Json = {"value": bodies[start : start + size]}
        if start + size < len(bodies):
            query = f"api-version={request.query['api-version']}&$skiptoken={start + size}"
            page["nextLink"] = f"{request.base}{request.path}?{query}"
        return Response(200, page)

    def _groups(self, request: Request, principal: Principal, found: re.Match[str]) -> Response:
        verb = _VERBS.get(request.method, "action")
        action = f"Microsoft.Resources/subscriptions/resourceGroups/{verb}"
        self.access.require(principal, action, request.path)
        subscription, name = found["sub"], found["group"]
        if not name:
            groups = [g for key, g in sorted(self.estate.groups.items()) if key[0] == subscription]
            return Response(200, {"value": [group_body(group) for group in groups]})
        if request.method == "PUT":
            return Response(
                201, group_body(put_group(self.estate, subscription, name, request.body))
            )
        if request.method == "DELETE":
            delete_group(self.estate, subscription, name)
            return Response(200)
        return Response(200, group_body(self.estate.group(subscription, name)))

    def _way_in(self, request: Request, principal: Principal, found: re.Match[str]) -> Response:
        action = "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action"
        self.access.require(principal, action, request.path)
        if request.method != "POST":
            raise ArmError(405, "MethodNotAllowed", f"{request.method} is not emulated.")
        return Response(200, credentials(found["name"], self._known_cluster(found)))

    def _cluster(self, request: Request, principal: Principal, found: re.Match[str]) -> Response:
        kind = "managedClusters" + ("/agentPools" if found["pools"] else "")
        self.access.require(principal, f"Microsoft.ContainerService/{kind}/read", request.path)
        if request.method != "GET":
            raise ArmError(405, "MethodNotAllowed", f"{request.method} is not emulated.")
        cluster = self._known_cluster(found)
        if found["pools"]:
            cluster_id = request.path.rpartition("/")[0]
            return Response(200, {"value": pools_body(cluster_id, cluster)})
        return Response(200, cluster_body(request.path, cluster))

    def _known_cluster(self, found: re.Match[str]) -> AksCluster:
        self.estate.group(found["sub"], found["group"])
        cluster = self.clusters.get(found["name"].lower())
        if cluster is None:
            raise ArmError(404, "ResourceNotFound", f"The Resource {found['name']} was not found.")
        return cluster

    def _may_read_source(self, request: Request, principal: Principal) -> None:
        """A copy also asks whether its source may be read."""
        creation = (request.body.get("properties") or {}).get("creationData") or {}
        if creation.get("sourceResourceId"):
            source = parse_id(creation["sourceResourceId"])
            self.access.require(principal, f"Microsoft.Compute/{source.kind}/read", str(source))


def _refusal(error: ArmError) -> Response:
    headers = {"x-ms-failure-cause": "gateway"} if error.status == 403 else {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    return Response(error.status, error.body(), headers)
