"""The stand-in on a loopback port, over TLS: the official clients send no token without it."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from local.arm.service import Arm, Request, Response


@dataclass(frozen=True)
class Stand:
    """A stand-in that answers at `url`."""

    arm: Arm
    url: str


@contextmanager
def serve(arm: Arm, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Stand]:
    """Answers until the end of the block; `port` 0 is any free one."""
    handler = type("Handler", (_Handler,), {"arm": arm})
    with _Server(("127.0.0.1", port), handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        scheme = "https" if tls else "http"
        url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        handler.base = url  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield Stand(arm, url)
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Quiet: clients that go away are everyday."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    arm: Arm
    base = ""

    def handle_any(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=unquote(parts.path),
            query={key: value for key, value in parse_qsl(parts.query)},
            authorization=self.headers.get("Authorization", ""),
            body=json.loads(text) if text else {},
            base=self.base,
        )
        self._send(self.arm.handle(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 - http.server's

    def _send(self, response: Response) -> None:
        if response.lost:
            self.close_connection = True
            return
        data = b"" if response.body is None else json.dumps(response.body).encode()
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if data:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""
