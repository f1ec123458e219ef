"""HTTP/1.1 to one server over connections that stay open: bytes out, bytes in.

For thousands of small requests and for large answers: llhttp (httptools) parses, Python's ssl
encrypts, and nothing lies between. The same through urllib3 and http.client costs four times the
processor time of a request of 1 KB, and twice that of a page (docs/performance.md). Knows nothing
of retries, redirects, proxies and encodings. Safe for several threads.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import warnings
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, LifoQueue
from urllib.parse import urlsplit

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from urllib3.exceptions import InsecureRequestWarning

_CONNECT_SECONDS = 10.0
_READ_SECONDS = 90.0  # without a byte
_CHUNK = 64 * 1024
_PORTS = {"http": 80, "https": 443}
# A connection that idles in a task's pool must survive NAT and load balancers (Azure: 4 minutes).
_SOCKET_OPTIONS = [
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
]
if hasattr(socket, "TCP_KEEPIDLE"):  # macOS has its own name for it, and a laptop needs it less
    _SOCKET_OPTIONS.append((socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60))


@dataclass(frozen=True)
class Answer:
    """`headers` as they came, in latin-1 (RFC 9110, 5.5)."""

    status: int
    reason: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The first value; empty when there is none."""
        return next(iter(self.values(name)), "")

    def values(self, name: str) -> list[str]:
        """Every value of a header, in their order."""
        wanted = name.lower().encode()
        return [value.decode("latin-1") for key, value in self.headers if key.lower() == wanted]


class Wire:
    """At most so many connections to one server; a request waits for one that is free.

    What breaks is an OSError: ssl.SSLError, TimeoutError, or a ConnectionError, also where the
    answer is no HTTP or ends too early.
    """

    def __init__(
        self, url: str, context: ssl.SSLContext | None, *, server_name: str = "", most: int
    ) -> None:
        """`url`: only its scheme, host and port count. `server_name`: whom its certificate must
        name, where that is not the host."""
        place = urlsplit(url)
        self._host = place.hostname or ""
        self._port = place.port or _PORTS[place.scheme]
        self._context = context if place.scheme == "https" else None
        if self._context:
            self._context.set_alpn_protocols(["http/1.1"])
        self._server_name = server_name or self._host
        self._fixed = f"Host: {place.netloc.rpartition('@')[2]}\r\nAccept-Encoding: identity\r\n"
        self._idle: LifoQueue[_Connection | None] = LifoQueue()
        for _ in range(most):
            self._idle.put(None)
        weakref.finalize(self, _close_idle, self._idle)

    def close(self) -> None:
        """Close idle connections; the next request opens new ones."""
        _close_idle(self._idle)

    def ask(
        self, method: str, path: str, headers: str, body: bytes, credential: Callable[[], bytes]
    ) -> Answer:
        """`headers` and what `credential` returns are whole lines. The latter is asked for where it
        is sent, and no variable here holds it: tracebacks that show locals must not show it."""
        head = f"{method} {path} HTTP/1.1\r\n{self._fixed}{headers}"
        if body or method in ("POST", "PUT", "PATCH"):
            head += f"Content-Length: {len(body)}\r\n"
        connection = self._idle.get()
        kept = None
        try:
            if connection is None or connection.was_dropped():
                connection = self._connect()
            answer, stays = connection.ask(head.encode("latin-1"), body, credential)
            kept = connection if stays else None
        finally:
            if kept is None and connection is not None:
                connection.close()
            self._idle.put(kept)
        return answer

    def _connect(self) -> _Connection:
        """Every address of the host is tried (socket.create_connection)."""
        sock = socket.create_connection((self._host, self._port), _CONNECT_SECONDS)
        try:
            for option in _SOCKET_OPTIONS:
                sock.setsockopt(*option)
            if self._context:
                if self._context.verify_mode == ssl.CERT_NONE:
                    warnings.warn(
                        f"the certificate of {self._host} is not checked",
                        InsecureRequestWarning,
                        stacklevel=1,
                    )
                sock = self._context.wrap_socket(sock, server_hostname=self._server_name)
            sock.settimeout(_READ_SECONDS)
        except BaseException:
            sock.close()
            raise
        return _Connection(sock)


def _close_idle(idle: LifoQueue[_Connection | None]) -> None:
    found = []
    with contextlib.suppress(Empty):
        while True:
            found.append(idle.get_nowait())
    for connection in found:
        if connection is not None:
            connection.close()
        idle.put(None)


class _Connection:
    """One request after the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def close(self) -> None:
        self._sock.close()

    def was_dropped(self) -> bool:
        """Whether something is to be read before anything was asked: the end, or a last word."""
        if not self._poll.poll(0):
            return False
        self.close()
        return True

    def ask(self, head: bytes, body: bytes, credential: Callable[[], bytes]) -> tuple[Answer, bool]:
        """The answer, and whether the connection stays usable."""
        # A server may refuse a large body before it has read all of it, and hang up: then its
        # answer is still to be read.
        with contextlib.suppress(BrokenPipeError):
            self._sock.sendall(b"".join((head, credential(), b"\r\n", body)))
        reader = _Reader()
        parser = reader.parser = HttpResponseParser(reader)
        try:
            sound = self._read(reader, parser)
        finally:
            reader.parser = None  # each refers to the other, and nobody may collect cycles
        answer = Answer(
            reader.status,
            reader.reason.decode("latin-1"),
            tuple(reader.headers),
            reader.parts[0] if len(reader.parts) == 1 else b"".join(reader.parts),
        )
        return answer, sound and reader.stays

    def _read(self, reader: _Reader, parser: HttpResponseParser) -> bool:
        """Until the answer is whole; whether nothing else came with it."""
        while not reader.whole:
            data = self._sock.recv(_CHUNK)
            if not data:
                if not reader.ends_with_connection():
                    raise ConnectionError("the connection ended before the answer was whole")
                reader.on_message_complete()
                return False
            try:
                parser.feed_data(data)
            except (HttpParserError, HttpParserUpgrade) as error:
                if not reader.whole:
                    raise ConnectionError(f"the answer is no HTTP: {error}") from None
                return False
        return True


class _Reader:
    """What the parser calls. An interim answer (100 and above) is followed by the one that counts;
    what follows that one is an error of the server's, and stops the parser."""

    def __init__(self) -> None:
        self.parser: HttpResponseParser | None = None
        self.whole = self.stays = False
        self.on_message_begin()

    def on_message_begin(self) -> None:
        if self.whole:
            raise ConnectionError("more came than was asked for")
        self.status = 0
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self.parser is not None
        self.status = self.parser.get_status_code()

    def on_body(self, part: bytes) -> None:
        self.parts.append(part)

    def on_message_complete(self) -> None:
        assert self.parser is not None
        self.whole = self.status >= 200
        self.stays = bool(self.parser.should_keep_alive())  # it forgets with the next message

    def ends_with_connection(self) -> bool:
        """Whether the end of the connection is what ends the answer (RFC 9112, 6.3, rule 8)."""
        told = {name.lower() for name, _ in self.headers}
        return self.status >= 200 and not told & {b"content-length", b"transfer-encoding"}
