"""Two loopback servers that misbehave: one loses answers, one gives the answers it is told to."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class LosingProxy:
    """Forwards TCP to `upstream`; drops chosen answers after the request was served.

    `asked` has the first line of every request, in order, without its protocol.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._left: dict[tuple[bytes, bytes], int] = {}
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.lost = 0
        self.asked: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def lose_answers(self, method: str, times: int, *, path: str = "") -> None:
        """The next `times` requests of this method, with `path` in their URL, get no answer."""
        with self._lock:
            self._left[method.encode(), path.encode()] = times

    def close(self) -> None:
        """Stop listening and break what is open."""
        self._listener.close()
        with self._lock:
            sockets = list(self._open)
        for each in sockets:
            _break(each)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
                with self._lock:
                    self._open |= {client, server}
                asked: deque[bytes] = deque(maxlen=1)
                for pump in (self._requests, self._answers):
                    threading.Thread(target=pump, args=(client, server, asked), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket, asked: deque[bytes]) -> None:
        with suppress(OSError):
            while chunk := client.recv(65536):
                if chunk.startswith((b"PUT /", b"GET /", b"HEAD /", b"DELETE /")):
                    asked.append(chunk.partition(b"\r\n")[0])
                    self.asked.append(asked[-1].decode().rpartition(" ")[0])
                server.sendall(chunk)
        _break(server)
        self._forget(client)

    def _answers(self, client: socket.socket, server: socket.socket, asked: deque[bytes]) -> None:
        with suppress(OSError):
            while chunk := server.recv(65536):
                # 100 Continue only asks for the body; the answer comes after it, perhaps at once.
                while chunk.startswith(b"HTTP/1.1 100"):
                    head, end, chunk = chunk.partition(b"\r\n\r\n")
                    client.sendall(head + end)
                if chunk and self._loses(asked[-1]):
                    break
                client.sendall(chunk)
        _break(client)
        self._forget(server)

    def _loses(self, request_line: bytes) -> bool:
        with self._lock:
            for (method, path), left in self._left.items():
                if left and request_line.startswith(method) and path in request_line:
                    self._left[method, path] -= 1
                    self.lost += 1
                    return True
            return False

    def _forget(self, each: socket.socket) -> None:
        with self._lock:
            self._open.discard(each)
        each.close()


def _break(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


@contextmanager
def losing_proxy(upstream: int) -> Iterator[LosingProxy]:
    """A proxy before a loopback port, closed at the end."""
    proxy = LosingProxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()


@dataclass
class ScriptedServer:
    """Answers every request with the next scripted status, the last one for ever."""

    answers: list[tuple[int, Mapping[str, str]]]
    requests: list[str] = field(default_factory=list)
    port: int = 0

    def next_answer(self, request: str) -> tuple[int, Mapping[str, str]]:
        """Records `METHOD path` and returns what to say."""
        self.requests.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def scripted_server(*answers: tuple[int, Mapping[str, str]]) -> Iterator[ScriptedServer]:
    """An HTTP server on a free port that says these statuses and headers, with no body."""
    script = ScriptedServer(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers = script.next_answer(f"{self.command} {self.path}")
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        do_GET = do_PUT = do_HEAD = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        script.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
