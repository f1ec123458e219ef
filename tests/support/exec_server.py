"""An API server's exec door on loopback, with a script of what comes through it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.sync.server import Server, ServerConnection, serve

PROTOCOLS: list[Any] = ["v5.channel.k8s.io", "v4.channel.k8s.io"]


def success() -> bytes:
    return b"\x03" + json.dumps({"status": "Success"}).encode()


def failure(code: int) -> bytes:
    causes = [{"reason": "ExitCode", "message": str(code)}]
    status = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
    return b"\x03" + json.dumps(status).encode()


def not_started() -> bytes:
    status = {"status": "Failure", "reason": "InternalError", "message": "exec: SECRET: no"}
    return b"\x03" + json.dumps(status).encode()


@dataclass
class ExecScript:
    """`messages` are sent, then `end` decides: close, cut (no goodbye) or hang. `refuse` is a
    status to answer instead, `location` where it leads."""

    messages: list[bytes] = field(default_factory=lambda: [success()])
    end: str = "close"
    refuse: int = 0
    location: str = ""
    protocols: list[Any] = field(default_factory=lambda: list(PROTOCOLS))
    asked: list[Request] = field(default_factory=list)
    url: str = ""

    def query(self) -> dict[str, list[str]]:
        """What the last request asked for."""
        return parse_qs(urlsplit(self.asked[-1].path).query)


@contextmanager
def exec_server(script: ExecScript) -> Iterator[ExecScript]:
    """A server on a free port that follows the script."""
    with serve(
        _handler(script),
        "127.0.0.1",
        0,
        process_request=_door(script),
        subprotocols=script.protocols,
    ) as server:
        script.url = f"http://127.0.0.1:{_port(server)}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()


def _port(server: Server) -> int:
    port: int = server.socket.getsockname()[1]
    return port


def _door(script: ExecScript) -> Callable[[ServerConnection, Request], Response | None]:
    def answer(connection: ServerConnection, request: Request) -> Response | None:
        script.asked.append(request)
        if not script.refuse:
            return None
        body = json.dumps({"kind": "Status", "message": "refused on order"})
        response = connection.respond(script.refuse, body)
        if script.location:
            response.headers["Location"] = script.location
        return response

    return answer


def _handler(script: ExecScript) -> Callable[[ServerConnection], None]:
    def speak(connection: ServerConnection) -> None:
        for message in script.messages:
            connection.send(message)
        if script.end == "cut":
            connection.socket.shutdown(socket.SHUT_RDWR)
        elif script.end == "hang":
            try:
                connection.recv()  # until the client goes
            except ConnectionClosed:
                return

    return speak
