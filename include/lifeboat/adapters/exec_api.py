"""The Pods port over an API server's websocket (`v5.channel.k8s.io`, before 1.30 `v4`).

Protocol: k8s.io/apimachinery/pkg/util/remotecommand. Every message begins with the byte of its
channel; the one of errors carries a Status when the command has ended, and nothing else says so.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from lifeboat.adapters.http_json import refusal, ssl_context
from lifeboat.adapters.http_wire import Answer
from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.clock import monotonic
from lifeboat.errors import ClusterUnreachable, HookFailed, LifeboatError, NotReady
from lifeboat.ports.pods import OUTPUT_BYTES, Ran, Target

_PROTOCOLS = ["v5.channel.k8s.io", "v4.channel.k8s.io"]
_STDOUT, _STDERR, _ERROR = 1, 2, 3
_CONNECT_SECONDS = 10.0


class _Cause(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _Details(msgspec.Struct):
    causes: list[_Cause] = []


class _Ended(msgspec.Struct):
    status: str = ""
    reason: str = ""
    details: _Details | None = None


class ExecApi:
    """See lifeboat.ports.pods.Pods for what `run` promises."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def run(self, target: Target, command: tuple[str, ...], seconds: float) -> Ran:
        from websocket import WebSocketException, WebSocketTimeoutException

        began = monotonic()
        connection = self._connect(target, command, min(seconds, _CONNECT_SECONDS))
        output = b""
        try:
            while True:
                left = began + seconds - monotonic()
                if left <= 0:
                    raise _late(target, seconds)
                connection.settimeout(left)
                opcode, message = connection.recv_data(control_frame=True)
                if opcode == _CLOSE:
                    raise _cut(target)
                if opcode not in _DATA or not message:
                    continue
                if message[0] in (_STDOUT, _STDERR):
                    output = (output + message[1:])[-OUTPUT_BYTES:]
                elif message[0] == _ERROR:
                    code = _exit_code(target, message[1:])
                    return Ran(code, monotonic() - began, output.decode(errors="replace"))
        except WebSocketTimeoutException:
            raise _late(target, seconds) from None
        except (WebSocketException, OSError):
            raise _cut(target) from None
        finally:
            connection.shutdown()  # without the goodbye, which could wait for an answer

    def _connect(self, target: Target, command: tuple[str, ...], seconds: float) -> Any:
        import websocket

        path = f"/api/v1/namespaces/{quote(target.namespace)}/pods/{quote(target.pod)}/exec"
        query = [("container", target.container), ("stdout", "true"), ("stderr", "true")]
        query += [("command", word) for word in command]
        url = f"ws{self._endpoint.server.removeprefix('http')}{path}?{urlencode(query)}"
        tls: dict[str, Any] = {}
        if self._endpoint.server.startswith("https:"):
            tls["context"] = ssl_context(self._endpoint)
        if self._endpoint.tls_server_name:
            tls["server_hostname"] = self._endpoint.tls_server_name
        try:
            return websocket.create_connection(
                url,
                timeout=seconds,
                subprotocols=_PROTOCOLS,
                header=self._headers(),
                sslopt=tls,
                suppress_origin=True,
                redirect_limit=0,  # it would take the token along
                http_no_proxy=["*"],
            )
        except websocket.WebSocketBadStatusException as error:
            raise refusal(self._endpoint, _answer(error), f"exec in {target.title}") from None
        except (websocket.WebSocketException, OSError):
            raise ClusterUnreachable(
                f"{self._endpoint.server} opened no connection to {target.title}"
            ) from None

    def _headers(self) -> list[str]:
        token = self._endpoint.token
        return [] if token is None else [f"Authorization: Bearer {token()}"]


def _answer(error: Any) -> Answer:
    """What refused the websocket (WebSocketBadStatusException)."""
    headers = (error.resp_headers or {}).items()
    told = tuple((name.encode(), str(value).encode()) for name, value in headers)
    return Answer(error.status_code, "", told, error.resp_body or b"")


_CLOSE = 0x8
_DATA = (0x1, 0x2)


def _exit_code(target: Target, status: bytes) -> int:
    try:
        ended = msgspec.json.decode(status, type=_Ended)
    except msgspec.DecodeError:
        raise _cut(target) from None
    if ended.status == "Success":
        return 0
    for cause in ended.details.causes if ended.details else ():
        if cause.reason == "ExitCode" and cause.message.isdigit():
            return int(cause.message)
    # The server's own words may quote the command, and so a secret in it.
    raise HookFailed(
        f"the command could not be started in {target.title} ({ended.reason or 'no reason given'})",
        hint="does the container have this command? It is run without a shell",
    )


def _late(target: Target, seconds: float) -> LifeboatError:
    return NotReady(
        f"the command in {target.title} still ran after {seconds:g} s",
        hint="it may run on: nobody can end it from outside. Give the hook a longer timeout",
    )


def _cut(target: Target) -> LifeboatError:
    return ClusterUnreachable(
        f"the connection to {target.title} broke before the command ended; it may run on"
    )
