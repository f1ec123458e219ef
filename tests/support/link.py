"""The network between Airflow's workers and a cluster: a loopback proxy that can be cut or held."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import yaml

_CHUNK = 1 << 16


class Link:
    """Forwards TCP from `port` to `upstream` on this machine, for as long as the process lives.

    Cut, connections are reset and new ones are closed at once; held, nothing arrives any more and
    nobody is told.
    """

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._whole = True
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._listener.getsockname()[1]
        return port

    def cut(self) -> None:
        """Until `mend`, there is no way through."""
        with self._lock:
            self._whole = False
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def hold(self) -> None:
        """Until `mend`, what is sent does not arrive."""
        self._flows.clear()

    def mend(self) -> None:
        """All is well again."""
        with self._lock:
            self._whole = True
        self._flows.set()

    def close(self) -> None:
        """End every connection and listen no more."""
        self.cut()
        self._flows.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                whole = self._whole
            if not whole:
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream))
            except OSError:
                return
            with server:
                with self._lock:
                    self._open |= {client, server}
                back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
                back.start()
                self._pump(client, server)
                back.join()
                with self._lock:
                    self._open -= {client, server}

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def link_to(kubeconfig: Path, folder: Path) -> Iterator[tuple[Link, Path]]:
    """A link to the cluster of a kubeconfig, and a kubeconfig in `folder` that goes through it."""
    document = yaml.safe_load(kubeconfig.read_text())
    cluster = document["clusters"][0]["cluster"]
    server = urlsplit(cluster["server"])
    assert server.port is not None
    link = Link(server.port)
    cluster["server"] = f"https://127.0.0.1:{link.port}"
    through = folder / "linked.kubeconfig"
    through.touch(mode=0o600)
    through.write_text(yaml.safe_dump(document))
    try:
        yield link, through
    finally:
        link.close()
