"""Fills a cluster for a measurement: the objects of bench/objects.py, made through the API server.

Deployments are paused and have no replicas, so that nothing is made of them while it is measured.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import urllib3

from bench.objects import DEPLOYMENT, KINDS, NAMESPACE, Item, stream_items
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.ports.cluster import Kind
from local.errors import LocalClusterError

_IN_FLIGHT = 32
_SETTLE_SECONDS = 1800
_LOOK_SECONDS = 5
_QUIET_WRITES = 10  # a second
_SERVER_SET = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")


class Loader:
    """Creates objects with many requests in flight; what exists already is left as it is."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        ca = endpoint.ca.decode()
        self._pool = urllib3.PoolManager(ca_cert_data=ca, maxsize=_IN_FLIGHT, retries=3)

    def load(self, count: int, namespaces: int) -> None:
        """`count` objects, spread evenly over namespaces called `team-0000` and so on."""
        share = count // namespaces
        self.create(NAMESPACE, (_body(item) for item in stream_items(100 * namespaces, NAMESPACE)))
        for kind in KINDS:
            if kind.namespaced:
                items = (item for item in stream_items(count, kind))
                self.create(kind, (_body(_moved(item, share)) for item in items))

    def settle(self) -> None:
        """Wait until controllers have done with what was loaded: they look at each Deployment and
        write its status, a few hundred a second, and would share the processors with whoever is
        measured first. What goes on without end (leases) is a few writes a second."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        before = self._revision()
        while time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)
            now = self._revision()
            if now - before < _QUIET_WRITES * _LOOK_SECONDS:
                return
            before = now
        raise LocalClusterError(f"controllers still write after {_SETTLE_SECONDS} s")

    def _revision(self) -> int:
        """How often the store was written to: the resourceVersion of a list (its etcd revision)."""
        answer = self._send("GET", "/api/v1/namespaces?limit=1")
        return int(json.loads(answer.data)["metadata"]["resourceVersion"])

    def create(self, kind: Kind, bodies: Iterable[dict[str, Any]]) -> None:
        """POST each."""
        with ThreadPoolExecutor(_IN_FLIGHT) as pool:
            for _ in pool.map(lambda body: self._post(kind, body), bodies):
                pass

    def _post(self, kind: Kind, body: dict[str, Any]) -> None:
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        space = f"/namespaces/{body['metadata']['namespace']}" if kind.namespaced else ""
        path = f"{root}{space}/{kind.plural}?fieldValidation=Ignore"
        answer = self._send("POST", path, json.dumps(body).encode())
        if answer.status not in (201, 409):
            raise LocalClusterError(f"cannot create a {kind.kind}: {answer.status} {answer.data!r}")

    def _send(self, method: str, path: str, body: bytes | None = None) -> urllib3.BaseHTTPResponse:
        assert self._endpoint.token is not None
        return self._pool.request(
            method,
            f"{self._endpoint.server}{path}",
            body=body,
            headers={
                "Authorization": f"Bearer {self._endpoint.token()}",
                "Content-Type": "application/json",
            },
        )


def _moved(item: Item, share: int) -> Item:
    item.namespace = f"team-{item.seed // share:04d}"
    return item


def _body(item: Item) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(item.raw())
    body.pop("status", None)
    for field in _SERVER_SET:
        body["metadata"].pop(field, None)
    if item.kind == DEPLOYMENT:
        body["spec"].update(replicas=0, paused=True)
    return {"apiVersion": item.kind.api_version, "kind": item.kind.kind, **body}
