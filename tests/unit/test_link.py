"""The link that tests cut and hold: what passes when, and who is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.link import Link

_LONG = 30.0
_SHORT = 0.2


@pytest.fixture
def link() -> Iterator[Link]:
    """A link to a server that sends back what it hears."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=echo, args=(client,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        made = Link(server.getsockname()[1])
        yield made
        made.close()
        server.shutdown(socket.SHUT_RDWR)


def echo(client: socket.socket) -> None:
    with client:
        while data := client.recv(100):
            client.sendall(data)


def connected(link: Link) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.port), timeout=_LONG)


def said(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    return client.recv(100)


def test_a_whole_link_forwards(link: Link) -> None:
    with connected(link) as client:
        assert said(client, b"ahoy") == b"ahoy"


def test_a_cut_ends_connections_and_refuses_new_ones_until_it_is_mended(link: Link) -> None:
    with connected(link) as client:
        assert said(client, b"ahoy") == b"ahoy"
        link.cut()
        assert client.recv(100) == b""
    with connected(link) as client, suppress(ConnectionResetError):
        assert client.recv(100) == b""
    link.mend()
    with connected(link) as client:
        assert said(client, b"again") == b"again"


def test_what_is_sent_while_it_is_held_arrives_when_it_is_mended(link: Link) -> None:
    with connected(link) as client:
        assert said(client, b"ahoy") == b"ahoy"
        link.hold()
        client.sendall(b"later")
        client.settimeout(_SHORT)
        with pytest.raises(TimeoutError):
            client.recv(100)
        link.mend()
        client.settimeout(_LONG)
        assert client.recv(100) == b"later"
