"""An HTTP server that says what a script tells it: bodies, statuses, answers that break off."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """One answer. `cut` breaks the connection after so many bytes of the body."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


@dataclass(frozen=True)
class Request:
    """What was asked. `path` includes the query."""

    method: str
    path: str
    headers: Mapping[str, str]


@dataclass
class Script:
    """Answers in order, and the last one for ever; `by_path` has scripts of single paths."""

    answers: list[Answer] = field(default_factory=lambda: [Answer()])
    by_path: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next_answer(self, request: Request) -> Answer:
        """Records the request and says what comes next."""
        with self._lock:
            self.requests.append(request)
            answers = self.by_path.get(request.path.partition("?")[0], self.answers)
            return answers.pop(0) if len(answers) > 1 else answers[0]


def ok(body: Any) -> Answer:
    """200 with JSON."""
    return Answer(body=json.dumps(body).encode())


def refused(code: int, reason: str, message: str = "", **headers: str) -> Answer:
    """A Kubernetes Status. Header names are given with underscores."""
    status = {"kind": "Status", "code": code, "reason": reason, "message": message}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(code, json.dumps(status).encode(), named)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def handle_any(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Request(self.command, self.path, dict(self.headers.items()))
        answer = self.script.next_answer(asked)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut])
        if answer.cut is not None:
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = handle_any  # noqa: N815 - http.server's names
    do_PATCH = do_DELETE = handle_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def scripted_server(*answers: Answer) -> Iterator[Script]:
    """A server on a free port that follows a script."""
    script = Script(list(answers) or [Answer()])
    handler = type("Handler", (_Handler,), {"script": script})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
