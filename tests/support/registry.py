"""A real registry, what is pushed to it, and a gate before it that wants a token."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from local.registry import ensure_registry, serve_registry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Registry:
    """`host` is as images name it."""

    host: str
    _http: urllib3.PoolManager = field(default_factory=urllib3.PoolManager)

    def push(self, repository: str, tag: str, text: str) -> str:
        """An image whose only blob is `text`; returns its digest."""
        config = self._blob(repository, b"{}")
        layer = self._blob(repository, text.encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **layer}],
        }
        body = json.dumps(manifest).encode()
        self._call("PUT", f"/v2/{repository}/manifests/{tag}", 201, body, MANIFEST)
        return _digest(body)

    def delete(self, repository: str, reference: str) -> None:
        """A tag, or what a digest names."""
        self._call("DELETE", f"/v2/{repository}/manifests/{reference}", 202)

    def _blob(self, repository: str, data: bytes) -> dict[str, object]:
        path = f"/v2/{repository}/blobs/uploads/?digest={_digest(data)}"
        self._call("POST", path, 201, data, "application/octet-stream")
        return {"digest": _digest(data), "size": len(data)}

    def _call(
        self, method: str, path: str, expected: int, body: bytes = b"", content: str = ""
    ) -> None:
        headers = {"Content-Type": content} if content else {}
        url = f"http://{self.host}{path}"
        answer = self._http.request(method, url, body=body, headers=headers)
        assert answer.status == expected, (method, path, answer.status, answer.data[:300])


@dataclass
class Gate:
    """Lets through whoever brings the token for the repository, which `login` gets. `anonymous`
    repositories are given a token without a login. `asked` holds what tokens were asked for."""

    behind: Registry
    login: str
    anonymous: set[str] = field(default_factory=set)
    host: str = ""
    asked: list[str] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gate: Gate

    def do_GET(self) -> None:
        """The token service."""
        query = parse_qs(urlsplit(self.path).query)
        scope = query["scope"][0]
        self.gate.asked.append(scope)
        repository = scope.split(":")[1]
        expected = "Basic " + base64.b64encode(self.gate.login.encode()).decode()
        known = self.headers.get("Authorization") == expected
        if not known and repository not in self.gate.anonymous:
            self._send(401)
            return
        self._send(200, json.dumps({"token": f"for-{repository}"}).encode())

    def do_HEAD(self) -> None:
        repository = self.path.removeprefix("/v2/").rpartition("/manifests/")[0]
        if self.headers.get("Authorization") != f"Bearer for-{repository}":
            realm = f'realm="http://{self.gate.host}/token",service="gate"'
            self._send(401, challenge=f'Bearer {realm},scope="repository:{repository}:pull"')
            return
        url = f"http://{self.gate.behind.host}{self.path}"
        found = urllib3.request("HEAD", url)
        self._send(found.status, digest=found.headers.get("Docker-Content-Digest", ""))

    def _send(self, status: int, body: bytes = b"", challenge: str = "", digest: str = "") -> None:
        self.send_response(status)
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def gated(behind: Registry, login: str) -> Iterator[Gate]:
    """A gate on a free port."""
    gate = Gate(behind, login)
    handler = type("Handler", (_Handler,), {"gate": gate})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        gate.host = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield gate
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def registry_program() -> Path:
    return ensure_registry(print)


@pytest.fixture
def registry(registry_program: Path) -> Iterator[Registry]:
    """An empty registry."""
    with serve_registry(registry_program) as host:
        yield Registry(host)


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
