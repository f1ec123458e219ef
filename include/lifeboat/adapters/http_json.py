"""One pooled HTTPS connection set to an API server: requests, answers, and the errors they mean.

Knows HTTP and Kubernetes' Status objects, nothing of kinds. Safe for several threads.
"""

from __future__ import annotations

import random
import ssl
import tempfile
from pathlib import Path

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from lifeboat.adapters.kubeconfig import Endpoint
from lifeboat.clock import monotonic, pause
from lifeboat.errors import (
    AlreadyExists,
    ClusterUnreachable,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    LifeboatError,
    NotFound,
    Throttled,
    Unauthorized,
)

_CONNECTIONS = 32
_TIMEOUT = urllib3.Timeout(connect=10, read=90)
_PATIENCE = 60.0
_TRIES = 4
_IDEMPOTENT = ("GET", "PUT", "PATCH", "DELETE")
_LONGEST_REASON = 600


class _Status(msgspec.Struct):
    message: str = ""
    reason: str = ""


class Http:
    """`request` returns the body of a 2xx answer or raises one of lifeboat.errors.

    429 and 503 with Retry-After are obeyed for up to `patience` seconds; a broken connection is
    tried again where that cannot do anything twice.
    """

    def __init__(self, endpoint: Endpoint, patience: float = _PATIENCE) -> None:
        self._endpoint = endpoint
        self._patience = patience
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=_CONNECTIONS,
            block=True,
            retries=False,
            timeout=_TIMEOUT,
            ssl_context=_ssl_context(endpoint),
            server_hostname=endpoint.tls_server_name or None,
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        deadline = monotonic() + self._patience
        for attempt in range(_TRIES * 100):
            headers = {"Accept": accept, "User-Agent": "lifeboat"}
            if body is not None:
                headers["Content-Type"] = content_type
            if self._endpoint.token is not None:
                headers["Authorization"] = f"Bearer {self._endpoint.token()}"
            try:
                answer = self._pool.request(
                    method, self._endpoint.server + path, body=body, headers=headers
                )
            except HTTPError as error:
                if method not in _IDEMPOTENT or attempt + 1 >= _TRIES:
                    raise self._unreachable(error) from error
                pause(0.1 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311
                continue
            if answer.status < 300:
                return answer.data
            error_answer = self._error(answer)
            wait = error_answer.retry_after if isinstance(error_answer, Throttled) else None
            if wait is None or monotonic() + wait > deadline:
                raise error_answer
            pause(wait * random.uniform(1.0, 1.3))  # noqa: S311 - jitter, not secrecy
        raise AssertionError("unreachable: the deadline ends the loop")

    def _unreachable(self, error: HTTPError) -> ClusterUnreachable:
        return ClusterUnreachable(
            f"{self._endpoint.server} does not answer: {type(error).__name__}",
            hint="check that the API server runs and that this machine can reach it",
        )

    def _error(self, answer: urllib3.BaseHTTPResponse) -> LifeboatError:
        try:
            status = msgspec.json.decode(answer.data, type=_Status)
        except msgspec.DecodeError:
            status = _Status(message=answer.reason or "")
        message = status.message[:_LONGEST_REASON] or f"HTTP {answer.status}"
        if answer.status in (429, 503) and answer.headers.get("Retry-After"):
            return Throttled(message, retry_after=_seconds(answer.headers["Retry-After"]))
        if answer.status == 429:
            return Throttled(message, retry_after=1.0)
        if answer.status == 409:
            kind = AlreadyExists if status.reason == "AlreadyExists" else Conflict
            return kind(message)
        if answer.status >= 500:
            return ClusterUnreachable(f"the API server answered {answer.status}: {message}")
        known = _BY_STATUS.get(answer.status, Invalid)
        if known is Unauthorized:
            return Unauthorized(
                f"{self._endpoint.describe} was refused: {message}",
                hint="the credential is wrong or has expired",
            )
        return known(message)


_BY_STATUS: dict[int, type[LifeboatError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    410: Expired,
}


def _seconds(text: str) -> float:
    try:
        return max(0.0, float(text))
    except ValueError:
        return 1.0


def _ssl_context(endpoint: Endpoint) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=endpoint.ca.decode() or None)
    if endpoint.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if endpoint.client_cert:
        # Python's ssl loads a private key from files only: readable to this user, gone at once.
        with tempfile.TemporaryDirectory(prefix="lifeboat-") as folder:
            path = Path(folder) / "client.pem"
            path.touch(mode=0o600)
            path.write_bytes(endpoint.client_cert + b"\n" + endpoint.client_key)
            context.load_cert_chain(path)
    return context
