"""A small Kubernetes client for setting the local cluster up: create, read, patch, delete, wait.

It exists so that this package needs neither kubectl nor the engine. It is not the engine's
client (adapters/cluster_api) and has none of its care for large clusters.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import urllib3
import yaml

from local.errors import ApiError, LocalClusterError

JsonObject = dict[str, Any]
"""One Kubernetes object, or an answer, as JSON."""

_FIELD_MANAGER = "lifeboat-local"
_POLL_SECONDS = 0.1


class KubeApi:
    """Requests to one API server as one user. Safe to use from several threads."""

    def __init__(self, server: str, ca: str, token: str) -> None:
        """`ca` is the PEM text of the certificate that the server's own must come from."""
        self.server = server
        self._pool = urllib3.PoolManager(ca_cert_data=ca, maxsize=8, retries=False, timeout=60.0)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._plurals: dict[tuple[str, str], tuple[str, bool]] = {}

    @classmethod
    def from_kubeconfig(cls, path: Path) -> Self:
        """A client with the rights of a kubeconfig that this package wrote."""
        document = yaml.safe_load(path.read_text())
        cluster = document["clusters"][0]["cluster"]
        ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        return cls(cluster["server"], ca, document["users"][0]["user"]["token"])

    def close(self) -> None:
        """Close every connection."""
        self._pool.clear()

    def request(
        self,
        method: str,
        path: str,
        body: JsonObject | None = None,
        content_type: str = "application/json",
    ) -> JsonObject:
        """One request; raises ApiError for every answer of 400 and above, or for none."""
        try:
            answer = self._pool.request(
                method,
                self.server + path,
                body=None if body is None else json.dumps(body).encode(),
                headers={**self._headers, "Content-Type": content_type},
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{method} {path}: {error}") from error
        if answer.status >= 400:
            raise ApiError(answer.status, f"{method} {path}: {answer.status} {_reason(answer)}")
        result: JsonObject = json.loads(answer.data) if answer.data[:1] == b"{" else {}
        return result

    def ready(self) -> bool:
        """Whether the API server says that it is ready."""
        try:
            self.request("GET", "/readyz")
        except ApiError:
            return False
        return True

    def path(self, api_version: str, kind: str, namespace: str = "", name: str = "") -> str:
        """The URL path of a kind's collection or of one object; asks discovery for the plural."""
        plural, namespaced = self._resource(api_version, kind)
        inside = f"/namespaces/{namespace}" if namespaced and namespace else ""
        return f"{_group_path(api_version)}{inside}/{plural}" + (f"/{name}" if name else "")

    def get(self, api_version: str, kind: str, namespace: str, name: str) -> JsonObject:
        """One object; raises ApiError (404 if it is not there)."""
        return self.request("GET", self.path(api_version, kind, namespace, name))

    def list(self, api_version: str, kind: str, namespace: str = "") -> list[JsonObject]:
        """All objects of a kind, in one namespace or ("") in all."""
        items: list[JsonObject] = self.request("GET", self.path(api_version, kind, namespace))[
            "items"
        ]
        return items

    def apply(self, manifest: JsonObject) -> JsonObject:
        """Create the object, or server-side apply it when it exists. Returns it as stored."""
        metadata = manifest["metadata"]
        namespace = metadata.get("namespace", "")
        where = (manifest["apiVersion"], manifest["kind"], namespace)
        try:
            return self.request("POST", self.path(*where), manifest)
        except ApiError as error:
            if error.status != 409:
                raise
        query = urlencode({"fieldManager": _FIELD_MANAGER, "force": "true"})
        path = f"{self.path(*where, metadata['name'])}?{query}"
        return self.request("PATCH", path, manifest, "application/apply-patch+yaml")

    def delete(self, api_version: str, kind: str, namespace: str, name: str) -> None:
        """Delete in the background; no error if the object is gone already."""
        try:
            self.request("DELETE", self.path(api_version, kind, namespace, name))
        except ApiError as error:
            if error.status != 404:
                raise

    def gone(self, api_version: str, kind: str, namespace: str, name: str) -> bool:
        """Whether the object does not exist."""
        try:
            self.get(api_version, kind, namespace, name)
        except ApiError as error:
            if error.status == 404:
                return True
            raise
        return False

    def _resource(self, api_version: str, kind: str) -> tuple[str, bool]:
        if (api_version, kind) not in self._plurals:
            for resource in self.request("GET", _group_path(api_version)).get("resources", []):
                if "/" not in resource["name"]:
                    found = (resource["name"], resource["namespaced"])
                    self._plurals[(api_version, resource["kind"])] = found
        try:
            return self._plurals[(api_version, kind)]
        except KeyError:
            raise ApiError(404, f"the API server has no {kind} in {api_version}") from None


def wait_until(what: str, done: Callable[[], bool], seconds: float) -> None:
    """Poll until `done()`; raises LocalClusterError naming `what` when time runs out.

    An ApiError while polling counts as "not yet", and is named if it was the last word.
    """
    deadline = time.monotonic() + seconds
    while True:
        last = ""
        try:
            if done():
                return
        except ApiError as error:
            last = f" (last answer: {error})"
        if time.monotonic() > deadline:
            raise LocalClusterError(f"not so after {seconds:.0f} s: {what}{last}")
        time.sleep(_POLL_SECONDS)


def load_manifests(paths: Iterable[Path]) -> list[JsonObject]:
    """Every document of every YAML file, in the order given."""
    return [
        document
        for path in paths
        for document in yaml.safe_load_all(path.read_text())
        if document is not None
    ]


def has_condition(manifest: JsonObject, kind: str) -> bool:
    """Whether status.conditions says that `kind` is "True"."""
    conditions = manifest.get("status", {}).get("conditions") or []
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def _group_path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _reason(answer: urllib3.BaseHTTPResponse) -> str:
    try:
        return str(json.loads(answer.data).get("message", ""))
    except ValueError:
        return answer.data.decode(errors="replace")[:300]
