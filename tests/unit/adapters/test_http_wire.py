"""What comes over a wire, said byte by byte by a server that a test holds in its hand."""

from __future__ import annotations

import gc
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lifeboat.adapters.http_json import Http
from lifeboat.adapters.http_wire import Answer, Wire
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.errors import UsageError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Says to each connection what `talk` says, and remembers what was asked."""

    def __init__(self, talk: Callable[[Server, socket.socket], None]) -> None:
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.connections = 0
        self.asked: list[bytes] = []
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def hear(self, connection: socket.socket) -> bytes:
        """The next request, with its body; empty when the client has hung up."""
        heard = b""
        while b"\r\n\r\n" not in heard:
            more = connection.recv(65536)
            if not more:
                return b""
            heard += more
        head, _, body = heard.partition(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")),
            0,
        )
        while len(body) < length:
            body += connection.recv(65536)
        self.asked.append(head + b"\r\n\r\n" + body)
        return self.asked[-1]

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._accepting, *self._threads):
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            self._talk(self, connection)


@contextmanager
def talking(talk: Callable[[Server, socket.socket], None]) -> Iterator[tuple[Server, Wire]]:
    server = Server(talk)
    wire = Wire(server.url, None, most=4)
    try:
        yield server, wire
    finally:
        wire.close()
        server.close()


@contextmanager
def saying(*answers: bytes, ends: bool = False) -> Iterator[tuple[Server, Wire]]:
    """Each request gets the next answer, the last one for ever; `ends` hangs up after each."""
    left = list(answers)

    def talk(server: Server, connection: socket.socket) -> None:
        while server.hear(connection):
            connection.sendall(left.pop(0) if len(left) > 1 else left[0])
            if ends:
                return

    with talking(talk) as both:
        yield both


def ask(wire: Wire, method: str = "GET", body: bytes = b"") -> Answer:
    return wire.ask(method, "/path?a=b", "Accept: x\r\n", body, lambda: b"Authorization: me\r\n")


def test_what_is_sent() -> None:
    with saying(OK) as (server, wire):
        ask(wire)
        ask(wire, "POST", b"body")
        ask(wire, "POST")
    place = server.url.removeprefix("http://").encode()
    common = b"Host: %s\r\nAccept-Encoding: identity\r\nAccept: x\r\n" % place
    assert server.asked == [
        b"GET /path?a=b HTTP/1.1\r\n%sAuthorization: me\r\n\r\n" % common,
        b"POST /path?a=b HTTP/1.1\r\n%sContent-Length: 4\r\nAuthorization: me\r\n\r\nbody" % common,
        b"POST /path?a=b HTTP/1.1\r\n%sContent-Length: 0\r\nAuthorization: me\r\n\r\n" % common,
    ]
    assert server.connections == 1


def test_what_is_heard() -> None:
    said = b"HTTP/1.1 429 Too Many\r\nWARNING: a\r\nRetry-After: 7\r\nWarning: b\r\n"
    with saying(said + b"Content-Length: 5\r\n\r\nlater") as (_, wire):
        answer = ask(wire)
    assert (answer.status, answer.reason, answer.body) == (429, "Too Many", b"later")
    assert answer.values("Warning") == ["a", "b"]
    assert (answer.header("retry-after"), answer.header("location")) == ("7", "")


def test_pieces_are_put_together() -> None:
    """An API server sends a list in chunks; the network cuts them where it likes."""
    body = bytes(range(256)) * 1000
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(body[at : at + 7919]), body[at : at + 7919])
        for at in range(0, len(body), 7919)
    )

    def talk(server: Server, connection: socket.socket) -> None:
        while server.hear(connection):
            whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
            for at in range(0, len(whole), 30011):
                connection.sendall(whole[at : at + 30011])

    with talking(talk) as (server, wire):
        assert [ask(wire).body == body for _ in range(3)] == [True] * 3
    assert server.connections == 1


def test_an_interim_answer_is_not_the_answer() -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    with saying(hint + hint + OK, OK) as (server, wire):
        first = ask(wire)
        assert (first.status, first.body, first.headers) == (
            200,
            b"ok",
            ((b"Content-Length", b"2"),),
        )
        assert ask(wire).status == 200
    assert server.connections == 1


def test_an_answer_may_end_with_its_connection() -> None:
    with saying(b"HTTP/1.0 200 OK\r\n\r\nall of it", ends=True) as (server, wire):
        assert ask(wire).body == b"all of it"
        assert ask(wire).body == b"all of it"
    assert server.connections == 2


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
    ],
)
def test_an_answer_that_is_not_whole(said: bytes) -> None:
    with saying(said, ends=True) as (_, wire), pytest.raises(ConnectionError, match="whole"):
        ask(wire)


def test_what_is_no_http() -> None:
    with (
        saying(b"SSH-2.0-OpenSSH_9.6\r\n") as (_, wire),
        pytest.raises(ConnectionError, match="HTTP"),
    ):
        ask(wire)


@pytest.mark.parametrize("more", [b"HTTP/1.1 408 Request Timeout\r\n\r\n", b"noise"])
def test_what_follows_an_answer_is_no_answer_to_the_next_request(more: bytes) -> None:
    with saying(OK + more, OK) as (server, wire):
        assert ask(wire).body == b"ok"
        assert (ask(wire).status, server.connections) == (200, 2)


def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    close = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    with saying(close) as (server, wire):
        ask(wire)
        ask(wire)
    assert server.connections == 2


def test_a_connection_that_ended_meanwhile_costs_no_request() -> None:
    """A create is not tried again, so that it must not be sent into a connection that is gone."""
    gone = threading.Event()

    def talk(server: Server, connection: socket.socket) -> None:
        if server.hear(connection):
            connection.sendall(OK)
        connection.close()
        gone.set()

    with talking(talk) as (server, wire):
        for _ in range(3):
            gone.clear()
            assert ask(wire, "POST", b"x").status == 200
            assert gone.wait(30)
    assert server.connections == 3


def test_a_body_that_is_refused_unread_is_answered() -> None:
    """As an API server does with one of more than 3 MiB: it answers, reads no more, and hangs up on
    who still sends."""

    def talk(_: Server, connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)

    with talking(talk) as (_, wire):
        assert ask(wire, "POST", bytes(8 << 20)).status == 413


def test_no_more_connections_than_wanted() -> None:
    with saying(OK) as (server, wire):
        threads = [threading.Thread(target=ask, args=(wire,)) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.asked) == 40
        assert server.connections <= 4


def test_after_an_error_there_are_as_many_connections_as_before() -> None:
    with saying(*[b"noise\r\n"] * 9, OK) as (_, wire):
        for _ in range(9):
            with pytest.raises(ConnectionError):
                ask(wire)
        assert ask(wire).status == 200


def test_closing_and_forgetting_a_client_hangs_up() -> None:
    hung_up = threading.Semaphore(0)

    def talk(server: Server, connection: socket.socket) -> None:
        while server.hear(connection):
            connection.sendall(OK)
        hung_up.release()

    with talking(talk) as (server, wire):
        ask(wire)
        wire.close()
        assert hung_up.acquire(timeout=30)
        assert ask(wire).status == 200
        wire.close()
        assert hung_up.acquire(timeout=30)
        forgotten = Wire(server.url, None, most=1)
        ask(forgotten)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            del forgotten
            gc.collect()
        assert hung_up.acquire(timeout=30)
        assert [one for one in told if one.category is ResourceWarning] == []


@pytest.mark.parametrize("token", ["two\r\nX-Admin: yes", "tok\u20acn", "nul\0"])
def test_a_token_that_is_no_header_is_refused_and_stays_secret(token: str) -> None:
    with saying(OK) as (server, _):
        http = Http(Endpoint(server.url, "the server as me", token=lambda: token))
        with pytest.raises(UsageError, match="token of the server as me") as caught:
            http.request("GET", "/")
        assert token not in str(caught.value)
        assert server.asked == []


def test_nothing_is_left_for_the_garbage_collector() -> None:
    """A dump runs without one, and makes thousands of requests."""
    with saying(OK) as (_, wire):
        ask(wire)
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                ask(wire)
            assert gc.collect() < 20
        finally:
            gc.enable()
