"""A thin stand-in before Azurite that plays what it lacks: immutability, versions, soft delete.

Forwards everything else, signatures and all, to a real Azurite. What it plays, from Microsoft's
pages on version-level WORM, versioning and soft delete:
- an upload may carry x-ms-immutability-policy-until-date and -mode; ?comp=immutabilityPolicies sets
  and removes them. An unlocked policy may be shortened or removed, a locked one only extended.
- a delete of a version while its policy is active: 409 BlobImmutableDueToPolicy.
- with versions, a delete without a version id makes the current version a previous one: it hides.
- with soft delete, what is deleted for good can be brought back by ?comp=undelete.

Not played: legal holds, snapshots, time limits of soft delete, and rights finer than Azurite's (the
calls that it answers by itself check no signature).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from azure.storage.blob import ContainerClient

from lifeboat.adapters.store_azure_settings import AzureSettings
from lifeboat.clock import Clock, utc_now
from tests.support.azurite import Azurite

_UNTIL = "x-ms-immutability-policy-until-date"
_MODE = "x-ms-immutability-policy-mode"
_IMMUTABLE = (409, "BlobImmutableDueToPolicy")


@dataclass
class Version:
    """One version of a blob; `data` is kept once it is not the current one any more."""

    id: str
    until: datetime | None = None
    mode: str = ""
    data: bytes = b""
    deleted: bool = False


@dataclass
class Answer:
    """What the client gets."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class WormAccount:
    """The state that Azurite does not keep. All containers have the same settings.

    `locks`: version-level WORM, which means versions too. `soft_delete`: with or without versions.
    `hierarchical`: what the account says of its namespace. `ignores_locks`: takes the headers of
    an upload and does nothing, as a bare Azurite does, but claims to have WORM.
    """

    def __init__(self, azurite: Azurite, clock: Clock = utc_now) -> None:
        self.azurite = azurite
        self.clock = clock
        self.locks = True
        self.soft_delete = False
        self.hierarchical = False
        self.ignores_locks = False
        self.port = 0
        self._versions: dict[str, list[Version]] = {}
        self._ids = 0
        self._lock = threading.RLock()

    def account_url(self) -> str:
        """Its own URL, by the name of Azurite's account."""
        return self.azurite.account_url(self.port)

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Serve one request; requests for blobs one at a time, so that a race has one winner."""
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        path = unquote(parts.path)
        if path.count("/") < 3:
            return self._of_container(query, self._forward(method, url, headers, body))
        with self._lock:
            return self._of_blob(method, path, url, query, headers, body)

    def _of_container(self, query: Mapping[str, str], answer: Answer) -> Answer:
        if answer.status != 200:
            return answer
        if query.get("restype") == "account":
            answer.headers["x-ms-is-hns-enabled"] = str(self.hierarchical).lower()
        elif query.get("comp") is None:
            name = "x-ms-immutable-storage-with-versioning-enabled"
            answer.headers[name] = str(self.locks).lower()
        return answer

    def _of_blob(
        self,
        method: str,
        path: str,
        url: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
    ) -> Answer:
        comp = query.get("comp")
        if comp == "immutabilityPolicies":
            return self._policy(method, path, query, headers)
        if comp == "undelete":
            return self._undelete(path)
        if method == "DELETE":
            return self._delete(path, url, query, headers)
        if "versionid" in query:
            return self._old_version(path, query["versionid"])
        if method == "PUT" and comp in (None, "blocklist"):
            return self._put(path, url, headers, body)
        answer = self._forward(method, url, headers, body)
        current = self._current(path)
        if method in ("GET", "HEAD") and answer.status < 300 and current:
            answer.headers |= _described(current)
        return answer

    def _put(self, path: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        asked = headers.get(_UNTIL)
        if asked and not self.locks:
            return _refusal(409, "ImmutabilityNotEnabled")
        until = parsedate_to_datetime(asked) if asked else None
        if until and until <= self.clock():
            return _refusal(400, "InvalidHeaderValue")
        answer = self._forward("PUT", url, headers, body)
        if answer.status == 201 and self.locks:
            version = Version(self._new_id())
            if not self.ignores_locks:
                version.until, version.mode = until, headers.get(_MODE, "").lower()
            self._versions.setdefault(path, []).append(version)
            answer.headers["x-ms-version-id"] = version.id
        return answer

    def _policy(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Answer:
        version = self._find(path, query.get("versionid"))
        if version is None:
            return _refusal(404, "BlobNotFound")
        if method == "DELETE":
            if version.mode == "locked":
                return _refusal(*_IMMUTABLE)
            version.until, version.mode = None, ""
            return Answer(200)
        until, mode = parsedate_to_datetime(headers[_UNTIL]), headers.get(_MODE, "").lower()
        if until <= self.clock():
            return _refusal(400, "InvalidHeaderValue")
        shorter = version.until is not None and until < version.until
        if version.mode == "locked" and (shorter or mode != "locked"):
            return _refusal(*_IMMUTABLE)
        version.until, version.mode = until, mode
        return Answer(200, headers=_described(version))

    def _delete(
        self, path: str, url: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> Answer:
        current = self._current(path)
        if "versionid" in query:
            version = self._find(path, query["versionid"])
            if version is None:
                return _refusal(404, "BlobNotFound")
            if version is current:
                return _refusal(403, "OperationNotAllowedOnRootBlob")
            if version.until and version.until > self.clock():
                return _refusal(*_IMMUTABLE)
            self._drop(path, version)
            return Answer(202)
        kept = self._read(path) if self.locks or self.soft_delete else None
        answer = self._forward("DELETE", url, headers, b"")
        if answer.status == 202 and kept is not None:
            version = current or Version(self._new_id())
            version.data = kept
            if not self.locks:
                self._versions.setdefault(path, []).append(version)
                version.deleted = True
        return answer

    def _drop(self, path: str, version: Version) -> None:
        if self.soft_delete:
            version.deleted = True
        else:
            self._versions[path].remove(version)

    def _undelete(self, path: str) -> Answer:
        gone = [version for version in self._versions.get(path, []) if version.deleted]
        for version in gone:
            version.deleted = False
        if gone and not self.locks:
            self._client(path).upload_blob(_blob(path), gone[-1].data)
            self._versions[path].remove(gone[-1])
        return Answer(200)

    def _old_version(self, path: str, version_id: str) -> Answer:
        version = self._find(path, version_id)
        if version is None:
            return _refusal(404, "BlobNotFound")
        data = (self._read(path) if version is self._current(path) else version.data) or b""
        modified = {
            "Last-Modified": format_datetime(self.clock(), usegmt=True),
            "ETag": f'"{version.id}"',
            "x-ms-blob-type": "BlockBlob",
            "Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}",  # always the whole of it
        }
        return Answer(206, data, _described(version) | modified)

    def _current(self, path: str) -> Version | None:
        """The version that Azurite holds: the newest one, unless it is hidden."""
        if not self.locks or path not in self._versions or self._read(path) is None:
            return None
        return self._versions[path][-1]

    def _find(self, path: str, version_id: str | None) -> Version | None:
        if version_id is None:
            return self._current(path)
        known = (v for v in self._versions.get(path, []) if not v.deleted)
        return next((version for version in known if version.id == version_id), None)

    def _read(self, path: str) -> bytes | None:
        blob = self._client(path).get_blob_client(_blob(path))
        return blob.download_blob().readall() if blob.exists() else None

    def _client(self, path: str) -> ContainerClient:
        return ContainerClient(
            self.azurite.account_url(), path.split("/")[2], self.azurite.account_key
        )

    def _new_id(self) -> str:
        self._ids += 1
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._ids)
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%f0Z")

    def _forward(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.azurite.port, timeout=60)
        try:
            connection.request(method, url, body or None, dict(headers))
            got = connection.getresponse()
            kept = {k: v for k, v in got.getheaders() if k.lower() not in _HOP}
            if method == "HEAD":
                kept["Content-Length"] = got.getheader("Content-Length") or "0"
            return Answer(got.status, got.read(), kept)
        finally:
            connection.close()


_HOP = {"content-length", "transfer-encoding", "connection", "keep-alive"}


def _blob(path: str) -> str:
    return path.split("/", 3)[3]


def _described(version: Version) -> dict[str, str]:
    found = {"x-ms-version-id": version.id}
    if version.until:
        found |= {_UNTIL: format_datetime(version.until, usegmt=True), _MODE: version.mode}
    return found


def _refusal(status: int, code: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return Answer(
        status, body.encode(), {"x-ms-error-code": code, "Content-Type": "application/xml"}
    )


@contextmanager
def worm_before(azurite: Azurite) -> Iterator[WormAccount]:
    """The stand-in on a port of its own before a running Azurite."""
    account = WormAccount(azurite)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = account.answer(self.command, self.path, dict(self.headers), body)
            self.send_response(answer.status)
            headers = {"Content-Length": str(len(answer.body)), **answer.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        account.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield account
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def worm(azurite: Azurite) -> Iterator[WormAccount]:
    """A fresh stand-in: its settings may be changed by a test."""
    with worm_before(azurite) as running:
        yield running


@pytest.fixture
def now() -> datetime:
    """When the test began, in the whole seconds that Azure keeps."""
    return utc_now().replace(microsecond=0)


@pytest.fixture
def worm_settings(worm: WormAccount, azure_settings: AzureSettings) -> AzureSettings:
    """A new, empty container with version-level WORM."""
    return replace(azure_settings, account_url=worm.account_url())
