"""An API server's exec door on loopback: with a script of what comes through it, or with commands
that run here."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
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
    status to answer instead, `location` where it leads. `runs`: instead, the command runs on this
    machine, in any container of the pods `pods` (by name, with their containers)."""

    messages: list[bytes] = field(default_factory=lambda: [success()])
    end: str = "close"
    refuse: int = 0
    location: str = ""
    protocols: list[Any] = field(default_factory=lambda: list(PROTOCOLS))
    runs: bool = False
    pods: dict[str, tuple[str, ...]] = field(default_factory=dict)
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
        if script.runs:
            return _why_not(script, connection)
        if not script.refuse:
            return None
        body = json.dumps({"kind": "Status", "message": "refused on order"})
        response = connection.respond(script.refuse, body)
        if script.location:
            response.headers["Location"] = script.location
        return response

    return answer


def _why_not(script: ExecScript, connection: ServerConnection) -> Response | None:
    """As an API server refuses, before it asks a kubelet."""
    pod = urlsplit(script.asked[-1].path).path.split("/")[-2]
    (container,) = script.query()["container"]
    if pod not in script.pods:
        status = {"kind": "Status", "reason": "NotFound", "message": f'pods "{pod}" not found'}
        return connection.respond(404, json.dumps(status))
    if container not in script.pods[pod]:
        message = f"container {container} is not valid for pod {pod}"
        status = {"kind": "Status", "reason": "BadRequest", "message": message}
        return connection.respond(400, json.dumps(status))
    return None


def _run_here(connection: ServerConnection) -> None:
    assert connection.request
    command = parse_qs(urlsplit(connection.request.path).query)["command"]
    try:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError:
        connection.send(not_started())
        return
    assert process.stdout

    def end_with_the_client() -> None:
        with contextlib.suppress(ConnectionClosed):
            connection.recv()
        process.kill()

    watcher = threading.Thread(target=end_with_the_client)
    watcher.start()
    with process, contextlib.suppress(ConnectionClosed):
        while chunk := os.read(process.stdout.fileno(), 1000):
            connection.send(b"\x01" + chunk)
        code = process.wait()
        connection.send(failure(code) if code else success())
    connection.close()
    watcher.join()


def _handler(script: ExecScript) -> Callable[[ServerConnection], None]:
    def speak(connection: ServerConnection) -> None:
        if script.runs:
            _run_here(connection)
            return
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
